//! neobank-entity.

//! neobank-domain.

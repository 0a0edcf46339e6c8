//! neobank-db.

//! neobank-postgres.

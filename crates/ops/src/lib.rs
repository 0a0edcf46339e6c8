//! Monitoring of PostgreSQL that tells the truth.

pub mod isolation;

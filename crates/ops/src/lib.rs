//! Monitoring of PostgreSQL that tells the truth.

//! SeaORM's entities of every table. They run on the `Database` and the `Transaction` of `neobank-db`
//! with its feature `sea-orm`, and on any other connection of SeaORM.
//!
//! Leave the columns that the database computes (`available_balance`, `reference_number`) and identity
//! columns `NotSet` in an insertion.

pub mod banking;
pub mod concurrency;
pub mod pooling;

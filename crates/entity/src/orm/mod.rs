//! SeaORM's entities of every table. They run on `neobank-db`'s `Database` and `Transaction` with its feature `sea-orm`, and on
//! any other connection of SeaORM.
//!
//! Leave columns that the database computes, and identities, `NotSet` in an `ActiveModel` that is inserted.

pub mod banking;
pub mod concurrency;
pub mod pooling;

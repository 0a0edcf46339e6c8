//! The integration tests: everything against real servers, PostgreSQL 15 and 18.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::redundant_clone,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod harness;

mod accounts;
mod audit;
mod balances;
mod chain;
mod change_log;
mod cli;
mod customers;
mod database;
mod documentation;
mod import;
mod journal;
mod ledger;
mod locks;
mod matrix;
mod migration;
mod money;
mod ops;
mod periods;
mod pool;
mod pooler;
mod preferences;
mod reports;
mod server;
mod statements;
mod tidy;
mod transfers;

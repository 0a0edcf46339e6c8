//! The command `neobank`: monitoring of a bank's database, and the bank's daily work, from a
//! terminal.
//!
//! [`main`] is the whole program. `arguments` defines the command line, `commands` has a file for
//! each command, `output` renders their results as tables or as JSON of a versioned contract, and
//! `nagios` as a line for a monitoring system. Only `neobank_ops::checks` decides severities.
//!
//! An output is printed only when it is complete: a command that fails prints nothing on standard
//! output.

#![allow(
    clippy::doc_markdown,
    clippy::needless_pass_by_value,
    reason = "help texts are read on a terminal, not as Markdown"
)]
#![cfg_attr(test, allow(clippy::float_arithmetic))]

mod arguments;
mod commands;
mod connection;
mod error;
mod exit;
mod html;
mod logging;
mod metrics;
mod nagios;
mod output;
mod program;
mod schema;
mod stop;
pub mod top;

pub use program::{command, main};

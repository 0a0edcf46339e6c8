//! `neobank`: what a bank's database does, and the bank's daily work, from a terminal.
//!
//! [`main`] is the whole program. `arguments` says what can be asked for, `commands` has a file for
//! each command, `output` shows what it returns as tables or as JSON of a versioned contract, and
//! `nagios` as a line for a monitoring system. What is worth a warning is judged by
//! `neobank_ops::checks` alone.
//!
//! Nothing of an output is printed before it is whole: a command that fails prints nothing on
//! standard output.

#![allow(
    clippy::doc_markdown,
    clippy::needless_pass_by_value,
    reason = "help texts are read on a terminal; what is shown is taken as it comes"
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
pub mod top;

pub use program::{command, main};

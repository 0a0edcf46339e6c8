//! `neobank`: what a bank's database does, and the bank's daily work, from a terminal.

pub mod top;

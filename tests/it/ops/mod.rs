//! Every question of the ops crate, asked of live servers in live scenarios.

mod isolation;

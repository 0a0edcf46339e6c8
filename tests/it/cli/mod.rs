//! The operator's command, run as a process of its own.

mod bench;
mod check;
mod contract;
mod daily;
mod import;
mod ops;
mod output;
pub(crate) mod program;
mod rollout;
mod top;
mod unknown;
mod verdicts;

//! The operator's command, run as a process of its own.

mod balances;
mod bench;
mod chain;
mod changes;
mod check;
mod contract;
mod daily;
mod environment;
mod exchange;
mod hold;
mod import;
mod limits;
mod metadata;
mod ops;
mod output;
mod postings;
mod preferences;
pub(crate) mod program;
mod reverse;
mod rollout;
mod submit;
mod top;
mod transfers;
mod unknown;
mod verdicts;

//! The operator's command, run as its user runs it.

mod metrics;
mod report;
mod top;

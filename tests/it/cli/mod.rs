//! The operator's command, run as its user runs it.

mod top;

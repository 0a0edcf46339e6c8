//! Who is connected, for what, and how many more may be.

mod limits;

pub use limits::{ConnectionLimitsRow, statement as connection_limits_statement};

//! Connections: their owners, their states, and their limits.

mod analysis;
mod idle;
mod limits;

pub use analysis::{ConnectionRow, statement as connection_analysis_statement};
pub(crate) use analysis::{UNTRACKED, age, select as analysis};
pub(crate) use idle::select as idle;
pub use idle::{
    IDLE_MAX, IdleConnectionRow, IdleTotalsRow, statement as idle_connections_statement,
    totals_statement as idle_totals_statement,
};
pub use limits::{ConnectionLimitsRow, statement as connection_limits_statement};
pub(crate) use limits::{is_hidden_client, select as connection_limits, used as used_connections};

//! Deadlocks: past ones, and risks of new ones.

mod log;
mod orders;
mod risk;

pub use log::{
    DeadlockCountRow, DeadlockRow, DeadlockTotalRow, LOGGED_MAX, count_statement,
    statement as deadlocks_statement, total_statement as deadlock_total_statement,
};
pub(crate) use orders::select as lock_orders;
pub use orders::{LockOrder, LockOrderHistory, PAIRS_MAX, statement as lock_orders_statement};
pub use risk::{DeadlockRisk, RiskKind, RiskLevel};

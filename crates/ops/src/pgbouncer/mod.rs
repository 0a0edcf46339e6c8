//! Files for PgBouncer 1.18 and newer that it starts on, and that cannot ask more of the server than it has.
//!
//! [`PgbouncerConfig::ini`] writes `pgbouncer.ini`, [`userlist`] and [`hba_file`] the two files beside it. What PgBouncer
//! would refuse, or would understand as something else, is refused here first, by a [`PgbouncerError`] with its name.

mod budget;
mod config;
mod console;
mod error;
mod hba;
mod ini;
mod setting;
mod userlist;
mod values;
mod version;

pub use config::{AuthQuery, ClientTls, PgbouncerConfig, PoolDatabase, PoolMode, ServerBudget};
pub use console::{
    PgbouncerConsole, ShowClient, ShowDatabase, ShowPool, ShowServer, ShowSetting, ShowStats,
};
pub use error::PgbouncerError;
pub use hba::{HbaRule, HbaSource, hba_file};
pub use setting::{has_setting, settings};
pub use userlist::{PgbouncerUser, userlist};
pub use version::PgbouncerVersion;

#[cfg(test)]
mod tests;

//! Files for PgBouncer 1.18 and newer that it accepts, and that do not exceed the server's
//! connections.
//!
//! [`PgbouncerConfig::ini`] writes `pgbouncer.ini`, [`userlist`] and [`hba_file`] the two files
//! beside it. A value that PgBouncer would reject or misread is rejected here first, by a
//! [`PgbouncerError`] with its name.

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

//! The days that are open for entries, read under the locks of a decision.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::driver::{Row, Type};
use neobank_db::{DatabaseError, Transaction};
use neobank_entity::functions::banking::LockOpenDays;
use uuid::Uuid;

use super::decision::OpenDays;
use super::statements::column;
use crate::AccountId;

static LOCK_OPEN_DAYS: LazyLock<String> = LazyLock::new(|| {
    let function = LockOpenDays::NAME;
    format!("SELECT account_id, first_open_day, opens_at FROM {function}($1)")
});

/// Returns the accounts among these that have closed days. Nothing can be closed in their currencies
/// until the transaction ends.
pub(super) async fn lock(
    transaction: &Transaction,
    accounts: &[AccountId],
) -> Result<BTreeMap<AccountId, OpenDays>, DatabaseError> {
    let accounts: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
    let lock = transaction
        .prepare(&LOCK_OPEN_DAYS, &[Type::UUID_ARRAY])
        .await?;
    let rows = transaction.read_prepared(&lock, &[&accounts]).await?;
    let open_days = |row: &Row| {
        let account: Uuid = column(row, "account_id")?;
        let first_open_day: NaiveDate = column(row, "first_open_day")?;
        let opens_at: DateTime<Utc> = column(row, "opens_at")?;
        Ok((account.into(), OpenDays::new(first_open_day, opens_at)))
    };
    rows.iter().map(open_days).collect()
}

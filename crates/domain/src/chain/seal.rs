//! Sealing, and the end of the sealed order.

use neobank_db::{Database, DatabaseError, Executor, FromRow, Statement};
use neobank_entity::banking::seals::{Column, Entity};
use neobank_entity::functions::banking::{Seal, SealingLag as LagCall};
use sea_query::{Order, Query};
use serde::Serialize;

use super::{ChainHash, Head};
use crate::Ledger;

/// The most records that a call seals if the caller gives no limit.
pub const RECORDS_MAX_DEFAULT: u32 = 100_000;

/// The result of a call of [`seal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow, Serialize)]
#[non_exhaustive]
pub struct SealReport {
    /// The number of records that the call has sealed.
    pub sealed_records: i64,
    /// True when the call has left committed records for the next one.
    pub has_more: bool,
}

/// The records that wait to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, FromRow, Serialize)]
#[non_exhaustive]
pub struct SealingLag {
    /// The number of the last seal; 0 without one.
    pub seal_number: i64,
    /// The position of the last sealed record; 0 without one.
    pub last_position: i64,
    /// The number of committed records that are not sealed; 100,000 for as many and more.
    pub waiting_records: i64,
    /// The age of the oldest of them, in seconds.
    pub waiting_seconds: f64,
}

#[derive(FromRow)]
struct HeadRow {
    seal_number: i64,
    last_position: i64,
    head: Vec<u8>,
}

impl Ledger {
    /// Seals the records that are committed, at most [`RECORDS_MAX_DEFAULT`], as [`seal`] does.
    ///
    /// # Errors
    ///
    /// As [`seal`].
    pub async fn seal(&self) -> Result<SealReport, DatabaseError> {
        seal(self.database(), RECORDS_MAX_DEFAULT).await
    }
}

/// Seals committed transfers and hold events, at most `records_max`, and those of the same time as
/// the last: 1 to 2^31 - 1.
///
/// One call runs at a time in the whole bank; others wait for it. Posting does not wait, and a
/// transaction that is still open holds up only its own records.
///
/// # Errors
///
/// [`DatabaseError`]; nothing was sealed. SQLSTATE
/// [`NUMBERING_CHANGED`](neobank_db::sqlstates::NUMBERING_CHANGED): the database was restored on
/// another server, and its owner must call `banking.resume_sealing()` once. After a lost commit the
/// next call continues, whether or not the records were sealed.
pub async fn seal(database: &Database, records_max: u32) -> Result<SealReport, DatabaseError> {
    let call = Seal {
        records_max: Some(i32::try_from(records_max).unwrap_or(i32::MAX)),
    };
    let report: Option<SealReport> = database.fetch_one(call.statement()).await?;
    report.ok_or(DatabaseError::NoRow)
}

/// Returns the end of the sealed order, or `None` when nothing is sealed.
///
/// # Errors
///
/// [`DatabaseError`].
pub async fn head(on: &impl Executor) -> Result<Option<Head>, DatabaseError> {
    let mut query = heads();
    query.order_by(Column::SealNumber, Order::Desc).limit(1);
    read_head(on, Statement::from_query(&query)).await
}

/// Returns the records that wait to be sealed.
///
/// # Errors
///
/// [`DatabaseError`].
pub async fn lag(on: &impl Executor) -> Result<SealingLag, DatabaseError> {
    let lag: Option<SealingLag> = on.fetch_one(LagCall {}.statement()).await?;
    lag.ok_or(DatabaseError::NoRow)
}

pub(super) fn heads() -> sea_query::SelectStatement {
    let mut query = Query::select();
    query
        .columns([Column::SealNumber, Column::LastPosition, Column::Head])
        .from(Entity.table_ref());
    query
}

pub(super) async fn read_head(
    on: &impl Executor,
    statement: Statement,
) -> Result<Option<Head>, DatabaseError> {
    let row: Option<HeadRow> = on.fetch_one(statement).await?;
    row.map(|row| {
        let head: [u8; 32] = row.head.try_into().map_err(|_| DatabaseError::Row {
            reason: format!("the head of seal {} has not 32 bytes", row.seal_number),
        })?;
        Ok(Head {
            seal_number: row.seal_number,
            position: row.last_position,
            head: ChainHash::from(head),
        })
    })
    .transpose()
}

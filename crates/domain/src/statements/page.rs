//! One page of a statement, with the balances around the whole range.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use neobank_db::{DatabaseError, Executor, FromQueryResult, Statement, Value, statement};
use neobank_entity::enums::EntryType;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{Days, StatementCursor, StatementError, StatementRequest};
use crate::ledger::ReferenceNumber;
use crate::{AccountId, Currency, EntryId, Money, TransferId};

/// One page of a statement: entries, the newest first, and the balances at both ends of the range.
///
/// The closing balance is the opening balance plus credits less debits of **all** entries in the range, on whichever pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementPage {
    /// The account.
    pub account_id: AccountId,
    /// The balance before the first entry of the range.
    pub opening_balance: Money,
    /// The balance after the last entry of the range.
    pub closing_balance: Money,
    /// When the range begins.
    pub starts_at: DateTime<Utc>,
    /// When the range ends; not part of it.
    pub ends_at: DateTime<Utc>,
    /// The entries of this page.
    pub entries: Vec<Entry>,
    /// Where to go on; `None` after the last page.
    pub next: Option<StatementCursor>,
}

/// One entry of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Identifies it.
    pub transaction_id: EntryId,
    /// The transfer that it belongs to.
    pub transfer_id: TransferId,
    /// Its place among the account's entries.
    pub entry_number: i64,
    /// Whether the account gained or lost.
    pub entry_type: EntryType,
    /// How much; more than zero.
    pub amount: Money,
    /// The balance after it.
    pub running_balance: Money,
    /// Why, for people.
    pub description: String,
    /// When.
    pub posted_at: DateTime<Utc>,
    /// The same moment as clocks show it in the zone whose days the statement uses, with that zone's offset.
    pub local_time: DateTime<FixedOffset>,
}

impl Entry {
    /// The transfer's number for people.
    #[must_use]
    pub fn reference_number(&self) -> ReferenceNumber {
        self.transfer_id.into()
    }

    /// The amount with its sign: negative when the account lost.
    #[must_use]
    pub fn movement(&self) -> Money {
        match self.entry_type {
            EntryType::Credit => self.amount,
            EntryType::Debit => self.amount.negated(),
        }
    }
}

/// The range's ends as points in time, the balances there, and the page; the first row is there even without entries.
///
/// One statement, so one snapshot. Every part of it walks `transactions_account_and_date_key`.
const PAGE: &str = "\
SELECT range.currency_code, range.starts_at, range.ends_at,
       opening.running_balance::numeric AS opening_balance, closing.running_balance::numeric AS closing_balance,
       entry.transaction_id, entry.transfer_id, entry.entry_number, entry.transaction_type, entry.amount::numeric,
       entry.running_balance::numeric, entry.description, entry.transaction_date,
       entry.transaction_date AT TIME ZONE range.zone_name AS local_time
FROM (
    SELECT account.account_id, account.currency_code, zone.name AS zone_name,
           banking.start_of_day($2, zone.name) AS starts_at,
           banking.start_of_day($3, zone.name) AS ends_at
    FROM banking.accounts AS account,
         LATERAL (SELECT CASE WHEN $4 THEN account.time_zone ELSE 'UTC' END AS name) AS zone
    WHERE account.account_id = $1
) AS range
LEFT JOIN LATERAL (
    SELECT t.running_balance FROM banking.transactions AS t
    WHERE t.account_id = range.account_id AND t.transaction_date < range.starts_at
    ORDER BY t.transaction_date DESC, t.entry_number DESC LIMIT 1
) AS opening ON true
LEFT JOIN LATERAL (
    SELECT t.running_balance FROM banking.transactions AS t
    WHERE t.account_id = range.account_id AND t.transaction_date < range.ends_at
    ORDER BY t.transaction_date DESC, t.entry_number DESC LIMIT 1
) AS closing ON true
LEFT JOIN LATERAL (
    SELECT t.* FROM banking.transactions AS t
    WHERE t.account_id = range.account_id
      AND t.transaction_date >= range.starts_at AND t.transaction_date < range.ends_at
      AND (t.transaction_date, t.entry_number) < ($5::timestamptz, $6::bigint)
    ORDER BY t.transaction_date DESC, t.entry_number DESC LIMIT $7 OFFSET $8
) AS entry ON true
ORDER BY entry.transaction_date DESC, entry.entry_number DESC";

#[derive(FromQueryResult)]
struct PageRow {
    currency_code: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    opening_balance: Option<Decimal>,
    closing_balance: Option<Decimal>,
    transaction_id: Option<Uuid>,
    transfer_id: Option<Uuid>,
    entry_number: Option<i64>,
    transaction_type: Option<String>,
    amount: Option<Decimal>,
    running_balance: Option<Decimal>,
    description: Option<String>,
    transaction_date: Option<DateTime<Utc>>,
    local_time: Option<NaiveDateTime>,
}

/// One page of an account's statement.
///
/// # Errors
///
/// [`StatementError`]: the range or the limit is wrong, the account unknown, or the database failed.
pub async fn page(
    on: &impl Executor,
    account: AccountId,
    request: &StatementRequest,
) -> Result<StatementPage, StatementError> {
    let rows: Vec<PageRow> = on.fetch_many(page_query(account, request)?).await?;
    let first = rows
        .first()
        .ok_or(StatementError::UnknownAccount { account })?;
    let currency =
        Currency::from_code(&first.currency_code).map_err(|_| unreadable("currency_code"))?;
    let balance = |amount: Option<Decimal>| {
        amount.map_or(Ok(Money::zero(currency)), |amount| money(amount, currency))
    };
    let (opening_balance, closing_balance) = (
        balance(first.opening_balance)?,
        balance(first.closing_balance)?,
    );
    let (starts_at, ends_at) = (first.starts_at, first.ends_at);
    let mut entries = rows
        .into_iter()
        .filter_map(|row| entry(row, currency).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    let next = cut(&mut entries, request.limit);
    Ok(StatementPage {
        account_id: account,
        opening_balance,
        closing_balance,
        starts_at,
        ends_at,
        entries,
        next,
    })
}

/// The page as a statement, for those who want to see how it is carried out. It asks for one entry more than the limit,
/// which tells whether there is a next page.
///
/// # Errors
///
/// [`StatementError::Range`], [`StatementError::Limit`].
pub fn page_query(
    account: AccountId,
    request: &StatementRequest,
) -> Result<Statement, StatementError> {
    request.check()?;
    // Without a cursor the page begins behind everything: at the end of time that both sides know.
    let (before, before_number) = request.after.map_or((END_OF_TIME, i64::MAX), |cursor| {
        (cursor.posted_at, cursor.entry_number)
    });
    let parameters: [Value; 8] = [
        account.as_uuid().into(),
        request.from.into(),
        request.to.into(),
        (request.days == Days::OfAccount).into(),
        before.into(),
        before_number.into(),
        i64::from(request.limit).saturating_add(1).into(),
        i64::from(request.offset).into(),
    ];
    Ok(statement(PAGE, parameters))
}

/// The year 9999's end, within what PostgreSQL and our dates hold.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// Takes the one entry too many away that was read to know whether there is a next page.
fn cut(entries: &mut Vec<Entry>, limit: u32) -> Option<StatementCursor> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if entries.len() <= limit {
        return None;
    }
    entries.truncate(limit);
    entries.last().map(|last| StatementCursor {
        posted_at: last.posted_at,
        entry_number: last.entry_number,
    })
}

fn entry(row: PageRow, currency: Currency) -> Result<Option<Entry>, StatementError> {
    let (
        Some(transaction_id),
        Some(transfer_id),
        Some(entry_number),
        Some(transaction_type),
        Some(amount),
        Some(running_balance),
        Some(description),
        Some(posted_at),
        Some(local_time),
    ) = (
        row.transaction_id,
        row.transfer_id,
        row.entry_number,
        row.transaction_type,
        row.amount,
        row.running_balance,
        row.description,
        row.transaction_date,
        row.local_time,
    )
    else {
        return Ok(None);
    };
    let entry_type = transaction_type
        .parse()
        .map_err(|_| unreadable("transaction_type"))?;
    Ok(Some(Entry {
        transaction_id: transaction_id.into(),
        transfer_id: transfer_id.into(),
        entry_number,
        entry_type,
        amount: money(amount, currency)?,
        running_balance: money(running_balance, currency)?,
        description,
        posted_at,
        local_time: with_offset(posted_at, local_time)?,
    }))
}

/// The moment with the offset by which a zone's clocks differ from UTC there, as the server's own zones have it.
fn with_offset(
    moment: DateTime<Utc>,
    local: NaiveDateTime,
) -> Result<DateTime<FixedOffset>, DatabaseError> {
    let seconds = local
        .signed_duration_since(moment.naive_utc())
        .num_seconds();
    i32::try_from(seconds)
        .ok()
        .and_then(FixedOffset::east_opt)
        .map(|offset| moment.with_timezone(&offset))
        .ok_or_else(|| unreadable("local_time"))
}

pub(super) fn money(amount: Decimal, currency: Currency) -> Result<Money, DatabaseError> {
    Money::new(amount, currency).map_err(|error| DatabaseError::Row {
        reason: error.to_string(),
    })
}

pub(super) fn unreadable(name: &str) -> DatabaseError {
    DatabaseError::Row {
        reason: format!("{name} holds a value that this version does not know"),
    }
}

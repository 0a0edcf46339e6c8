//! Closed periods: nothing is booked or value-dated any more in the days of a currency until a
//! booking day, that day included. Only the newest closing can be undone.
//!
//! The booking day of a transfer is that of each customer's account in its zone. A day can be closed
//! five minutes after it has ended in every zone of the currency's accounts, so that only requests
//! with a booking time or a value date of their own can meet a closed day:
//! [`Rejection::PeriodClosed`](crate::Rejection::PeriodClosed). A closing waits for the transactions
//! that have posted.
//!
//! Every closing is recorded with its actor: [`close`] and [`reopen`] need a transaction that names
//! one, such as [`Ledger::begin_change`](crate::Ledger::begin_change) begins.

mod error;
mod query;

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::{DatabaseError, Executor};
use neobank_entity::banking::{currencies, period_closings};
use neobank_entity::constraints::banking as rules;
use neobank_entity::functions::banking::{ClosePeriod, ReopenPeriod};
use neobank_entity::sqlstates;
use serde::Serialize;

pub use error::PeriodError;
pub use neobank_entity::enums::ClosingType;

use crate::Currency;

/// A closing, or the undoing of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Closing {
    /// The number; a later one is greater.
    pub closing_number: i64,
    /// The currency.
    pub currency: Currency,
    /// Whether the days were closed or reopened.
    pub closing_type: ClosingType,
    /// The last day of the closing, or of the closing that was undone.
    pub closed_through: NaiveDate,
    /// The first open day afterwards; `None` if nothing was closed then.
    pub first_open_day: Option<NaiveDate>,
    /// The first open day before; `None` if nothing was closed then.
    pub previous_open_day: Option<NaiveDate>,
    /// The person or program that asked for it.
    pub actor: String,
    /// The role that had logged in to the database.
    pub database_role: String,
    /// The time of the closing.
    pub occurred_at: DateTime<Utc>,
}

/// The most closings that [`list`] returns.
pub const LIST_MAX: u32 = 10_000;

/// Closes the days of a currency until a day, that day included, and returns the first open day.
///
/// `on` is a transaction that names its actor. Until it ends, requests with a booking time or a value
/// date in the currency wait.
///
/// # Errors
///
/// [`PeriodError`]: the day has not ended, or ended less than five minutes ago, in a zone of the
/// currency's accounts; it is closed already; the currency is unknown; or the transaction has no
/// actor. [`PeriodError::Database`] with the class `LockTimeout` if a transaction that has posted runs
/// for ten seconds more.
///
/// # Example
///
/// ```no_run
/// use neobank_domain::{Currency, Ledger, periods};
///
/// # async fn example(ledger: Ledger) -> Result<(), Box<dyn std::error::Error>> {
/// let controller = ledger.acting_as("controller:1".parse()?);
/// let change = controller.begin_change().await?;
/// let czk = Currency::from_code("CZK")?;
/// let first_open_day = periods::close(&change, czk, "2026-10-31".parse()?).await?;
/// change.commit().await?;
/// assert_eq!(first_open_day.to_string(), "2026-11-01");
/// # Ok(())
/// # }
/// ```
pub async fn close(
    on: &impl Executor,
    currency: Currency,
    day: NaiveDate,
) -> Result<NaiveDate, PeriodError> {
    let call = ClosePeriod {
        currency_code: currency.code().to_owned(),
        day,
    };
    let closed = on.fetch_value(call.statement()).await;
    closed.map_err(|error| match error.violated() {
        Some(rules::PERIOD_CLOSINGS_DAY_HAS_ENDED) => PeriodError::NotEnded { currency, day },
        Some(rules::PERIOD_CLOSINGS_DAY_IS_OPEN) => PeriodError::AlreadyClosed { currency, day },
        _ => not_changed(error, currency),
    })
}

/// Undoes the newest closing of a currency, and returns the first open day afterwards; `None` if
/// nothing is closed then.
///
/// `on` is a transaction that names its actor.
///
/// # Errors
///
/// [`PeriodError::NothingClosed`], [`PeriodError::ActorRequired`] and [`PeriodError::Database`].
pub async fn reopen(
    on: &impl Executor,
    currency: Currency,
) -> Result<Option<NaiveDate>, PeriodError> {
    let call = ReopenPeriod {
        currency_code: currency.code().to_owned(),
    };
    let reopened = on.fetch_value(call.statement()).await;
    reopened.map_err(|error| match error.violated() {
        Some(rules::PERIOD_CLOSINGS_HAS_A_CLOSING) => PeriodError::NothingClosed { currency },
        _ => not_changed(error, currency),
    })
}

/// Returns the first open day of a currency; `None` if nothing is closed.
///
/// # Errors
///
/// [`PeriodError::Database`].
pub async fn first_open_day(
    on: &impl Executor,
    currency: Currency,
) -> Result<Option<NaiveDate>, PeriodError> {
    let found: Option<currencies::Model> = on.fetch_one(query::currency(currency)).await?;
    Ok(found.and_then(|found| found.first_open_day))
}

/// Returns the closings and reopenings of a currency or of all, the newest first.
///
/// # Errors
///
/// [`PeriodError::Limit`] for a limit of 0 or above [`LIST_MAX`], and [`PeriodError::Database`].
pub async fn list(
    on: &impl Executor,
    currency: Option<Currency>,
    limit: u32,
) -> Result<Vec<Closing>, PeriodError> {
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(PeriodError::Limit {
            limit,
            limit_max: LIST_MAX,
        });
    }
    let rows: Vec<period_closings::Model> = on.fetch_many(query::list(currency, limit)).await?;
    rows.into_iter().map(closing).collect()
}

fn closing(row: period_closings::Model) -> Result<Closing, PeriodError> {
    let currency = Currency::from_code(&row.currency_code);
    let currency = currency.map_err(|error| DatabaseError::Row {
        reason: error.to_string(),
    })?;
    Ok(Closing {
        closing_number: row.closing_number,
        currency,
        closing_type: row.closing_type,
        closed_through: row.closed_through,
        first_open_day: row.first_open_day,
        previous_open_day: row.previous_open_day,
        actor: row.actor,
        database_role: row.database_role,
        occurred_at: row.occurred_at,
    })
}

fn not_changed(error: DatabaseError, currency: Currency) -> PeriodError {
    match error.violated() {
        Some(rules::PERIOD_CLOSINGS_CURRENCY_IS_KNOWN) => PeriodError::UnknownCurrency { currency },
        _ if error.sqlstate() == Some(sqlstates::ACTOR_REQUIRED) => PeriodError::ActorRequired,
        _ => error.into(),
    }
}

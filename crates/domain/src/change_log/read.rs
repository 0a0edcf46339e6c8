//! The reads of the change log.

use chrono::{DateTime, Utc};
use neobank_db::driver::Type;
use neobank_db::{DatabaseError, Executor, Statement, Transaction};
use neobank_entity::banking::change_log::Column;
use neobank_entity::{FromColumn, FromRow, RowError};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::query::{self, NEW, OLD};
use super::{ChangeCursor, ChangeFilter, ChangeLogError, ChangeOperation};
use crate::accounts::{self, AccountError};
use crate::customers::{self, CustomerError};
use crate::ledger::Actor;
use crate::{AccountId, CustomerId, exact_json};

/// A change of a customer, of an account or of preferences.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The number of the change; a later change of the same row has a greater one.
    pub change_number: i64,
    /// The table of the schema `banking` whose row was changed.
    pub table_name: String,
    /// The kind of the change.
    pub operation: ChangeOperation,
    /// The customer, or the owner of the account.
    pub customer_id: Option<CustomerId>,
    /// The account; `None` for a change of a customer or of preferences.
    pub account_id: Option<AccountId>,
    /// The person or program that asked for the change, if the transaction named one.
    pub actor: Option<String>,
    /// The role that had logged in to the database.
    pub database_role: String,
    /// The time of the change.
    pub changed_at: DateTime<Utc>,
    /// The values before the change, of the changed columns alone; empty for a new row. Numbers are
    /// texts, except those of preferences that a JSON value can hold exactly.
    pub old_values: Map<String, Value>,
    /// The values after the change, of the changed columns alone; empty for a removed row.
    pub new_values: Map<String, Value>,
}

/// A page of changes, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangePage {
    /// The changes.
    pub changes: Vec<Change>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<ChangeCursor>,
}

/// Names the actor of the rest of a transaction: the database records the actor with every change
/// of a customer, an account, its terms or preferences.
///
/// # Errors
///
/// [`DatabaseError`].
///
/// # Example
///
/// ```no_run
/// use neobank_db::Database;
/// use neobank_domain::{AccountId, Error, accounts, change_log};
///
/// # async fn example(database: Database, account: AccountId) -> Result<(), Box<dyn std::error::Error>> {
/// let transaction = database.begin().await?;
/// change_log::act_as(&transaction, &"teller:42".parse()?).await?;
/// accounts::freeze(&transaction, account).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
pub async fn act_as(transaction: &Transaction, actor: &Actor) -> Result<(), DatabaseError> {
    set(transaction, query::ACT_AS, actor.as_str()).await
}

/// Begins the changes of an actor: without one, the database rejects the changes of the transaction
/// if `requires_actor` is true.
pub(crate) async fn begin_as(
    transaction: &Transaction,
    actor: Option<&Actor>,
    requires_actor: bool,
) -> Result<(), DatabaseError> {
    if let Some(actor) = actor {
        act_as(transaction, actor).await?;
    }
    if requires_actor {
        set(transaction, query::REQUIRE_ACTOR, "on").await?;
    }
    Ok(())
}

/// Lets the rest of a transaction make changes without an actor, as an import does.
#[cfg(feature = "import")]
pub(crate) async fn need_no_actor(transaction: &Transaction) -> Result<(), DatabaseError> {
    set(transaction, query::REQUIRE_ACTOR, "off").await
}

/// Changes a setting for the rest of a transaction.
async fn set(
    transaction: &Transaction,
    sql: &'static str,
    value: &str,
) -> Result<(), DatabaseError> {
    let setting = transaction.prepare(sql, &[Type::TEXT]).await?;
    transaction.execute_prepared(&setting, &[&value]).await?;
    Ok(())
}

/// Reads one page of changes, newest first.
///
/// # Errors
///
/// [`ChangeLogError`]: the limit or a range is invalid, or the account or the customer is unknown.
pub async fn list(on: &impl Executor, filter: &ChangeFilter) -> Result<ChangePage, ChangeLogError> {
    let rows: Vec<ChangeRow> = on.fetch_many(list_query(filter)?).await?;
    if rows.is_empty() {
        require(on, filter).await?;
    }
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let changes: Vec<Change> = rows.into_iter().take(limit).map(|row| row.0).collect();
    let last = changes.last().filter(|_| has_more);
    let next = last.map(|last| ChangeCursor(last.change_number));
    Ok(ChangePage { changes, next })
}

/// Returns the SQL of a page, for callers that explain or extend it.
///
/// The query reads one change more than the limit; that change shows that a next page exists.
///
/// # Errors
///
/// As [`list`], without the errors of the database.
pub fn list_query(filter: &ChangeFilter) -> Result<Statement, ChangeLogError> {
    filter.check()?;
    Ok(query::page(filter))
}

async fn require(on: &impl Executor, filter: &ChangeFilter) -> Result<(), ChangeLogError> {
    let unreadable = |reason: String| DatabaseError::Row { reason };
    if let Some(account) = filter.account {
        match accounts::find(on, account).await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(ChangeLogError::UnknownAccount { account }),
            Err(AccountError::Database(error)) => return Err(error.into()),
            Err(other) => return Err(unreadable(other.to_string()).into()),
        }
    }
    if let Some(customer) = filter.customer {
        match customers::find(on, customer).await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(ChangeLogError::UnknownCustomer { customer }),
            Err(CustomerError::Database(error)) => return Err(error.into()),
            Err(other) => return Err(unreadable(other.to_string()).into()),
        }
    }
    Ok(())
}

/// A row of the query.
struct ChangeRow(Change);

impl FromRow for ChangeRow {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        let identifier = |column: Column| -> Result<Option<Uuid>, RowError> {
            FromColumn::from_column(row, column.as_str())
        };
        Ok(Self(Change {
            change_number: FromColumn::from_column(row, Column::ChangeNumber.as_str())?,
            table_name: FromColumn::from_column(row, Column::TableName.as_str())?,
            operation: FromColumn::from_column(row, Column::Operation.as_str())?,
            customer_id: identifier(Column::CustomerId)?.map(Into::into),
            account_id: identifier(Column::AccountId)?.map(Into::into),
            actor: FromColumn::from_column(row, Column::Actor.as_str())?,
            database_role: FromColumn::from_column(row, Column::DatabaseRole.as_str())?,
            changed_at: FromColumn::from_column(row, Column::ChangedAt.as_str())?,
            old_values: values(FromColumn::from_column(row, OLD)?),
            new_values: values(FromColumn::from_column(row, NEW)?),
        }))
    }
}

/// Reads the values of a change. A number that a JSON value would round is a text.
fn values(text: Option<String>) -> Map<String, Value> {
    text.map(|text| exact_json::lossless(&text))
        .unwrap_or_default()
}

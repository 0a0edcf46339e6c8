//! Row versions: the transactions that created, removed or lock them, and their visibility.
//!
//! A snapshot and a transaction's number are not enough: the server's own functions report a
//! rolled-back number as visible, ignore savepoints, and a row's `xmax` may be a lock. This module
//! therefore reads a version's header where that is allowed (the extension `pageinspect`, and a
//! superuser), and takes its visibility from the server.

mod query;
mod version;

use neobank_db::Executor;
use serde::Serialize;

pub use version::{Creator, Locker, Remover, RowLock, RowVersion};

use query::{PageRow, TableFacts, VisibleRow};
use version::{Header, Member};

use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::{Cause, Reason, Section};
use crate::table_name::TableName;

/// The pages of a table to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pages {
    /// The first page; 0 is the table's first.
    pub first: u32,
    /// The number of pages: 1 to [`Pages::COUNT_MAX`].
    pub count: u32,
}

impl Pages {
    /// The greatest number of pages: some millions of row versions.
    pub const COUNT_MAX: u32 = 10_000;

    /// Creates a range of `count` pages from page `first` on.
    #[must_use]
    pub const fn new(first: u32, count: u32) -> Self {
        Self { first, count }
    }
}

impl Default for Pages {
    /// The first hundred pages.
    fn default() -> Self {
        Self {
            first: 0,
            count: 100,
        }
    }
}

/// The row versions of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowVersions {
    /// The table.
    pub table: TableName,
    /// The number of its pages.
    pub page_count: i64,
    /// None when pages were read, so that every version is listed. Otherwise the reason why they
    /// were not: only visible versions are then listed, without the data that system columns do not
    /// contain.
    pub pages_not_read: Option<Reason>,
    /// The snapshot, as `pg_current_snapshot()` writes it.
    pub snapshot: String,
    /// The versions, in the order of their places.
    pub versions: Vec<RowVersion>,
}

/// Reads the row versions of a table, as the transaction of `on` sees them.
///
/// It assigns no transaction number.
///
/// # Errors
///
/// * [`OpsError::Invalid`] for an unknown table or one without rows of its own, and for pages out
///   of range.
/// * [`OpsError::Database`] when the server rejects the query.
///
/// # Example
///
/// ```
/// use neobank_db::{Database, DatabaseConfig, Executor, statement};
/// use neobank_ops::TableName;
/// use neobank_ops::mvcc::{self, Creator, Pages};
///
/// # let server = neobank_postgres::ServerOptions::default().start().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let database = Database::connect(DatabaseConfig::from_url(server.url())?).await?;
/// # database.execute(statement("CREATE TABLE public.shown (value integer)", [])).await?;
/// let transaction = database.begin().await?;
/// transaction.execute(statement("INSERT INTO public.shown VALUES (1)", [])).await?;
/// let rows = mvcc::row_versions(&transaction, &TableName::new("public", "shown"), Pages::default()).await?;
/// assert_eq!(rows.versions[0].creator, Creator::Own);
/// # Ok::<(), neobank_ops::OpsError>(())
/// # }).unwrap();
/// ```
pub async fn row_versions(
    on: &impl Executor,
    table: &TableName,
    pages: Pages,
) -> Result<RowVersions, OpsError> {
    check(pages)?;
    let facts: TableFacts = on
        .fetch_one(query::facts(table))
        .await?
        .ok_or_else(|| OpsError::invalid("table", table, "an existing table"))?;
    if !["r", "m", "t"].contains(&facts.kind.as_str()) {
        return Err(OpsError::invalid(
            "table",
            table,
            "a table, a materialized view or a partition",
        ));
    }
    let found = RowVersions {
        table: table.clone(),
        page_count: facts.page_count,
        pages_not_read: not_read(&facts),
        snapshot: facts.snapshot,
        versions: Vec::new(),
    };
    match (facts.inspector_schema, &found.pages_not_read) {
        (Some(inspector), None) => {
            let pages_query = query::pages(table, pages, facts.page_count, &inspector);
            let rows: Vec<PageRow> = on.fetch_many(pages_query).await?;
            from_pages(found, rows)
        }
        _ => {
            let rows: Vec<VisibleRow> = on.fetch_many(query::visible_rows(table, pages)).await?;
            Ok(from_visible_rows(found, rows))
        }
    }
}

impl Monitor {
    /// Reads the row versions of a table, as a transaction that begins now sees them.
    ///
    /// # Errors
    ///
    /// As [`row_versions`]; a missing privilege and a lock are reasons, no errors.
    pub async fn row_versions(
        &self,
        table: &TableName,
        pages: Pages,
    ) -> Result<Section<RowVersions>, OpsError> {
        self.in_transaction(async |transaction| row_versions(transaction, table, pages).await)
            .await
    }
}

fn check(pages: Pages) -> Result<(), OpsError> {
    if (1..=Pages::COUNT_MAX).contains(&pages.count) {
        return Ok(());
    }
    Err(OpsError::invalid(
        "pages.count",
        &pages.count,
        format!("between 1 and {}", Pages::COUNT_MAX),
    ))
}

fn not_read(facts: &TableFacts) -> Option<Reason> {
    let (cause, detail) = match (&facts.inspector_schema, facts.is_superuser) {
        (Some(_), true) => return None,
        (None, _) => (Cause::Missing, "the extension pageinspect is not installed"),
        (Some(_), false) => (
            Cause::InsufficientPrivilege,
            "only a superuser may read pages",
        ),
    };
    Some(Reason {
        cause,
        detail: detail.to_owned(),
    })
}

fn from_pages(mut found: RowVersions, rows: Vec<PageRow>) -> Result<RowVersions, OpsError> {
    for row in rows {
        let members: Option<Vec<Member>> = row
            .members
            .map(serde_json::from_value)
            .transpose()
            .map_err(|error| unreadable(&error))?;
        found.snapshot = row.snapshot;
        let header = Header {
            place: row.place,
            xmin: xid(row.xmin),
            xmin_status: row.xmin_status,
            xmin_is_own: row.xmin_is_own,
            xmin_in_snapshot: row.xmin_in_snapshot,
            xmax: xid(row.xmax),
            members: members.unwrap_or_default(),
            bits: row.bits,
            more_bits: row.more_bits,
            next: row.next,
            visible: row.visible,
        };
        found.versions.push(header.read());
    }
    Ok(found)
}

/// A visible version is the transaction's own or committed; its xmax may be anything.
fn from_visible_rows(mut found: RowVersions, rows: Vec<VisibleRow>) -> RowVersions {
    for row in rows {
        found.snapshot = row.snapshot;
        let is_unmarked = row.xmax == 0;
        found.versions.push(RowVersion {
            place: row.place,
            xmin: xid(row.xmin),
            xmax: xid(row.xmax),
            creator: if row.xmin_is_own {
                Creator::Own
            } else {
                Creator::Committed
            },
            remover: is_unmarked.then_some(Remover::NotRemoved),
            lockers: is_unmarked.then(Vec::new),
            newer_version: None,
            visible: true,
        });
    }
    found
}

/// Transaction numbers have 32 bits, so all of them fit.
fn xid(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn unreadable(error: &serde_json::Error) -> OpsError {
    OpsError::Database(neobank_db::DatabaseError::Row {
        reason: error.to_string(),
    })
}

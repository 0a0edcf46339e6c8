//! The sessions that wait for a lock, and their blockers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use neobank_db::{FromRow, Statement};
use neobank_entity::concurrency::lock_names::{Column, Entity};
use sea_query::extension::postgres::PgFunc;
use sea_query::{Expr, ExprTrait, Query};

use super::query;
use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::statement_text::HasStatement;

/// The greatest number of waiting sessions whose blockers are read, those with the longest waits
/// first. Each call of `pg_blocking_pids` holds all partitions of the server's lock table for a
/// moment.
pub const WAITERS_MAX: u64 = 1_000;

/// A session or prepared transaction, as the server shows it.
#[derive(Clone, Debug, FromRow)]
pub(super) struct ParticipantRow {
    pub(super) pid: i32,
    pub(super) prepared_transaction_id: Option<String>,
    pub(super) prepared_name: Option<String>,
    pub(super) database: Option<String>,
    pub(super) username: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) client_address: Option<String>,
    pub(super) backend_type: Option<String>,
    pub(super) state: Option<String>,
    pub(super) query: Option<String>,
    pub(super) transaction_started_at: Option<DateTime<Utc>>,
    pub(super) wait: Option<String>,
    pub(super) waiting_since: Option<DateTime<Utc>>,
    pub(super) waiting_seconds: Option<f64>,
    pub(super) lock_object: Option<String>,
    pub(super) lock_type: Option<String>,
    pub(super) lock_mode: Option<String>,
    pub(super) lock_database: Option<String>,
    pub(super) relation_schema: Option<String>,
    pub(super) relation_name: Option<String>,
    pub(super) relation_id: Option<i64>,
    pub(super) page: Option<i32>,
    pub(super) tuple: Option<i16>,
    pub(super) advisory_key: Option<i64>,
    pub(super) advisory_pair: Option<String>,
    pub(super) blockers: Vec<i32>,
    /// `[{"object": …, "mode": …}]`: the locks of this session for which another session waits.
    pub(super) held: serde_json::Value,
    pub(super) lock_waiters_total: i64,
}

/// Returns the SQL for waiting sessions, with `pg_blocking_pids` and
/// `pg_safe_snapshot_blocking_pids`, and for their blockers.
#[must_use]
pub fn statement() -> Statement {
    build(&query::select())
}

/// Returns the SQL for the names of advisory keys, from `concurrency.lock_names`.
#[must_use]
pub fn lock_names_statement(keys: &[i64]) -> Statement {
    build(
        Query::select()
            .columns([Column::LockKey, Column::Namespace, Column::Identifier])
            .from(Entity.table_ref())
            .and_where(Expr::col(Column::LockKey).eq(PgFunc::any(Expr::val(keys.to_vec())))),
    )
}

#[derive(Clone, Debug, FromRow)]
struct LockNameRow {
    lock_key: i64,
    namespace: String,
    identifier: String,
}

impl HasStatement for ParticipantRow {
    fn statement_mut(&mut self) -> &mut Option<String> {
        &mut self.query
    }
}

impl Monitor {
    pub(super) async fn participants(&self) -> Result<Section<Vec<ParticipantRow>>, OpsError> {
        let rows = self.section(statement()).await?;
        Ok(rows.map(|rows| self.shown(rows)))
    }

    /// Returns the names of advisory keys; a key without a name is absent. Empty where the registry
    /// is not installed, or may not be read.
    pub(super) async fn lock_names(
        &self,
        keys: &[i64],
    ) -> Result<BTreeMap<i64, (String, String)>, OpsError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows: Section<Vec<LockNameRow>> = self.section(lock_names_statement(keys)).await?;
        Ok(rows
            .into_value()
            .unwrap_or_default()
            .into_iter()
            .map(|row| (row.lock_key, (row.namespace, row.identifier)))
            .collect())
    }
}

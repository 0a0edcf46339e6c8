//! The database and the account cache that every request goes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseError, Transaction, TransactionOptions};

use super::account_cache::AccountCache;
use super::decision::Rules;

/// Executes batches of requests on one database. Clones share the account cache.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) database: Database,
    pub(super) account_cache: Arc<AccountCache>,
    pub(super) rules: Rules,
}

impl Engine {
    pub(super) fn new(database: Database, account_cache_capacity: usize, rules: Rules) -> Self {
        Self {
            database,
            account_cache: Arc::new(AccountCache::new(account_cache_capacity)),
            rules,
        }
    }

    pub(super) fn with_deadline(&self, deadline: Instant) -> Self {
        Self {
            database: self.database.with_deadline(deadline),
            ..self.clone()
        }
    }

    pub(super) fn without_deadline(&self) -> Self {
        Self {
            database: self.database.without_deadline(),
            ..self.clone()
        }
    }

    /// Begins a transaction that keeps its plans. It waits for each lock for `lock_timeout`, and
    /// for the configured time where that is `None`.
    pub(super) async fn begin(
        &self,
        lock_timeout: Option<Duration>,
    ) -> Result<Transaction, DatabaseError> {
        let options = TransactionOptions::default()
            .with_keep_plans(true)
            .with_lock_timeout(lock_timeout);
        self.database.begin_with(options).await
    }

    /// See [`Ledger::in_doubt_limit`](super::Ledger::in_doubt_limit).
    pub(super) fn in_doubt_limit(&self) -> Duration {
        self.database.config().in_doubt_limit()
    }

    /// See [`Ledger::call_limit`](super::Ledger::call_limit).
    pub(super) fn call_limit(&self) -> Duration {
        let silence_limit = self.database.config().silence_limit();
        silence_limit.saturating_add(self.in_doubt_limit())
    }
}

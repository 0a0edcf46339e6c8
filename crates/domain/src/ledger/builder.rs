//! The settings of a ledger.

use std::sync::Arc;

use neobank_db::Database;

use super::Ledger;
use super::decision::Rules;
use super::engine::Engine;
use super::group_commit::{GroupCommitOptions, GroupCommitOptionsError, Queue};

/// Builds a [`Ledger`].
///
/// # Example
///
/// ```no_run
/// use neobank_db::{Database, DatabaseConfig};
/// use neobank_domain::Ledger;
/// use neobank_domain::ledger::group_commit::GroupCommitOptions;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::connect(DatabaseConfig::from_environment()?).await?;
/// let mut options = GroupCommitOptions::default();
/// options.waiting_max = 500;
/// let ledger = Ledger::builder(database)
///     .account_cache_capacity(1_000_000)
///     .group_commit(options)
///     .build()?;
/// println!("{:?}", ledger.account_cache_metrics());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LedgerBuilder {
    database: Database,
    account_cache_capacity: usize,
    group_commit: Option<GroupCommitOptions>,
    rules: Rules,
}

impl LedgerBuilder {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            account_cache_capacity: Ledger::ACCOUNT_CACHE_CAPACITY,
            group_commit: Some(GroupCommitOptions::default()),
            rules: Rules::default(),
        }
    }

    /// Limits the accounts in the account cache; [`Ledger::ACCOUNT_CACHE_CAPACITY`] by default.
    ///
    /// A cached account needs no lock and no read before the decision: the database validates
    /// its version and rejects the batch when another process has posted to the account
    /// meanwhile. With 0 every decision is made under locks. That is better only where other
    /// processes post to the same accounts all the time; the ledger notices this by itself and
    /// then makes fewer optimistic attempts.
    pub const fn account_cache_capacity(mut self, accounts: usize) -> Self {
        self.account_cache_capacity = accounts;
        self
    }

    /// Sets the limits of group commit.
    pub const fn group_commit(mut self, options: GroupCommitOptions) -> Self {
        self.group_commit = Some(options);
        self
    }

    /// Gives each call a transaction of its own.
    ///
    /// A hot account then has no more than one transfer for each commit.
    pub const fn without_group_commit(mut self) -> Self {
        self.group_commit = None;
        self
    }

    /// Rejects every request and every [`Ledger::begin_change`] without an actor
    /// ([`Ledger::acting_as`]).
    pub const fn require_actor(mut self) -> Self {
        self.rules.requires_actor = true;
        self
    }

    /// Limits how many days before and after the server's day, in UTC, a value date may lie; 366
    /// each by default.
    pub const fn value_date_window(mut self, days_back: u32, days_ahead: u32) -> Self {
        self.rules.value_date_days_back = days_back;
        self.rules.value_date_days_ahead = days_ahead;
        self
    }

    /// Builds the ledger. A deadline of the database becomes the deadline of the ledger's calls.
    ///
    /// # Errors
    ///
    /// [`GroupCommitOptionsError`] names the limit that is out of its range.
    pub fn build(self) -> Result<Ledger, GroupCommitOptionsError> {
        if let Some(options) = &self.group_commit {
            options.validate()?;
        }
        Ok(self.build_validated())
    }

    pub(super) fn build_validated(self) -> Ledger {
        let engine = Engine::new(self.database, self.account_cache_capacity, self.rules);
        let queue = self
            .group_commit
            .map(|options| Queue::new(&engine, options));
        Ledger {
            engine,
            queue: queue.map(Arc::new),
            actor: None,
        }
    }
}

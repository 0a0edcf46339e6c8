//! Many callers, one transaction: requests that arrive while a group commits make up the next group.
//!
//! A [`Ledger`] gives each call a transaction of its own, and so a hot account no more than one transfer per commit. Here
//! concurrent callers share the commit, and a hot account costs no more than a cold one. Nobody is made to wait for
//! others to come: a request that finds the ledger idle begins at once, alone.
//!
//! * Requests are taken in the order in which they arrived, and those of one group are decided in that order. A request for
//!   an account that another worker has under way waits for it, and so does what comes after it for its accounts. So the
//!   requests for an account are carried out in the order of their arrival.
//! * Where all wait for one group, as those of a hot account do, they follow it once its statement is on its way: they are
//!   decided on what it will leave, and the database lets their statement in only behind it.
//! * Each caller gets its own outcome and its own error. When a statement fails, the database finds the request that makes it
//!   fail, in as many round trips for two requests as for a thousand; the others are carried out.
//! * A caller that goes away withdraws its request, unless that has been decided on: then it runs fully.
//! * A task drives each worker while there is something to do, and ends when there is not.
//!
//! What is held from outside costs those who need it, and nobody else (decision 15 in `docs/decisions`):
//!
//! * A group waits for the locks of all its accounts, for [`GroupCommitOptions::lock_patience`] at most. Then the requests for the
//!   accounts that are locked, or the one whose key another transaction holds, are set apart. They wait by themselves, for
//!   at most [`lock_timeout`](neobank_db::DatabaseConfig::lock_timeout), and get that error or come back; the others go on.
//!   So a request that is set apart loses its place in front of later ones for its *other* account; those for what is
//!   locked keep their order.
//! * A group that has not ended after [`GroupCommitOptions::silence_patience`], because its server process stands still or an
//!   answer was lost, is left to itself, and its worker goes on with other accounts. Its connection is closed, and so
//!   replaced, after `statement_timeout`, five seconds and
//!   [`commit_timeout`](neobank_db::DatabaseConfig::commit_timeout) at most; whether it was carried out is found out within
//!   [`Ledger::in_doubt_limit`] from then. A caller with a deadline does not wait for that.

mod apart;
mod batch;
mod cost_model;
mod metrics;
mod options;
mod queue;
mod submission;
mod watch;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use self::queue::Queue;
use self::submission::Submission;
use super::{Ledger, LedgerError, Receipt, Request, TransferRequest};

pub use metrics::GroupCommitMetrics;
pub use options::{GroupCommitOptions, GroupCommitOptionsError};

/// A ledger whose concurrent callers share transactions. Cheap to clone; all clones share the queue.
///
/// # Example
///
/// ```no_run
/// use neobank_domain::{GroupCommitLedger, Ledger, LedgerError, TransferRequest};
///
/// # async fn example(ledger: Ledger, requests: Vec<TransferRequest>) -> Result<(), LedgerError> {
/// let gathered = GroupCommitLedger::new(&ledger);
/// let callers: Vec<_> = requests
///     .into_iter()
///     .map(|request| {
///         let gathered = gathered.clone();
///         tokio::spawn(async move { gathered.transfer(request).await })
///     })
///     .collect();
/// for caller in callers {
///     match caller.await.expect("the caller did not panic") {
///         Ok(receipt) => println!("{}", receipt.reference_number()),
///         Err(LedgerError::Rejected(reason)) => println!("refused: {reason}"),
///         Err(other) => return Err(other),
///     }
/// }
/// println!("{} transfers for each commit", gathered.metrics().mean_size());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GroupCommitLedger {
    queue: Arc<Queue>,
    deadline: Option<Instant>,
}

impl GroupCommitLedger {
    /// Gathers the callers of a ledger, with the default limits.
    ///
    /// A deadline of the ledger's database becomes the callers' own.
    #[must_use]
    pub fn new(ledger: &Ledger) -> Self {
        Self::of(ledger, GroupCommitOptions::default())
    }

    /// As [`GroupCommitLedger::new`], with other limits.
    ///
    /// # Errors
    ///
    /// [`GroupCommitOptionsError`] names the limit that cannot be.
    pub fn with_options(
        ledger: &Ledger,
        options: GroupCommitOptions,
    ) -> Result<Self, GroupCommitOptionsError> {
        options.validate()?;
        Ok(Self::of(ledger, options))
    }

    fn of(ledger: &Ledger, options: GroupCommitOptions) -> Self {
        Self {
            deadline: ledger.database.deadline(),
            // One caller's deadline is not that of the others in its group.
            queue: Arc::new(Queue::new(ledger.without_deadline(), options)),
        }
    }

    /// A handle on the same queue whose every call is to be over by then.
    ///
    /// A request that has not been decided on by its deadline is not carried out, and its caller gets
    /// [`DeadlineExceeded`](neobank_db::DatabaseError::DeadlineExceeded) then. The commit of one that has been decided on is
    /// waited for a second longer than the deadline; then its caller gets [`LedgerError::Unknown`], while the ledger goes on
    /// to carry it out, or to find out whether it was. So every call is over a second after its deadline. A handle that has
    /// a deadline keeps it where that is earlier.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            deadline: Some(self.deadline.map_or(deadline, |own| own.min(deadline))),
        }
    }

    /// Moves an amount from one account to another, durably, in one transaction with whoever else asks meanwhile.
    ///
    /// A caller that drops this future before the request is decided on withdraws it; after that it runs fully.
    ///
    /// # Errors
    ///
    /// As [`Ledger::transfer`], each caller its own; and [`LedgerError::Overloaded`] at once when
    /// [`GroupCommitOptions::waiting_max`] requests wait already, [`LedgerError::Stopped`] when the runtime was shut down.
    pub async fn transfer(&self, request: TransferRequest) -> Result<Receipt, LedgerError> {
        self.submit(request).await
    }

    /// As [`GroupCommitLedger::transfer`], for a request of any kind.
    ///
    /// # Errors
    ///
    /// As [`GroupCommitLedger::transfer`].
    pub async fn submit(&self, request: impl Into<Request>) -> Result<Receipt, LedgerError> {
        let (place, waiter) = Submission::enlist(request.into(), self.deadline, &self.queue.counts);
        self.queue.enter(place)?;
        Ok(waiter.answer().await?.into_receipt()?)
    }

    /// What was gathered since this ledger was made.
    #[must_use]
    pub fn metrics(&self) -> GroupCommitMetrics {
        self.queue.metrics()
    }
}

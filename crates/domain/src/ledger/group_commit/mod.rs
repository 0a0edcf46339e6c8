//! Group commit: requests that arrive while a batch commits make up the next batch.
//!
//! Concurrent callers of a [`Ledger`] share the commit, so a hot account costs no more than a cold
//! one. The ledger never delays a request to wait for others: one that finds it idle begins at
//! once.
//!
//! * Workers take requests in the order of their arrival, and decide those of one batch in that
//!   order. A request for an account that another worker has in flight waits for it, and so does
//!   every later request that shares an account with it. So the requests for an account are
//!   executed in the order of their arrival.
//! * Where all waiting requests need accounts of one batch, as those of a hot account do, a second
//!   batch is pipelined behind the first once its statement is in flight: it is decided on the
//!   speculative state that the first will leave, and the database admits its statement only after
//!   the first.
//! * Each caller gets its own outcome and its own error. When a statement fails, the database finds
//!   the request that makes it fail, in as many round trips for two requests as for a thousand; the
//!   others are executed.
//! * A caller that drops its future withdraws its request, unless the request has been decided on.
//! * Each worker is a task, which starts when a request arrives and ends when none waits.
//!
//! A resource that another session holds delays only the requests that need it (decision 15 in
//! `docs/decisions`):
//!
//! * A batch waits for the locks of its accounts for [`GroupCommitOptions::lock_timeout`] at most.
//!   Then the requests for the locked accounts, or the one whose key another transaction holds, are
//!   set aside. They wait there for at most
//!   [`lock_timeout`](neobank_db::DatabaseConfig::lock_timeout), and then return to the queue or
//!   get that error; the others go on. A request that is set aside may be overtaken by later
//!   requests for its *other* account; requests for the locked account keep their order.
//! * A batch that has not ended after [`GroupCommitOptions::detach_after`], because its server
//!   process does not answer, is detached: its worker goes on with other accounts. The connection
//!   is closed, and so replaced, after `statement_timeout`, five seconds and
//!   [`commit_timeout`](neobank_db::DatabaseConfig::commit_timeout) at most. The ledger resolves
//!   the outcome within [`Ledger::in_doubt_limit`] from then. A caller with a deadline does not
//!   wait for that.
//!
//! [`Ledger`]: super::Ledger
//! [`Ledger::in_doubt_limit`]: super::Ledger::in_doubt_limit

mod batch;
mod cost_model;
mod metrics;
mod options;
mod queue;
mod set_aside;
mod submission;
mod watch;
mod worker;

pub use metrics::GroupCommitMetrics;
pub use options::{GroupCommitOptions, GroupCommitOptionsError};

pub(super) use queue::Queue;

//! The execution of a batch of submissions, and the search for the request that makes it fail.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use neobank_db::{DatabaseError, ErrorClass};

use super::super::decision::Written;
use super::super::engine::Engine;
use super::super::error::LedgerError;
use super::super::execution::{self, Batch, Claims, Failure, Pipelining, is_key_race};
use super::super::receipt::Outcome;
use super::super::rejected;
use super::super::request::Request;
use super::super::statements::Statements;
use super::queue::{Predecessor, Queue};
use super::submission::{Answer, Submission};
use crate::{AccountId, TransferId};

/// Executes a batch, and answers each submission.
///
/// When the database rejects the batch, it isolates the request in one statement
/// (`banking.post_unless_rejected()`); for other errors, the batch is bisected. The search ends
/// after one `statement_timeout` and one `lock_timeout`; the submissions that are left get the
/// error. Requests that need an account or key of another session are set aside.
pub(super) async fn execute(queue: &Arc<Queue>, batch: Vec<Submission>, mut pipeline: Pipeline) {
    let database = &queue.engine.database;
    let config = database.config();
    let search_limit = config.statement_timeout.saturating_add(config.lock_timeout);
    let started = Instant::now();
    let mut parts = vec![Part::new(batch)];
    while let Some(part) = parts.pop() {
        let tried = if part.has_rejected {
            execute_unless_rejected(queue, part.submissions, &mut pipeline).await
        } else {
            let tried = try_part(queue, part.submissions, &mut pipeline).await;
            tried.map(|()| Vec::new())
        };
        let (submissions, error) = match tried {
            Ok(left) => {
                parts.extend(left);
                continue;
            }
            Err(failed) => failed,
        };
        // A part leaves less than the whole batch would, so it has no successor.
        pipeline.is_whole = false;
        pipeline.lock_timeout = pipeline.lock_timeout.min(SEARCH_LOCK_TIMEOUT);
        if submissions.len() == 1 && error.class() == ErrorClass::LockTimeout {
            set_aside(queue, submissions, &error).await;
            continue;
        }
        if submissions.len() <= 1 || !may_be_one_request(&error) || started.elapsed() > search_limit
        {
            fail(submissions, &error);
            continue;
        }
        queue.counts.split();
        if !part.has_rejected && error.class() != ErrorClass::LockTimeout {
            parts.push(Part::rejected(submissions));
            continue;
        }
        let (first, second) = bisect(queue, submissions, &error).await;
        // `pop` takes the last part first.
        parts.push(Part::new(second));
        parts.push(Part::new(first));
    }
}

/// The part of a batch that one transaction executes.
struct Part {
    submissions: Vec<Submission>,
    /// True when the database has rejected the part, so that the next attempt isolates the request.
    has_rejected: bool,
}

impl Part {
    const fn new(submissions: Vec<Submission>) -> Self {
        Self {
            submissions,
            has_rejected: false,
        }
    }

    const fn rejected(submissions: Vec<Submission>) -> Self {
        Self {
            submissions,
            has_rejected: true,
        }
    }
}

/// Executes a part in one transaction, without the requests that the database rejects. Returns the
/// parts that are left, the first of them last. On an error nothing was changed, and the
/// submissions return without an answer.
async fn execute_unless_rejected(
    queue: &Arc<Queue>,
    part: Vec<Submission>,
    pipeline: &mut Pipeline,
) -> Result<Vec<Part>, (Vec<Submission>, DatabaseError)> {
    if part.is_empty() {
        return Ok(Vec::new());
    }
    let (isolated, chosen) = {
        let (batch, mut claimed) = claim(queue, &part, pipeline);
        let isolated = rejected::run(&queue.engine, &batch, &mut claimed).await;
        (isolated, claimed.chosen)
    };
    let isolated = match isolated {
        Ok(isolated) => isolated,
        Err(failure) => match answers(Err(failure)) {
            Err(error) => return Err((part, error)),
            Ok(_) => return Ok(Vec::new()),
        },
    };
    let answers = match answers(isolated.ended) {
        Ok(answers) => answers,
        Err(error) => return Err((part, error)),
    };
    let mut submissions: Vec<Option<Submission>> = part.into_iter().map(Some).collect();
    let mut answers: HashMap<usize, Answer> = isolated.indexes.into_iter().zip(answers).collect();
    let mut rejected = isolated.rejected;
    let (mut separate, mut left) = (Vec::new(), Vec::new());
    for (order, number) in chosen.into_iter().enumerate() {
        let Some(submission) = submissions.get_mut(number).and_then(Option::take) else {
            continue;
        };
        match (answers.remove(&order), rejected.remove(&order)) {
            (Some(answer), _) => submission.answer(answer),
            // The error may come from other sessions: by itself the request has more attempts.
            (None, Some(error))
                if is_key_race(&error) || error.class() == ErrorClass::JournalRejected =>
            {
                separate.push(Part::new(vec![submission]));
            }
            (None, Some(error)) => submission.answer(Err(error.into())),
            (None, None) => left.push(submission),
        }
    }
    let mut parts = vec![Part::rejected(left)];
    parts.extend(separate.into_iter().rev());
    Ok(parts)
}

/// Sets the requests aside that need a resource of another session, and returns the others.
async fn set_aside(
    queue: &Arc<Queue>,
    part: Vec<Submission>,
    error: &DatabaseError,
) -> Vec<Submission> {
    let Ok(locked) = locked_accounts(&queue.engine, &part).await else {
        fail(part, error);
        return Vec::new();
    };
    let is_single = part.len() == 1;
    let (mut aside, mut free) = (Vec::new(), Vec::new());
    for submission in part {
        let mut accounts = submission.accounts().iter();
        let first = accounts.find(|account| locked.contains(account)).copied();
        match first {
            Some(account) => aside.push((submission, account)),
            // No account is locked: the key is held, or the lock was short.
            None if is_single => queue.set_aside_by_key(submission, error),
            None => free.push(submission),
        }
    }
    queue.set_aside_by_account(aside, error);
    free
}

/// Executes a part in one transaction. On an error nothing was changed, and the submissions return
/// without an answer.
pub(super) async fn try_part(
    queue: &Arc<Queue>,
    part: Vec<Submission>,
    pipeline: &mut Pipeline,
) -> Result<(), (Vec<Submission>, DatabaseError)> {
    if part.is_empty() {
        return Ok(());
    }
    let (outcome, chosen) = {
        let (batch, mut claimed) = claim(queue, &part, pipeline);
        let outcome = execution::run(&queue.engine, &batch, &mut claimed).await;
        (outcome, claimed.chosen)
    };
    let answers = match answers(outcome) {
        Ok(answers) => answers,
        Err(error) => return Err((part, error)),
    };
    let mut submissions: Vec<Option<Submission>> = part.into_iter().map(Some).collect();
    for (number, answer) in chosen.into_iter().zip(answers) {
        if let Some(submission) = submissions.get_mut(number).and_then(Option::take) {
            submission.answer(answer);
        }
    }
    Ok(())
}

/// Returns the answers to the callers, or the error if nothing was changed.
fn answers(outcome: Result<Vec<Outcome>, Failure>) -> Result<Vec<Answer>, DatabaseError> {
    match outcome {
        Ok(outcomes) => Ok(outcomes.into_iter().map(Ok).collect()),
        Err(Failure::NotReplicated(outcomes)) => Ok(not_replicated(outcomes)),
        Err(Failure::Unknown {
            reason,
            outcomes,
            written,
        }) => Ok(unknown(&reason, outcomes, written)),
        Err(Failure::Database(error)) => Err(error),
    }
}

/// Returns a part's requests as a batch, and the claim on those that their callers still wait for.
fn claim<'a>(
    queue: &'a Arc<Queue>,
    part: &'a [Submission],
    pipeline: &'a mut Pipeline,
) -> (Batch<'a>, Claimed<'a>) {
    let batch = Batch::of(part.iter().map(Submission::identified).collect());
    let claimed = Claimed {
        queue,
        submissions: part,
        chosen: Vec::new(),
        pipeline,
    };
    (batch, claimed)
}

/// The claim on the requests of a part that their callers have not withdrawn.
struct Claimed<'a> {
    queue: &'a Arc<Queue>,
    submissions: &'a [Submission],
    chosen: Vec<usize>,
    pipeline: &'a mut Pipeline,
}

/// The position of a batch among the batches in flight.
pub(super) struct Pipeline {
    batch: u64,
    predecessor: Option<Predecessor>,
    /// True while the batch is executed as a whole.
    is_whole: bool,
    /// The longest wait for a lock.
    lock_timeout: Duration,
}

/// The lock timeout of parts, after the whole batch has waited: a search takes several such waits.
const SEARCH_LOCK_TIMEOUT: Duration = Duration::from_millis(20);

impl Pipeline {
    pub(super) const fn new(
        batch: u64,
        predecessor: Option<Predecessor>,
        lock_timeout: Duration,
    ) -> Self {
        Self {
            batch,
            predecessor,
            is_whole: true,
            lock_timeout,
        }
    }

    /// Returns the position of a request that a watch executes beside the workers.
    pub(super) const fn without_predecessor(batch: u64, lock_timeout: Duration) -> Self {
        Self {
            batch,
            predecessor: None,
            is_whole: false,
            lock_timeout,
        }
    }
}

impl Claims for Claimed<'_> {
    fn claim(&mut self) -> Vec<usize> {
        let now = Instant::now();
        let claimed = self.submissions.iter().enumerate();
        let claimed = claimed.filter(|(_, submission)| submission.claim(now));
        self.chosen = claimed.map(|(number, _)| number).collect();
        self.chosen.clone()
    }

    fn give_back(&mut self) {
        for number in self.chosen.drain(..) {
            if let Some(submission) = self.submissions.get(number) {
                submission.give_back(&self.queue.counts);
            }
        }
        self.queue.not_in_flight(self.pipeline.batch);
    }

    fn isolates_rejected(&self) -> bool {
        self.submissions.len() > 1
    }
}

impl Pipelining for Claimed<'_> {
    fn batch_lock(&self) -> Option<i64> {
        Some(self.queue.batch_lock(self.pipeline.batch))
    }

    fn predecessor_batch_lock(&self) -> Option<i64> {
        let predecessor = self.pipeline.predecessor.as_ref()?;
        Some(self.queue.batch_lock(predecessor.batch))
    }

    fn in_flight(&mut self) {
        if self.pipeline.is_whole {
            self.queue.in_flight(self.pipeline.batch);
        }
    }

    fn done(&mut self, writing: Duration, rest: Duration) {
        let size = self.chosen.len();
        let is_successor = self.pipeline.predecessor.is_some();
        self.queue.done(size, is_successor, writing, rest);
    }

    fn lock_timeout(&self) -> Option<Duration> {
        let longest = self.queue.engine.database.config().lock_timeout;
        // Every session has the configured timeout already.
        Some(self.pipeline.lock_timeout).filter(|timeout| *timeout < longest)
    }

    async fn predecessor_ended(&mut self) {
        if let Some(predecessor) = self.pipeline.predecessor.take() {
            // The sender is dropped and sends no value.
            let _ = predecessor.ended.await;
        }
    }
}

/// Bisects a part that failed, in the order of arrival. A half can be empty.
async fn bisect(
    queue: &Arc<Queue>,
    mut part: Vec<Submission>,
    error: &DatabaseError,
) -> (Vec<Submission>, Vec<Submission>) {
    if error.class() == ErrorClass::LockTimeout {
        let before = part.len();
        part = set_aside(queue, part, error).await;
        if part.len() < before {
            return (part, Vec::new());
        }
    }
    let second = part.split_off(part.len() / 2);
    (part, second)
}

/// Returns the accounts of these requests that another session has locked now.
async fn locked_accounts(
    engine: &Engine,
    part: &[Submission],
) -> Result<HashSet<AccountId>, DatabaseError> {
    let accounts: HashSet<_> = part
        .iter()
        .map(Submission::request)
        .flat_map(Request::accounts)
        .collect();
    let transaction = engine.begin(None).await?;
    let listed: Vec<_> = accounts.into_iter().collect();
    let locked = Statements::locked_by_others(&transaction, &listed).await?;
    transaction.rollback().await?;
    Ok(locked)
}

/// Returns true for an error that a single request may have caused.
fn may_be_one_request(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Server(server) => !matches!(
            server.class(),
            ErrorClass::ReadOnly
                | ErrorClass::InsufficientResources
                | ErrorClass::TooManyConnections
                | ErrorClass::ServerUnavailable
                | ErrorClass::TransactionTimeout
                | ErrorClass::ConnectionLost
        ),
        DatabaseError::Parameter { .. } | DatabaseError::Row { .. } => true,
        _ => false,
    }
}

/// Answers all submissions of a part with an error.
fn fail(part: Vec<Submission>, error: &DatabaseError) {
    for submission in part {
        submission.answer(Err(error.clone().into()));
    }
}

/// Returns the answers for a commit that no standby has confirmed. A replayed receipt is
/// unconfirmed too, because the wait of its own commit may have been cancelled.
fn not_replicated(outcomes: Vec<Outcome>) -> Vec<Answer> {
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Rejected(_) => Ok(outcome),
            _ => Err(LedgerError::NotReplicated {
                outcomes: vec![outcome],
            }),
        })
        .collect()
}

/// Returns the answers for a commit with an unknown outcome. A rejection is valid in either case.
/// The receipt of an earlier transfer is valid too, and no standby has confirmed it.
fn unknown(reason: &str, outcomes: Vec<Outcome>, written: Written) -> Vec<Answer> {
    let transfers: HashSet<_> = written.transfers.into_iter().collect();
    let events: HashSet<_> = written.hold_events.into_iter().collect();
    outcomes
        .into_iter()
        .map(|outcome| {
            let moved = moved_by(&outcome, &transfers);
            let changes = outcome.hold_events();
            let changed: Vec<_> = changes.filter(|event| events.contains(event)).collect();
            if !moved.is_empty() || !changed.is_empty() {
                return Err(LedgerError::Unknown {
                    reason: reason.to_owned(),
                    transfers: moved,
                    hold_events: changed,
                });
            }
            if outcome.is_replayed() {
                return Err(LedgerError::NotReplicated {
                    outcomes: vec![outcome],
                });
            }
            Ok(outcome)
        })
        .collect()
}

/// Returns the transfers of an outcome that are among these.
fn moved_by(outcome: &Outcome, transfers: &HashSet<TransferId>) -> Vec<TransferId> {
    let moved = outcome.receipts().map(|receipt| receipt.transfer_id);
    moved
        .filter(|transfer| transfers.contains(transfer))
        .collect()
}

//! The execution of one batch: an optimistic attempt, pessimistic attempts after a conflict, and
//! the in-doubt resolution after a lost answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use neobank_db::{DatabaseError, RetryPolicy, Transaction};
use neobank_entity::constraints::banking::{
    HOLD_EVENTS_IDEMPOTENCY_KEY_KEY, TRANSFERS_IDEMPOTENCY_KEY_KEY,
};

use super::Ledger;
use super::account_cache::{CachedAccounts, DecidedState};
use super::actor::Actor;
use super::decision::{IdentifiedRequest, Written, decide};
use super::engine::Engine;
use super::error::LedgerError;
use super::in_doubt::{self, InDoubt};
use super::optimistic;
use super::receipt::Outcome;
use super::request::Request;
use super::statements::{Statements, TransferColumns};
use crate::{AccountId, HoldId, TransferId};

/// The most repetitions of a batch because another session used one of its keys at the same time.
///
/// Each time the other session has committed, so the next attempt finds its transfer. A batch of n
/// keys can lose n such races at most. A key that is lost again has no transfer that could be
/// found.
pub(super) const KEY_RACES_MAX: usize = 16;

/// The same limit while group commit looks for the rejected request, which it then tries by itself.
const KEY_RACES_SEARCHED: usize = 1;

/// A batch: requests with their identifiers, accounts and keys, which are the same in every
/// attempt.
pub(super) struct Batch<'a> {
    pub(super) requests: Vec<IdentifiedRequest<'a>>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) keys: Vec<String>,
    /// The transfers that the requests reverse.
    pub(super) originals: Vec<TransferId>,
    /// The holds that the requests name.
    pub(super) holds: Vec<HoldId>,
    /// True if one of the requests changes holds.
    pub(super) changes_holds: bool,
    /// True if one of the requests has a booking time or a value date of its own.
    pub(super) names_a_day: bool,
}

/// The submissions of a batch: which requests an attempt may still decide on.
pub(super) trait Claims {
    /// Claims the requests for a decision, and returns their indexes in the batch. Their callers
    /// cannot withdraw them any more.
    fn claim(&mut self) -> Vec<usize>;
    /// Releases the claim, because the attempt has changed nothing. Callers can withdraw again.
    fn give_back(&mut self);
    /// Returns true when the caller looks for the request that the database rejects, instead of
    /// giving its error to the whole batch.
    fn isolates_rejected(&self) -> bool {
        false
    }
}

/// The position of a batch among other batches in flight.
pub(super) trait Pipelining {
    /// The advisory lock that the batch's statement holds until it has ended, for a successor.
    fn batch_lock(&self) -> Option<i64>;
    /// The batch lock of the predecessor on whose speculative state the batch may be decided.
    fn predecessor_batch_lock(&self) -> Option<i64>;
    /// Waits until the predecessor has ended.
    fn predecessor_ended(&mut self) -> impl Future<Output = ()> + Send;
    /// Notes that the batch's statement is in flight: a successor may be decided on its state.
    fn in_flight(&mut self);
    /// Notes the server's time to write, and the rest of the time until the answer came.
    fn done(&mut self, writing: Duration, rest: Duration);
    /// The lock timeout of a pessimistic attempt; `None` for the configuration's.
    fn lock_timeout(&self) -> Option<Duration> {
        None
    }
}

/// The claim on a batch of this many requests, which no caller can withdraw. It is not pipelined.
pub(super) struct WholeBatch(pub(super) usize);

impl Claims for WholeBatch {
    fn claim(&mut self) -> Vec<usize> {
        (0..self.0).collect()
    }

    fn give_back(&mut self) {}
}

impl Pipelining for WholeBatch {
    fn batch_lock(&self) -> Option<i64> {
        None
    }

    fn predecessor_batch_lock(&self) -> Option<i64> {
        None
    }

    async fn predecessor_ended(&mut self) {}

    fn in_flight(&mut self) {}

    fn done(&mut self, _: Duration, _: Duration) {}
}

/// The reason why a batch did not end with confirmed outcomes.
pub(super) enum Failure {
    /// The database failed, and nothing was changed.
    Database(DatabaseError),
    /// The outcomes are committed, and the standby has not confirmed them.
    NotReplicated(Vec<Outcome>),
    /// The answer was lost: the outcomes are true if the written rows exist.
    Unknown {
        reason: String,
        outcomes: Vec<Outcome>,
        written: Written,
    },
}

impl<'a> Batch<'a> {
    /// Returns the requests of one call as a batch, with new identifiers.
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooManyRequests`].
    pub(super) fn new(
        requests: &'a [Request],
        actor: Option<&'a Actor>,
    ) -> Result<Self, LedgerError> {
        let steps = requests.iter().map(|request| request.steps().len());
        let steps = steps.fold(0, usize::saturating_add);
        if steps > Ledger::REQUESTS_MAX {
            return Err(LedgerError::TooManyRequests {
                requests: steps,
                limit: Ledger::REQUESTS_MAX,
            });
        }
        let identified = requests.iter().map(|request| {
            let mut identified = IdentifiedRequest::new(request);
            identified.actor = actor;
            identified
        });
        Ok(Self::of(identified.collect()))
    }

    /// Returns a batch of requests that have their identifiers.
    pub(super) fn of(requests: Vec<IdentifiedRequest<'a>>) -> Self {
        let all = || requests.iter().map(|identified| identified.request);
        let accounts: BTreeSet<_> = all().flat_map(Request::accounts).collect();
        // The decision rejects a key with a NUL; the driver cannot send one.
        let keys: BTreeSet<_> = all()
            .filter_map(Request::idempotency_key)
            .filter(|key| !key.contains('\0'))
            .collect();
        Self {
            accounts: accounts.into_iter().collect(),
            keys: keys.into_iter().map(str::to_owned).collect(),
            originals: all().flat_map(Request::originals).collect(),
            holds: all().flat_map(Request::holds).collect(),
            changes_holds: all().any(Request::changes_holds),
            names_a_day: all().any(Request::names_a_day),
            requests,
        }
    }

    /// Returns the requests with these indexes.
    pub(super) fn claimed(&self, indexes: Vec<usize>) -> Vec<IdentifiedRequest<'a>> {
        selected(&self.requests, indexes)
    }
}

/// Returns the requests with these indexes.
pub(super) fn selected<'a>(
    requests: &[IdentifiedRequest<'a>],
    indexes: impl IntoIterator<Item = usize>,
) -> Vec<IdentifiedRequest<'a>> {
    indexes
        .into_iter()
        .filter_map(|index| requests.get(index).cloned())
        .collect()
}

/// Executes a batch in one transaction: optimistically where that may succeed, and under locks
/// otherwise or after a conflict. A pessimistic attempt is repeated when the server asks for it and
/// when its commit was lost.
///
/// Returns the outcomes of the requests that were claimed last, in their order.
pub(super) async fn run(
    engine: &Engine,
    batch: &Batch<'_>,
    claims: &mut (impl Claims + Pipelining),
) -> Result<Vec<Outcome>, Failure> {
    let predecessor = claims.predecessor_batch_lock();
    let cached = engine.account_cache.begin(&batch.accounts, predecessor);
    let cached = cached.with_holds(&batch.holds);
    if cached.may_be_optimistic() {
        let attempt = optimistic::attempt(engine, batch, &cached, claims).await;
        if matches!(attempt, Ok(None) | Err(Failure::Database(_))) {
            claims.give_back();
        }
        if let Some(outcomes) = attempt? {
            return Ok(outcomes);
        }
    }
    // The predecessor's requests arrived first.
    claims.predecessor_ended().await;
    run_pessimistic(engine, batch, &cached, claims).await
}

async fn run_pessimistic(
    engine: &Engine,
    batch: &Batch<'_>,
    cached: &CachedAccounts<'_>,
    claims: &mut (impl Claims + Pipelining),
) -> Result<Vec<Outcome>, Failure> {
    let database = &engine.database;
    let pauses = RetryPolicy::default();
    let started = Instant::now();
    let key_races_max = if claims.isolates_rejected() {
        KEY_RACES_SEARCHED
    } else {
        batch.keys.len().min(KEY_RACES_MAX)
    };
    let (mut key_races, mut attempts) = (0_usize, 1_u32);
    loop {
        match attempt(engine, batch, cached, claims).await {
            Ok(outcomes) => return Ok(outcomes),
            Err(Failure::Database(error)) if is_key_race(&error) && key_races < key_races_max => {
                key_races = key_races.saturating_add(1);
            }
            Err(Failure::Database(error))
                if pauses.retries(error.class())
                    && attempts < pauses.attempts_max
                    && started.elapsed() < engine.call_limit() =>
            {
                database.note_retry("ledger", &error).await;
                tokio::time::sleep(pauses.pause(attempts)).await;
                attempts = attempts.saturating_add(1);
            }
            Err(Failure::Unknown {
                reason,
                outcomes,
                written,
            }) => {
                let resolved = resolve(engine, batch, &reason, outcomes, written).await?;
                if let Some(outcomes) = resolved {
                    return Ok(outcomes);
                }
                if attempts >= pauses.attempts_max || started.elapsed() >= engine.call_limit() {
                    return Err(lost(attempts, &reason).into());
                }
                attempts = attempts.saturating_add(1);
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Resolves a commit whose answer was lost. Returns `None` when it never happened.
pub(super) async fn resolve(
    engine: &Engine,
    batch: &Batch<'_>,
    reason: &str,
    outcomes: Vec<Outcome>,
    written: Written,
) -> Result<Option<Vec<Outcome>>, Failure> {
    match in_doubt::resolve(&engine.database, &batch.accounts, &written, None).await {
        InDoubt::Committed { replicated, .. } => committed(outcomes, replicated).map(Some),
        InDoubt::Aborted => Ok(None),
        InDoubt::Unknown => Err(Failure::Unknown {
            reason: reason.to_owned(),
            outcomes,
            written,
        }),
    }
}

/// Returns committed outcomes, as a failure unless the standbys that the server waits for have
/// confirmed them.
pub(super) fn committed(outcomes: Vec<Outcome>, replicated: bool) -> Result<Vec<Outcome>, Failure> {
    if replicated {
        Ok(outcomes)
    } else {
        Err(Failure::NotReplicated(outcomes))
    }
}

/// Returns the error of a batch whose commits got no answer and, as it turned out, never happened.
pub(super) fn lost(attempts: u32, reason: &str) -> DatabaseError {
    DatabaseError::ConnectionLost {
        reason: format!(
            "nothing was changed; the answer was lost {attempts} times in a row: {reason}"
        ),
        server: None,
    }
}

async fn attempt(
    engine: &Engine,
    batch: &Batch<'_>,
    cached: &CachedAccounts<'_>,
    claims: &mut (impl Claims + Pipelining),
) -> Result<Vec<Outcome>, Failure> {
    let transaction = engine.begin(claims.lock_timeout()).await?;
    let session = Statements::prepare(&transaction).await?;
    let mut state = session
        .lock_and_read(&transaction, batch, engine.rules)
        .await?;
    let claimed = batch.claimed(claims.claim());
    let mut decision = decide(&mut state, &claimed);
    let outcomes = std::mem::take(&mut decision.outcomes);
    if decision.is_empty() {
        let replicated = end_without_transfers(engine, batch, transaction, &outcomes).await?;
        cached.keep(DecidedState::of(state));
        return committed(outcomes, replicated);
    }
    let written = decision.written();
    let transfers = TransferColumns::of(decision);
    match session.write_and_commit(transaction, &transfers).await {
        Ok(()) => {
            cached.keep(DecidedState::of(state));
            Ok(outcomes)
        }
        Err(DatabaseError::CommitUnknown { reason }) => Err(Failure::Unknown {
            reason,
            outcomes,
            written,
        }),
        Err(DatabaseError::CommittedNotReplicated) => Err(Failure::NotReplicated(outcomes)),
        Err(error) => Err(error.into()),
    }
}

/// Ends a transaction that posts nothing. Returns false when the standbys that the server waits for
/// have not confirmed every row that the transaction saw.
///
/// A replay confirms that money moved, so it waits for the standby as the original commit did: that
/// commit's own wait may have been cancelled. A rejection waits for nothing.
pub(super) async fn end_without_transfers(
    engine: &Engine,
    batch: &Batch<'_>,
    transaction: Transaction,
    outcomes: &[Outcome],
) -> Result<bool, DatabaseError> {
    let replayed = Written::replayed(outcomes);
    if replayed == Written::default() {
        transaction.rollback().await?;
        return Ok(true);
    }
    match Statements::commit_durably(transaction).await {
        Ok(()) => Ok(true),
        Err(DatabaseError::CommittedNotReplicated) => Ok(false),
        // The end of the session says nothing about a standby. A failover may have lost the rows.
        Err(DatabaseError::CommitUnknown { reason }) => {
            let (database, accounts) = (&engine.database, &batch.accounts);
            match in_doubt::resolve(database, accounts, &replayed, None).await {
                InDoubt::Committed { replicated, .. } => Ok(replicated),
                InDoubt::Aborted => Err(lost(1, &reason)),
                InDoubt::Unknown => Ok(false),
            }
        }
        Err(error) => Err(error),
    }
}

pub(super) fn is_key_race(error: &DatabaseError) -> bool {
    let violated = error.violated();
    violated == Some(TRANSFERS_IDEMPOTENCY_KEY_KEY)
        || violated == Some(HOLD_EVENTS_IDEMPOTENCY_KEY_KEY)
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => Self::Database(error),
            Failure::NotReplicated(outcomes) => Self::NotReplicated { outcomes },
            Failure::Unknown {
                reason, written, ..
            } => Self::Unknown {
                reason,
                transfers: written.transfers,
                hold_events: written.hold_events,
            },
        }
    }
}

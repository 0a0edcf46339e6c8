//! One group of requests on its way through one transaction: attempts, and attempts again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use neobank_db::{DatabaseError, RetryPolicy, Transaction};
use neobank_entity::constraints::banking::TRANSFERS_IDEMPOTENCY_KEY_KEY;

use super::Ledger;
use super::account_cache::Visit;
use super::decision::{Decision, IdentifiedRequest, decide};
use super::engine::Engine;
use super::error::LedgerError;
use super::in_doubt::{self, InDoubt};
use super::optimistic;
use super::receipt::Outcome;
use super::request::Request;
use super::statements::{Statements, TransferColumns};
use crate::{AccountId, EntryId, TransferId};

/// How often a group is decided anew because another session used one of its keys at the same moment.
///
/// Each time the other session has committed, so its transfer is found and the next attempt does not meet it again; a
/// group of n keys can meet n of them at most, but not many do. A key that is met again is not found, and never will be.
pub(super) const KEY_RACES_MAX: usize = 16;

/// The same where the request is looked for that has such a key, and then tried by itself.
const KEY_RACES_SEARCHED: usize = 1;

/// Requests with what deciding and writing needs of them, the same in every attempt.
pub(super) struct Group<'a> {
    pub(super) requests: Vec<IdentifiedRequest<'a>>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) keys: Vec<String>,
}

/// Which requests of a group take part in an attempt, asked just before they are decided on; and what others do meanwhile.
pub(super) trait Claims {
    /// Their places. From now on none of them can be taken back.
    fn claim(&mut self) -> Vec<usize>;
    /// The attempt has changed nothing, so that they can be taken back again.
    fn give_back(&mut self);
    /// What the group's statement holds until it has ended, for one that follows it to wait for.
    fn batch_lock(&self) -> Option<i64>;
    /// The batch lock of a group that this one may be decided behind, on what that one leaves.
    fn after(&self) -> Option<i64>;
    /// The group's statement is on its way: another group may be decided on what it leaves.
    fn sent(&mut self);
    /// How long the server took to write, and how long the answer took beyond that.
    fn took(&mut self, writing: Duration, rest: Duration);
    /// How long an attempt under locks waits for one, instead of the configuration's limit.
    fn lock_timeout(&self) -> Option<Duration> {
        None
    }
    /// Whether the caller looks for the request that the database refuses, instead of having all of them refused.
    fn looks_for_the_refused(&self) -> bool {
        false
    }
    /// Returns when the group that this one follows has ended.
    fn predecessor(&mut self) -> impl Future<Output = ()> + Send;
}

/// The claim on a group of this many requests, none of which is withdrawn.
pub(super) struct WholeGroup(pub(super) usize);

impl Claims for WholeGroup {
    fn claim(&mut self) -> Vec<usize> {
        (0..self.0).collect()
    }

    fn give_back(&mut self) {}

    fn batch_lock(&self) -> Option<i64> {
        None
    }

    fn after(&self) -> Option<i64> {
        None
    }

    fn sent(&mut self) {}

    fn took(&mut self, _: Duration, _: Duration) {}

    async fn predecessor(&mut self) {}
}

/// Why a group did not end with its outcomes.
pub(super) enum Failure {
    /// Nothing was changed.
    Database(DatabaseError),
    /// These are the outcomes, if the standby gets them.
    NotReplicated(Vec<Outcome>),
    /// These are the outcomes, if the transfers are there.
    Unknown {
        reason: String,
        outcomes: Vec<Outcome>,
        transfers: Vec<TransferId>,
    },
}

impl<'a> Group<'a> {
    /// The requests of one call, with new identifiers.
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooManyRequests`].
    pub(super) fn new(requests: &'a [Request]) -> Result<Self, LedgerError> {
        if requests.len() > Ledger::REQUESTS_MAX {
            return Err(LedgerError::TooManyRequests {
                requests: requests.len(),
                limit: Ledger::REQUESTS_MAX,
            });
        }
        let identified = requests.iter().map(|request| IdentifiedRequest {
            request,
            request_hash: request.idempotency_key().map(|_| request.hash()),
            transfer_id: TransferId::new(),
            debit_id: EntryId::new(),
            credit_id: EntryId::new(),
        });
        Ok(Self::of(identified.collect()))
    }

    /// Requests that have their identifiers.
    pub(super) fn of(requests: Vec<IdentifiedRequest<'a>>) -> Self {
        let asked = || requests.iter().map(|identified| identified.request);
        let accounts: BTreeSet<_> = asked().flat_map(Request::accounts).collect();
        // A key with a NUL is refused by the decision; the server could not even be asked for it.
        let keys: BTreeSet<_> = asked()
            .filter_map(Request::idempotency_key)
            .filter(|key| !key.contains('\0'))
            .collect();
        Self {
            accounts: accounts.into_iter().collect(),
            keys: keys.into_iter().map(str::to_owned).collect(),
            requests,
        }
    }

    /// The requests in these places.
    pub(super) fn chosen(&self, places: Vec<usize>) -> Vec<IdentifiedRequest<'a>> {
        places
            .into_iter()
            .filter_map(|place| self.requests.get(place).cloned())
            .collect()
    }
}

/// Carries a group out in one transaction: first on what is remembered of the accounts, where that makes sense, and under
/// locks when it was wrong; in another one when the server asks for it or the commit got lost.
///
/// The outcomes are those of the requests that were claimed last, in that order.
pub(super) async fn run(
    engine: &Engine,
    group: &Group<'_>,
    claims: &mut impl Claims,
) -> Result<Vec<Outcome>, Failure> {
    let visit = engine.account_cache.visit(&group.accounts, claims.after());
    if visit.may_be_optimistic() {
        let attempt = optimistic::attempt(engine, group, &visit, claims).await;
        if matches!(attempt, Ok(None) | Err(Failure::Database(_))) {
            claims.give_back();
        }
        if let Some(outcomes) = attempt? {
            return Ok(outcomes);
        }
    }
    // Its requests came first.
    claims.predecessor().await;
    run_under_locks(engine, group, &visit, claims).await
}

async fn run_under_locks(
    engine: &Engine,
    group: &Group<'_>,
    visit: &Visit<'_>,
    claims: &mut impl Claims,
) -> Result<Vec<Outcome>, Failure> {
    let database = &engine.database;
    let pauses = RetryPolicy::default();
    let started = Instant::now();
    let key_races_max = if claims.looks_for_the_refused() {
        KEY_RACES_SEARCHED
    } else {
        group.keys.len().min(KEY_RACES_MAX)
    };
    let (mut key_races, mut attempts) = (0_usize, 1_u32);
    loop {
        match attempt(engine, group, visit, claims).await {
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
                transfers,
            }) => match in_doubt::resolve(database, &group.accounts, &transfers, None).await {
                InDoubt::Committed {
                    replicated: true, ..
                } => return Ok(outcomes),
                InDoubt::Committed {
                    replicated: false, ..
                } => return Err(Failure::NotReplicated(outcomes)),
                InDoubt::Aborted
                    if attempts < pauses.attempts_max
                        && started.elapsed() < engine.call_limit() =>
                {
                    attempts = attempts.saturating_add(1);
                }
                InDoubt::Aborted => return Err(lost(attempts, &reason).into()),
                InDoubt::Unknown => {
                    return Err(Failure::Unknown {
                        reason,
                        outcomes,
                        transfers,
                    });
                }
            },
            Err(failure) => return Err(failure),
        }
    }
}

/// Each time the commit's answer did not come, and the commit had not happened.
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
    group: &Group<'_>,
    visit: &Visit<'_>,
    claims: &mut impl Claims,
) -> Result<Vec<Outcome>, Failure> {
    let transaction = engine.begin(claims.lock_timeout()).await?;
    let session = Statements::prepare(&transaction).await?;
    let mut books = session
        .lock_and_read(&transaction, &group.accounts, &group.keys)
        .await?;
    let chosen = group.chosen(claims.claim());
    let Decision {
        outcomes,
        transfers,
    } = decide(&mut books, &chosen);
    if transfers.is_empty() {
        let ended = end_without_transfers(transaction, &outcomes).await?;
        visit.keep(books.accounts);
        return match ended {
            Replicated::Yes => Ok(outcomes),
            Replicated::No => Err(Failure::NotReplicated(outcomes)),
        };
    }
    let identifiers: Vec<_> = transfers
        .iter()
        .map(|transfer| transfer.receipt.transfer_id)
        .collect();
    let transfers = TransferColumns::of(transfers);
    match session.write_and_commit(transaction, &transfers).await {
        Ok(()) => {
            visit.keep(books.accounts);
            Ok(outcomes)
        }
        Err(DatabaseError::CommitUnknown { reason }) => Err(Failure::Unknown {
            reason,
            outcomes,
            transfers: identifiers,
        }),
        Err(DatabaseError::CommittedNotReplicated) => Err(Failure::NotReplicated(outcomes)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the standbys that the server waits for have everything that was seen.
pub(super) enum Replicated {
    Yes,
    No,
}

/// A replay tells that money moved, and so waits for the standby as the commit did that moved it: what was seen can be a
/// transfer whose own wait was cut short. A rejection needs nothing of that.
pub(super) async fn end_without_transfers(
    transaction: Transaction,
    outcomes: &[Outcome],
) -> Result<Replicated, DatabaseError> {
    if !outcomes.iter().any(Outcome::is_replayed) {
        transaction.rollback().await?;
        return Ok(Replicated::Yes);
    }
    match Statements::commit_durably(transaction).await {
        Ok(()) => Ok(Replicated::Yes),
        // The transfers are there, whatever became of this commit, and that they last was not confirmed.
        Err(DatabaseError::CommittedNotReplicated | DatabaseError::CommitUnknown { .. }) => {
            Ok(Replicated::No)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn is_key_race(error: &DatabaseError) -> bool {
    error.violated() == Some(TRANSFERS_IDEMPOTENCY_KEY_KEY)
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
                reason, transfers, ..
            } => Self::Unknown { reason, transfers },
        }
    }
}

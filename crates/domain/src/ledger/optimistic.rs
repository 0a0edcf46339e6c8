//! The optimistic attempt: a decision on cached accounts, or on accounts read without locks. One
//! statement writes it in one round trip, and the database rejects it when anything has changed.
//!
//! Accepted requests are correct, because `banking.post_transfers_optimistic()` posts only entries
//! that continue the accounts as they are under its locks. A decision under locks would have been
//! the same. Rejected requests are correct, because the same call validates its read set, which is
//! the accounts of those requests, and then that their keys are unused. Requests that depend on
//! more are decided under locks: adjustments on the version, events of the past on the clock.
//!
//! Accepted changes of holds are correct, because the same call validates each hold, that its time
//! is not over, and in the read set the accounts of the holds. A rejected one may depend on the
//! clock, and is decided under locks.
//!
//! A decision may also depend on the speculative state of a predecessor in flight.
//! `banking.post_transfers_pipelined()` then waits for the predecessor's end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::future::join;
use neobank_db::{Autocommit, DatabaseError, RetryPolicy};

use super::account_cache::{CachedAccounts, DecidedState, OptimisticAccounts};
use super::decision::{AccountState, Decision, IdentifiedRequest, LedgerState, decide};
use super::engine::Engine;
use super::execution::{Batch, Claims, Failure, Pipelining, committed};
use super::in_doubt::{self, InDoubt};
use super::receipt::{Outcome, Receipt};
use super::rejected;
use super::request::{AmountLimit, Request};
use super::statements::{
    self, Posted, PostedTimes, Preconditions, Predecessor, ReadSetColumns, TransferColumns,
};
use crate::{AccountId, HoldEventId, TransferId};

/// Returns the outcomes; `None` when nothing was changed and the decision needs locks.
pub(super) async fn attempt(
    engine: &Engine,
    batch: &Batch<'_>,
    cached: &CachedAccounts<'_>,
    claims: &mut (impl Claims + Pipelining),
) -> Result<Option<Vec<Outcome>>, Failure> {
    let Some(autocommit) = engine.database.autocommit() else {
        cached.not_attempted();
        return Ok(None);
    };
    if !batch.requests.iter().all(|one| needs_no_lock(one.request)) {
        cached.not_attempted();
        return Ok(None);
    }
    let OptimisticAccounts {
        accounts,
        holds,
        speculative,
    } = match take_or_read(autocommit, batch, cached).await {
        Ok(accounts) => accounts,
        Err(error) => {
            cached.not_attempted();
            return fall_back(engine, claims, error).await;
        }
    };
    // The uses of limits are read behind the locks.
    if accounts.values().any(|account| account.has_limits) {
        cached.not_attempted();
        return Ok(None);
    }
    // The server takes its own time where this time or an account's last entry is earlier.
    let mut state = LedgerState::new(DateTime::UNIX_EPOCH);
    state.accounts = accounts;
    state.holds = holds;
    state.rules = engine.rules;
    let claimed = batch.claimed(claims.claim());
    let decision = decide(&mut state, &claimed);
    if depends_on_the_clock(&state.accounts, &claimed, &decision.outcomes) {
        cached.not_attempted();
        return Ok(None);
    }
    let preconditions = preconditions(&state.accounts, &claimed, &decision);
    let Some(mut preconditions) = preconditions else {
        cached.not_attempted();
        return Ok(None);
    };
    preconditions.batch_lock = claims.batch_lock();
    preconditions.predecessor = predecessor(claims, speculative);
    let written_rows = decision.written();
    let first = written_rows.transfers.first().copied();
    let (mut outcomes, columns) = columns(decision);
    let started = Instant::now();
    let written = send(
        autocommit,
        &columns,
        &preconditions,
        first,
        cached,
        &mut state,
        claims,
    )
    .await;
    let (reason, is_committed) = match written {
        Ok(written) => match written.times {
            Ok(PostedTimes { now, writing }) => {
                claims.done(writing, started.elapsed().saturating_sub(writing));
                cached.committed();
                settle(&mut outcomes, &mut state, |receipt| {
                    receipt.posted_at.max(now)
                });
                settle_holds(&mut outcomes, |_| Some(now));
                cached.keep(DecidedState::of(state));
                return committed(outcomes, written.replicated).map(Some);
            }
            // The batch is committed, and its times can be looked up.
            Err(error) => (error.to_string(), true),
        },
        Err(DatabaseError::CommitUnknown { reason }) => (reason, false),
        Err(error) => {
            if rejected::concerns_one_request(&error) {
                // The cached accounts may have been current.
                cached.not_attempted();
            } else {
                cached.conflict(speculative.is_none());
            }
            return fall_back(engine, claims, error).await;
        }
    };
    let fence = (!is_committed).then_some(preconditions.fence);
    let in_doubt = in_doubt::resolve(&engine.database, &batch.accounts, &written_rows, fence).await;
    match in_doubt {
        InDoubt::Committed { times, replicated } => {
            settle(&mut outcomes, &mut state, |receipt| {
                let posted_at = times.transfers.get(&receipt.transfer_id).copied();
                posted_at.unwrap_or(receipt.posted_at)
            });
            settle_holds(&mut outcomes, |event| {
                times.hold_events.get(&event).copied()
            });
            committed(outcomes, replicated).map(Some)
        }
        InDoubt::Aborted => Ok(None),
        InDoubt::Unknown => Err(Failure::Unknown {
            reason,
            outcomes,
            written: written_rows,
        }),
    }
}

/// Sends the statement. While it is in flight, a successor can be decided on the state that it will
/// leave.
async fn send(
    autocommit: Autocommit<'_>,
    columns: &TransferColumns,
    preconditions: &Preconditions,
    first: Option<TransferId>,
    cached: &CachedAccounts<'_>,
    state: &mut LedgerState,
    pipeline: &mut impl Pipelining,
) -> Result<Posted, DatabaseError> {
    let statement = statements::write_optimistic(autocommit, columns, preconditions);
    // A successor proves by a transfer that its predecessor has committed.
    let Some((batch_lock, first)) = preconditions.batch_lock.zip(first) else {
        return statement.await;
    };
    let speculative_state = async {
        // The connection writes to its socket before a successor can write to another one.
        tokio::task::yield_now().await;
        let left = DecidedState {
            accounts: std::mem::take(&mut state.accounts),
            holds: std::mem::take(&mut state.holds),
        };
        cached.publish_speculative(batch_lock, first, left);
        pipeline.in_flight();
    };
    // `join` polls the first future first, and a future's first poll sends.
    let (written, ()) = join(statement, speculative_state).await;
    let left = cached.withdraw_speculative();
    state.accounts = left.accounts;
    state.holds = left.holds;
    written
}

/// Returns the predecessor, if the decision depends on the state that it leaves.
fn predecessor(claims: &impl Pipelining, speculative: Option<TransferId>) -> Option<Predecessor> {
    let (batch_lock, transfer) = claims.predecessor_batch_lock().zip(speculative)?;
    Some(Predecessor {
        batch_lock,
        transfer,
    })
}

/// Returns true when a request depends on nothing but what the preconditions can express.
fn needs_no_lock(request: &Request) -> bool {
    // A value date is compared with the clock.
    request.attributes().value_date.is_none()
        && match request {
            Request::Transfer(_) => true,
            Request::Posting(posting) => posting.event_time.is_none(),
            Request::Hold(_) | Request::Capture(_) => true,
            // Whether a hold has ended may depend on the clock.
            Request::Release(release) => !release.if_open,
            Request::Adjustment(_) | Request::Reversal(_) | Request::Expiry(_) => false,
            Request::Group(group) => {
                group.expires_at.is_none() && group.steps.iter().all(needs_no_lock)
            }
        }
}

/// Returns true when an outcome depends on more of the request's accounts than its entries
/// continue.
fn depends_on_accounts(request: &Request, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rejected(rejection) => rejection.depends_on_accounts(),
        _ => reads_accounts(request),
    }
}

/// Returns true when a request that is accepted depends on what is available, or on a condition.
fn reads_accounts(request: &Request) -> bool {
    match request {
        Request::Transfer(transfer) => transfer.limit != AmountLimit::Exact,
        Request::Group(group) => {
            !group.conditions.is_empty() || group.steps.iter().any(reads_accounts)
        }
        _ => false,
    }
}

/// Returns the accounts of a request that is accepted whose holds it changes, and the destination
/// of a new hold: the call that writes it does not validate them otherwise.
fn changed_holders(request: &Request) -> impl Iterator<Item = AccountId> {
    let of_step = |step: &Request| match step {
        Request::Hold(hold) => [Some(hold.account), hold.to],
        Request::Capture(capture) => [capture.held_by.map(|by| by.account), None],
        Request::Release(release) => [release.held_by.map(|by| by.account), None],
        _ => [None, None],
    };
    request.steps().iter().flat_map(of_step).flatten()
}

/// Returns true if an outcome depends on whether the time of a hold is over, which only a decision
/// under locks knows: a rejected change of a hold, and what is available on an account with holds.
fn depends_on_the_clock(
    accounts: &BTreeMap<AccountId, AccountState>,
    claimed: &[IdentifiedRequest<'_>],
    outcomes: &[Outcome],
) -> bool {
    let has_holds = |account| {
        accounts
            .get(&account)
            .is_some_and(|one| !one.held.is_zero())
    };
    claimed.iter().zip(outcomes).any(|(one, outcome)| {
        let is_rejected = matches!(outcome, Outcome::Rejected(_));
        (is_rejected && one.request.changes_holds())
            || (depends_on_accounts(one.request, outcome) && one.request.accounts().any(has_holds))
    })
}

fn columns(mut decision: Decision) -> (Vec<Outcome>, TransferColumns) {
    let outcomes = std::mem::take(&mut decision.outcomes);
    (outcomes, TransferColumns::of(decision))
}

/// Returns the accounts from the cache, and reads the others without locks.
async fn take_or_read(
    autocommit: Autocommit<'_>,
    batch: &Batch<'_>,
    cached: &CachedAccounts<'_>,
) -> Result<OptimisticAccounts, DatabaseError> {
    let mut taken = cached.take();
    let missing: Vec<_> = batch
        .accounts
        .iter()
        .filter(|account| !taken.accounts.contains_key(account))
        .copied()
        .collect();
    if !missing.is_empty() {
        let read = statements::read_optimistic(autocommit, &missing).await?;
        taken.accounts.extend(read);
    }
    Ok(taken)
}

/// Returns the preconditions of a decision; `None` when there is nothing to write, or when they
/// cannot be expressed.
fn preconditions(
    accounts: &BTreeMap<AccountId, AccountState>,
    claimed: &[IdentifiedRequest<'_>],
    decision: &Decision,
) -> Option<Preconditions> {
    let (fence, fence_version) = fence(accounts, decision)?;
    let with_outcomes = || claimed.iter().zip(&decision.outcomes);
    let rejected = || {
        with_outcomes().filter_map(|(one, outcome)| match outcome {
            Outcome::Rejected(rejection) => Some((one.request, rejection)),
            _ => None,
        })
    };
    let read_set: BTreeSet<AccountId> = with_outcomes()
        .filter(|(one, outcome)| depends_on_accounts(one.request, outcome))
        .flat_map(|(one, _)| one.request.accounts())
        .chain(
            with_outcomes()
                .filter(|(_, outcome)| outcome.is_posted())
                .flat_map(|(one, _)| changed_holders(one.request)),
        )
        .collect();
    // An account that does not exist has no version to validate.
    let read_set = read_set
        .iter()
        .map(|account| accounts.get(account))
        .collect::<Option<ReadSetColumns>>()?;
    let mut unused_keys: BTreeSet<&str> = rejected()
        .filter(|(_, rejection)| rejection.needs_unused_key())
        .filter_map(|(request, _)| request.idempotency_key())
        .collect();
    if !unused_keys.is_empty() {
        // The unique index validates a key that this batch writes.
        let written = decision.transfers.iter();
        let written = written.filter_map(|new| new.key.as_ref());
        let written: HashSet<_> = written.map(|(key, _)| key.as_str()).collect();
        unused_keys.retain(|key| !written.contains(key));
    }
    Some(Preconditions {
        fence,
        fence_version,
        read_set,
        unused_keys: unused_keys.into_iter().map(str::to_owned).collect(),
        batch_lock: None,
        predecessor: None,
    })
}

/// Returns a customer's account that the decision changes, with its version before the decision;
/// `None` if the decision changes nothing.
fn fence(
    accounts: &BTreeMap<AccountId, AccountState>,
    decision: &Decision,
) -> Option<(AccountId, i64)> {
    let entries = |one: &Receipt| [one.debit.account_id, one.credit.account_id];
    let transfers = decision.transfers.iter();
    let changed = transfers.flat_map(|new| entries(&new.receipt));
    let events = decision.hold_events.iter();
    let changed = changed.chain(events.map(|event| event.receipt.account_id));
    // One side of every transfer is a customer's account, whose version can be incremented.
    let fence = changed.clone().find_map(|account| {
        let account = accounts.get(&account)?;
        account.overdraft_limit.map(|_| account)
    })?;
    let steps = changed.filter(|account| *account == fence.account_id);
    let steps = i64::try_from(steps.count()).ok()?;
    Some((fence.account_id, fence.version.checked_sub(steps)?))
}

/// Puts the server's times into the receipts of changed holds.
fn settle_holds(outcomes: &mut [Outcome], time: impl Fn(HoldEventId) -> Option<DateTime<Utc>>) {
    for receipt in outcomes.iter_mut().flat_map(Outcome::hold_receipts_mut) {
        receipt.occurred_at = time(receipt.event_id).unwrap_or(receipt.occurred_at);
    }
}

/// Puts the server's time of posting into the receipts and the state.
fn settle(
    outcomes: &mut [Outcome],
    state: &mut LedgerState,
    time: impl Fn(&Receipt) -> DateTime<Utc>,
) {
    for outcome in outcomes {
        // A replayed one is of this batch too: the state began without completed transfers.
        for receipt in outcome.receipts_mut() {
            receipt.posted_at = time(receipt);
            for entry in [&receipt.debit, &receipt.credit] {
                if let Some(account) = state.accounts.get_mut(&entry.account_id) {
                    account.last_entry_at = account.last_entry_at.max(Some(receipt.posted_at));
                }
            }
        }
    }
}

/// Handles an error after which nothing was written: a pessimistic attempt finds the request that
/// caused it. Without a connection there is no other attempt.
async fn fall_back(
    engine: &Engine,
    claims: &impl Claims,
    error: DatabaseError,
) -> Result<Option<Vec<Outcome>>, Failure> {
    match &error {
        // A pessimistic attempt would fail in the same way.
        _ if claims.isolates_rejected() && rejected::concerns_one_request(&error) => {
            Err(error.into())
        }
        DatabaseError::Server(server) => {
            if RetryPolicy::default().retries(server.class()) {
                engine.database.note_retry("ledger", &error).await;
            }
            Ok(None)
        }
        DatabaseError::ConnectionLost { .. } | DatabaseError::Parameter { .. } => Ok(None),
        _ => Err(error.into()),
    }
}

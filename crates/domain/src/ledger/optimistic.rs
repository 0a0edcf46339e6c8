//! The optimistic attempt: a decision on cached accounts, or on accounts read without locks. One
//! statement writes it in one round trip, and the database refuses it when anything has changed.
//!
//! Accepted requests are right, because `banking.post_transfers_optimistic()` posts only entries
//! that continue the accounts as they are under its locks. A decision under locks would have been
//! the same. Rejected requests are right, because the same call validates its read set, which is the
//! accounts of those requests, and then that their keys are unused. Requests that depend on more are
//! decided under locks: adjustments on the version, events of the past on the clock.
//!
//! A decision may also depend on the speculative state of a predecessor in flight.
//! `banking.post_transfers_pipelined()` then waits for the predecessor's end.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::future::join;
use neobank_db::{Autocommit, DatabaseError, RetryPolicy};

use super::account_cache::{Recalled, Visit};
use super::decision::{
    AccountState, Decision, IdentifiedRequest, LedgerState, NewTransfer, decide,
};
use super::engine::Engine;
use super::execution::{Claims, Failure, Group};
use super::in_doubt::{self, InDoubt};
use super::receipt::{Outcome, Receipt};
use super::refused;
use super::request::Request;
use super::statements::{
    self, Posted, PostedTimes, Preconditions, Predecessor, ReadSetColumns, TransferColumns,
};
use crate::{AccountId, TransferId};

/// Returns the outcomes; `None` when nothing was changed and the decision needs locks.
pub(super) async fn attempt(
    engine: &Engine,
    group: &Group<'_>,
    visit: &Visit<'_>,
    claims: &mut impl Claims,
) -> Result<Option<Vec<Outcome>>, Failure> {
    let Some(autocommit) = engine.database.autocommit() else {
        visit.was_undecided();
        return Ok(None);
    };
    if !group.requests.iter().all(|one| needs_no_lock(one.request)) {
        visit.was_undecided();
        return Ok(None);
    }
    let Recalled {
        accounts,
        speculative,
    } = match recall_and_read(autocommit, group, visit).await {
        Ok(recalled) => recalled,
        Err(error) => {
            visit.was_undecided();
            return refused(engine, claims, error).await;
        }
    };
    let mut books = LedgerState {
        accounts,
        known: HashMap::new(),
        // The server takes its own time where this, or an account's last entry, is earlier.
        now: DateTime::UNIX_EPOCH,
    };
    let chosen = group.chosen(claims.claim());
    let Decision {
        mut outcomes,
        transfers,
    } = decide(&mut books, &chosen);
    let Some(mut preconditions) = preconditions(&books.accounts, &chosen, &outcomes, &transfers)
    else {
        visit.was_undecided();
        return Ok(None);
    };
    preconditions.batch_lock = claims.batch_lock();
    preconditions.predecessor = predecessor(claims, speculative);
    let identifiers: Vec<_> = transfers
        .iter()
        .map(|transfer| transfer.receipt.transfer_id)
        .collect();
    let Some(first) = identifiers.first().copied() else {
        visit.was_undecided();
        return Ok(None);
    };
    let columns = TransferColumns::of(transfers);
    let started = Instant::now();
    let written = send(
        autocommit,
        &columns,
        &preconditions,
        first,
        visit,
        &mut books,
        claims,
    )
    .await;
    let (reason, committed) = match written {
        Ok(written) => match written.times {
            Ok(PostedTimes { now, writing }) => {
                claims.took(writing, started.elapsed().saturating_sub(writing));
                visit.was_right();
                settle(&mut outcomes, &mut books, |receipt| {
                    receipt.posted_at.max(now)
                });
                visit.keep(books.accounts);
                if written.replicated {
                    return Ok(Some(outcomes));
                }
                return Err(Failure::NotReplicated(outcomes));
            }
            // It is committed, and the times can be looked up.
            Err(error) => (error.to_string(), true),
        },
        Err(DatabaseError::CommitUnknown { reason }) => (reason, false),
        Err(error) => {
            if refused::is_of_a_request(&error) {
                // What was remembered may have been right.
                visit.was_undecided();
            } else {
                visit.was_wrong(speculative.is_none());
            }
            return refused(engine, claims, error).await;
        }
    };
    let fence = (!committed).then_some(preconditions.fence);
    let in_doubt = in_doubt::resolve(&engine.database, &group.accounts, &identifiers, fence).await;
    match in_doubt {
        InDoubt::Committed { times, replicated } => {
            settle(&mut outcomes, &mut books, |receipt| {
                let posted_at = times.get(&receipt.transfer_id).copied();
                posted_at.unwrap_or(receipt.posted_at)
            });
            if replicated {
                Ok(Some(outcomes))
            } else {
                Err(Failure::NotReplicated(outcomes))
            }
        }
        InDoubt::Aborted => Ok(None),
        InDoubt::Unknown => Err(Failure::Unknown {
            reason,
            outcomes,
            transfers: identifiers,
        }),
    }
}

/// Sends the statement. While its answer is on the way, the next group can be decided on the state
/// that the statement will leave.
async fn send(
    autocommit: Autocommit<'_>,
    columns: &TransferColumns,
    preconditions: &Preconditions,
    first: TransferId,
    visit: &Visit<'_>,
    books: &mut LedgerState,
    claims: &mut impl Claims,
) -> Result<Posted, DatabaseError> {
    let statement = statements::write_optimistic(autocommit, columns, preconditions);
    let Some(batch_lock) = preconditions.batch_lock else {
        return statement.await;
    };
    let speculative_state = async {
        // The connection writes to its socket before a group that follows can do so on another one.
        tokio::task::yield_now().await;
        visit.speculative_state(batch_lock, first, std::mem::take(&mut books.accounts));
        claims.sent();
    };
    // `join` polls the first future first, and a future's first poll sends.
    let (written, ()) = join(statement, speculative_state).await;
    books.accounts = visit.take_back();
    written
}

/// Returns the predecessor, if the decision depends on the state that it leaves.
fn predecessor(claims: &impl Claims, speculative: Option<TransferId>) -> Option<Predecessor> {
    let (batch_lock, transfer) = claims.after().zip(speculative)?;
    Some(Predecessor {
        batch_lock,
        transfer,
    })
}

/// Returns true when a request depends on nothing but what the preconditions can express.
fn needs_no_lock(request: &Request) -> bool {
    match request {
        Request::Transfer(_) => true,
        Request::Posting(posting) => posting.event_time.is_none(),
        Request::Adjustment(_) => false,
    }
}

async fn recall_and_read(
    autocommit: Autocommit<'_>,
    group: &Group<'_>,
    visit: &Visit<'_>,
) -> Result<Recalled, DatabaseError> {
    let mut recalled = visit.recall();
    let missing: Vec<_> = group
        .accounts
        .iter()
        .filter(|account| !recalled.accounts.contains_key(account))
        .copied()
        .collect();
    if !missing.is_empty() {
        let read = statements::read_optimistic(autocommit, &missing).await?;
        recalled.accounts.extend(read);
    }
    Ok(recalled)
}

/// Returns the preconditions of a decision; `None` when there is nothing to write, or when they
/// cannot be expressed.
fn preconditions(
    accounts: &BTreeMap<AccountId, AccountState>,
    chosen: &[IdentifiedRequest<'_>],
    outcomes: &[Outcome],
    transfers: &[NewTransfer],
) -> Option<Preconditions> {
    let first = &transfers.first()?.receipt;
    // One side of every transfer is a customer's, whose version can be moved.
    let (fence, fence_version) = [&first.debit, &first.credit]
        .into_iter()
        .find_map(|entry| {
            let account = accounts.get(&entry.account_id)?;
            account.overdraft_limit?;
            // The versions of today, less one for each entry since the first.
            let entries = account
                .last_entry_number
                .checked_sub(entry.entry_number)?
                .checked_add(1)?;
            Some((account.account_id, account.version.checked_sub(entries)?))
        })?;
    let refused = || {
        let with_outcomes = chosen.iter().zip(outcomes);
        with_outcomes.filter_map(|(one, outcome)| match outcome {
            Outcome::Rejected(rejection) => Some((one.request, rejection)),
            _ => None,
        })
    };
    let read_set: BTreeSet<AccountId> = refused()
        .filter(|(_, rejection)| rejection.depends_on_accounts())
        .flat_map(|(request, _)| request.accounts())
        .collect();
    // One that does not exist cannot be asked for.
    let read_set = read_set
        .iter()
        .map(|account| accounts.get(account))
        .collect::<Option<ReadSetColumns>>()?;
    let mut unused_keys: BTreeSet<&str> = refused()
        .filter(|(_, rejection)| rejection.needs_unused_key())
        .filter_map(|(request, _)| request.idempotency_key())
        .collect();
    if !unused_keys.is_empty() {
        // Writing it tells as much, and then it is used.
        let written = transfers.iter().filter_map(|new| new.key.as_ref());
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

/// Puts the time into the receipts and the books at which the server posted the transfers.
fn settle(
    outcomes: &mut [Outcome],
    books: &mut LedgerState,
    time: impl Fn(&Receipt) -> DateTime<Utc>,
) {
    for outcome in outcomes {
        // A replayed one is of this group too: none was known before.
        if let Outcome::Posted(receipt) | Outcome::Replayed(receipt) = outcome {
            receipt.posted_at = time(receipt);
            for entry in [&receipt.debit, &receipt.credit] {
                if let Some(account) = books.accounts.get_mut(&entry.account_id) {
                    account.last_entry_at = account.last_entry_at.max(Some(receipt.posted_at));
                }
            }
        }
    }
}

/// Handles an error after which nothing was written: another attempt, under locks, finds the request
/// that caused it. Without a connection there is no other attempt.
async fn refused(
    engine: &Engine,
    claims: &impl Claims,
    error: DatabaseError,
) -> Result<Option<Vec<Outcome>>, Failure> {
    match &error {
        // Under locks it would be the same.
        _ if claims.looks_for_the_refused() && refused::is_of_a_request(&error) => {
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

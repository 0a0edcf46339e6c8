//! The execution of a batch with requests that the database rejects: one transaction isolates them
//! and posts the others.
//!
//! The database isolates them in one statement (`banking.post_unless_rejected()`), which costs as
//! many round trips for two requests as for a thousand. Requests that share an account with a
//! rejected one are decided again without it.

use std::collections::{BTreeMap, HashMap, HashSet};

use neobank_db::{DatabaseError, ErrorClass, Transaction};

use super::decision::{Decision, IdentifiedRequest, LedgerState, Written, decide, transfer_ids};
use super::engine::Engine;
use super::execution::{
    Batch, Claims, Failure, Pipelining, committed, end_without_transfers, lost, resolve, selected,
};
use super::receipt::Outcome;
use super::statements::{Statements, TransferColumns};
use crate::{AccountId, TransferId};

/// The most decisions in one transaction, which holds the locks of all requests.
const ROUNDS_MAX: usize = 16;

/// The results of a batch, by the indexes of its requests among the claimed ones.
pub(super) struct Isolated {
    /// The requests with an outcome.
    pub(super) indexes: Vec<usize>,
    /// Their outcomes in the same order, or the reason why these are not confirmed.
    pub(super) ended: Result<Vec<Outcome>, Failure>,
    /// The requests that the database rejects, with its errors. All others are still undecided.
    pub(super) rejected: BTreeMap<usize, DatabaseError>,
}

/// Returns true for an error by which the database rejects one request, whatever state the request
/// was decided on.
pub(super) fn concerns_one_request(error: &DatabaseError) -> bool {
    match error.class() {
        ErrorClass::ForeignKeyViolation
        | ErrorClass::CheckViolation
        | ErrorClass::NotNullViolation
        | ErrorClass::ExclusionViolation
        | ErrorClass::InvalidData => true,
        // A trigger that the bank has added raises this one.
        ErrorClass::Other => error.sqlstate() == Some("P0001"),
        _ => false,
    }
}

/// Executes a batch under locks, without the requests that the database rejects.
pub(super) async fn run(
    engine: &Engine,
    batch: &Batch<'_>,
    claims: &mut (impl Claims + Pipelining),
) -> Result<Isolated, Failure> {
    let cached = engine.account_cache.begin(&batch.accounts, None);
    let cached = cached.with_holds(&batch.holds);
    claims.predecessor_ended().await;
    // This batch makes the cached accounts stale.
    drop(cached.take());
    let transaction = engine.begin(claims.lock_timeout()).await?;
    let session = Statements::prepare(&transaction).await?;
    let state = session
        .lock_and_read(&transaction, batch, engine.rules)
        .await?;
    let claimed = batch.claimed(claims.claim());
    let mut progress = Progress::of(claimed.len());
    for _ in 0..ROUNDS_MAX {
        if progress.open.is_empty() {
            break;
        }
        progress
            .round(&transaction, state.clone(), &claimed)
            .await?;
    }
    let written = progress.written();
    let rejected = progress.rejected;
    let (indexes, outcomes): (Vec<_>, Vec<_>) = progress.ended.into_iter().unzip();
    let ended = if written == Written::default() {
        let replicated = end_without_transfers(engine, batch, transaction, &outcomes).await?;
        committed(outcomes, replicated)
    } else {
        match transaction.commit().await {
            Ok(()) => Ok(outcomes),
            Err(DatabaseError::CommittedNotReplicated) => Err(Failure::NotReplicated(outcomes)),
            Err(DatabaseError::CommitUnknown { reason }) => {
                let resolved = resolve(engine, batch, &reason, outcomes, written).await;
                resolved.and_then(|outcomes| outcomes.ok_or_else(|| lost(1, &reason).into()))
            }
            Err(error) => return Err(error.into()),
        }
    };
    if let Err(Failure::Database(error)) = ended {
        return Err(error.into());
    }
    Ok(Isolated {
        indexes,
        ended,
        rejected,
    })
}

/// The progress of a batch, by the indexes of its claimed requests.
struct Progress {
    open: Vec<usize>,
    posted: BTreeMap<usize, Written>,
    ended: BTreeMap<usize, Outcome>,
    rejected: BTreeMap<usize, DatabaseError>,
}

impl Progress {
    fn of(requests: usize) -> Self {
        Self {
            open: (0..requests).collect(),
            posted: BTreeMap::new(),
            ended: BTreeMap::new(),
            rejected: BTreeMap::new(),
        }
    }

    /// Decides on the open requests, after the posted ones, and posts them.
    async fn round(
        &mut self,
        transaction: &Transaction,
        mut state: LedgerState,
        claimed: &[IdentifiedRequest<'_>],
    ) -> Result<(), DatabaseError> {
        let before = selected(claimed, self.posted.keys().copied());
        if !before.is_empty() {
            drop(decide(&mut state, &before));
        }
        let open = std::mem::take(&mut self.open);
        let mut decided = state.clone();
        let decision = decide(&mut decided, &selected(claimed, open.iter().copied()));
        if !decision.hold_events.is_empty() {
            return self.one_by_one(transaction, state, claimed, open).await;
        }
        let Decision {
            outcomes,
            transfers,
            ..
        } = decision;
        let identifiers = transfer_ids(&transfers);
        let unposted = if transfers.is_empty() {
            BTreeMap::new()
        } else {
            let columns = TransferColumns::of(Decision {
                transfers,
                ..Decision::default()
            });
            Statements::post_unless_rejected(transaction, &columns).await?
        };
        let mut unposted: HashMap<TransferId, Option<DatabaseError>> = unposted
            .into_iter()
            .filter_map(|(index, error)| Some((*identifiers.get(index)?, error)))
            .collect();
        let mut unsettled = Unsettled::default();
        for (index, outcome) in open.into_iter().zip(outcomes) {
            let Some(identified) = claimed.get(index) else {
                continue;
            };
            let moved: Vec<_> = outcome
                .receipts()
                .filter(|_| outcome.is_posted())
                .map(|receipt| receipt.transfer_id)
                .collect();
            // The database posts a group as a whole, and its error is that of the first transfer.
            let first = moved.first().and_then(|transfer| unposted.remove(transfer));
            match first {
                Some(error) => {
                    unsettled.add(identified);
                    self.not_posted(index, error);
                }
                None if moved.is_empty() && unsettled.concerns(identified) => self.open.push(index),
                None => {
                    if !moved.is_empty() {
                        let written = Written {
                            transfers: moved,
                            ..Written::default()
                        };
                        self.posted.insert(index, written);
                    }
                    self.ended.insert(index, outcome);
                }
            }
        }
        Ok(())
    }

    /// Notes a request that the database rejects, or one that depends on such a request and stays
    /// open.
    fn not_posted(&mut self, index: usize, error: Option<DatabaseError>) {
        match error {
            Some(error) => drop(self.rejected.insert(index, error)),
            None => self.open.push(index),
        }
    }

    /// Returns everything that was written.
    fn written(&self) -> Written {
        let mut all = Written::default();
        for one in self.posted.values() {
            all.transfers.extend(&one.transfers);
            all.hold_events.extend(&one.hold_events);
        }
        all
    }

    /// As [`Self::round`], with a call for each request: the database has no order between the
    /// transfers and the changes of holds of several requests, some of which it rejects.
    async fn one_by_one(
        &mut self,
        transaction: &Transaction,
        mut state: LedgerState,
        claimed: &[IdentifiedRequest<'_>],
        open: Vec<usize>,
    ) -> Result<(), DatabaseError> {
        let mut unsettled = Unsettled::default();
        for index in open {
            let Some(identified) = claimed.get(index) else {
                continue;
            };
            if unsettled.concerns(identified) {
                unsettled.add(identified);
                self.open.push(index);
                continue;
            }
            let mut decision = decide(&mut state, std::slice::from_ref(identified));
            let outcome = decision.outcomes.pop();
            let written = decision.written();
            if !decision.is_empty() {
                let columns = TransferColumns::of(decision);
                let mut unposted = Statements::post_unless_rejected(transaction, &columns).await?;
                if let Some((_, error)) = unposted.pop_first() {
                    unsettled.add(identified);
                    self.not_posted(index, error);
                    continue;
                }
                self.posted.insert(index, written);
            }
            if let Some(outcome) = outcome {
                self.ended.insert(index, outcome);
            }
        }
        Ok(())
    }
}

/// The accounts and keys of requests that were not posted: decisions that depend on them are void.
#[derive(Default)]
struct Unsettled<'a> {
    accounts: HashSet<AccountId>,
    keys: HashSet<&'a str>,
}

impl<'a> Unsettled<'a> {
    fn add(&mut self, identified: &IdentifiedRequest<'a>) {
        self.accounts.extend(identified.request.accounts());
        self.keys.extend(identified.request.idempotency_key());
    }

    fn concerns(&self, identified: &IdentifiedRequest<'_>) -> bool {
        let mut accounts = identified.request.accounts();
        let key = identified.request.idempotency_key();
        accounts.any(|account| self.accounts.contains(&account))
            || key.is_some_and(|key| self.keys.contains(key))
    }
}

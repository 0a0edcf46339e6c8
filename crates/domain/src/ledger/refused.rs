//! A group with requests that the database refuses: these are named, and the others are carried out, in one transaction.
//!
//! The database looks for them, in one statement (`banking.post_unless_refused()`). So finding one costs the same number of
//! round trips among two requests and among a thousand. Requests that share an account with a refused one are decided
//! again without it.

use std::collections::{BTreeMap, HashMap, HashSet};

use neobank_db::{DatabaseError, ErrorClass, Transaction};

use super::decision::{Decision, IdentifiedRequest, LedgerState, decide};
use super::engine::Engine;
use super::execution::{Claims, Failure, Group, Replicated, end_without_transfers, lost};
use super::in_doubt::{self, InDoubt};
use super::receipt::Outcome;
use super::statements::{Statements, TransferColumns};
use crate::{AccountId, TransferId};

/// How often requests are decided again in one transaction, which holds the locks of all of them.
const ROUNDS_MAX: usize = 16;

/// What became of a group's requests, by their places among those that were claimed.
pub(super) struct Partly {
    /// Those that were decided on, and whose outcomes these are.
    pub(super) places: Vec<usize>,
    /// Their outcomes; or why these are not known for certain.
    pub(super) ended: Result<Vec<Outcome>, Failure>,
    /// Those that the database refuses, and why. All others are still to be decided on.
    pub(super) refused: BTreeMap<usize, DatabaseError>,
}

/// Whether an error tells that the database refuses a request as it is, whatever it was decided on.
pub(super) fn is_of_a_request(error: &DatabaseError) -> bool {
    match error.class() {
        ErrorClass::ForeignKeyViolation
        | ErrorClass::CheckViolation
        | ErrorClass::NotNullViolation
        | ErrorClass::ExclusionViolation
        | ErrorClass::InvalidData => true,
        // Raised by a trigger of the bank's own.
        ErrorClass::Other => error
            .server()
            .is_some_and(|server| server.sqlstate == "P0001"),
        _ => false,
    }
}

/// Carries a group out under locks, but for the requests that the database refuses.
pub(super) async fn run(
    engine: &Engine,
    group: &Group<'_>,
    claims: &mut impl Claims,
) -> Result<Partly, Failure> {
    let visit = engine.account_cache.visit(&group.accounts, None);
    claims.predecessor().await;
    // What is remembered is no longer so afterwards.
    drop(visit.recall());
    let transaction = engine.begin(claims.lock_timeout()).await?;
    let session = Statements::prepare(&transaction).await?;
    let books = session
        .lock_and_read(&transaction, &group.accounts, &group.keys)
        .await?;
    let chosen = group.chosen(claims.claim());
    let mut progress = Progress::of(chosen.len());
    for _ in 0..ROUNDS_MAX {
        if progress.open.is_empty() {
            break;
        }
        progress.round(&transaction, books.clone(), &chosen).await?;
    }
    let transfers: Vec<_> = progress.posted.values().copied().collect();
    let refused = progress.refused;
    let (places, outcomes): (Vec<_>, Vec<_>) = progress.ended.into_iter().unzip();
    let ended = if transfers.is_empty() {
        match end_without_transfers(transaction, &outcomes).await? {
            Replicated::Yes => Ok(outcomes),
            Replicated::No => Err(Failure::NotReplicated(outcomes)),
        }
    } else {
        match transaction.commit().await {
            Ok(()) => Ok(outcomes),
            Err(DatabaseError::CommittedNotReplicated) => Err(Failure::NotReplicated(outcomes)),
            Err(DatabaseError::CommitUnknown { reason }) => {
                resolve(engine, group, reason, outcomes, transfers).await
            }
            Err(error) => return Err(error.into()),
        }
    };
    if let Err(Failure::Database(error)) = ended {
        return Err(error.into());
    }
    Ok(Partly {
        places,
        ended,
        refused,
    })
}

/// How far a group is, by the places of its requests.
struct Progress {
    open: Vec<usize>,
    posted: BTreeMap<usize, TransferId>,
    ended: BTreeMap<usize, Outcome>,
    refused: BTreeMap<usize, DatabaseError>,
}

impl Progress {
    fn of(requests: usize) -> Self {
        Self {
            open: (0..requests).collect(),
            posted: BTreeMap::new(),
            ended: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Decides on what is open, on top of what was posted, and posts it.
    async fn round(
        &mut self,
        transaction: &Transaction,
        mut books: LedgerState,
        chosen: &[IdentifiedRequest<'_>],
    ) -> Result<(), DatabaseError> {
        let requests = |places: &mut dyn Iterator<Item = usize>| -> Vec<IdentifiedRequest<'_>> {
            places
                .filter_map(|place| chosen.get(place).cloned())
                .collect()
        };
        let before = requests(&mut self.posted.keys().copied());
        if !before.is_empty() {
            drop(decide(&mut books, &before));
        }
        let open = std::mem::take(&mut self.open);
        let Decision {
            outcomes,
            transfers,
        } = decide(&mut books, &requests(&mut open.iter().copied()));
        let identifiers: Vec<_> = transfers
            .iter()
            .map(|transfer| transfer.receipt.transfer_id)
            .collect();
        let unposted = if transfers.is_empty() {
            BTreeMap::new()
        } else {
            let columns = TransferColumns::of(transfers);
            Statements::post_unless_refused(transaction, &columns).await?
        };
        let mut unposted: HashMap<TransferId, Option<DatabaseError>> = unposted
            .into_iter()
            .filter_map(|(place, error)| Some((*identifiers.get(place)?, error)))
            .collect();
        let mut unsettled = Unsettled::default();
        for (place, outcome) in open.into_iter().zip(outcomes) {
            let Some(identified) = chosen.get(place) else {
                continue;
            };
            let moved = match &outcome {
                Outcome::Posted(receipt) => Some(receipt.transfer_id),
                Outcome::Replayed(_) | Outcome::Rejected(_) => None,
            };
            match moved.and_then(|transfer| unposted.remove(&transfer)) {
                Some(error) => {
                    unsettled.add(identified);
                    match error {
                        Some(error) => drop(self.refused.insert(place, error)),
                        None => self.open.push(place),
                    }
                }
                None if moved.is_none() && unsettled.concerns(identified) => self.open.push(place),
                None => {
                    self.posted.extend(moved.map(|transfer| (place, transfer)));
                    self.ended.insert(place, outcome);
                }
            }
        }
        Ok(())
    }
}

/// Accounts and keys of requests that were not posted: what was decided on them is not so.
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
        let mut accounts = identified.request.accounts().into_iter();
        let key = identified.request.idempotency_key();
        accounts.any(|account| self.accounts.contains(&account))
            || key.is_some_and(|key| self.keys.contains(key))
    }
}

/// What became of a commit without an answer.
async fn resolve(
    engine: &Engine,
    group: &Group<'_>,
    reason: String,
    outcomes: Vec<Outcome>,
    transfers: Vec<TransferId>,
) -> Result<Vec<Outcome>, Failure> {
    match in_doubt::resolve(&engine.database, &group.accounts, &transfers, None).await {
        InDoubt::Committed {
            replicated: true, ..
        } => Ok(outcomes),
        InDoubt::Committed {
            replicated: false, ..
        } => Err(Failure::NotReplicated(outcomes)),
        InDoubt::Aborted => Err(lost(1, &reason).into()),
        InDoubt::Unknown => Err(Failure::Unknown {
            reason,
            outcomes,
            transfers,
        }),
    }
}

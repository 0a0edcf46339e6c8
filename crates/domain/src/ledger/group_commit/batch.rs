//! Carries a group out, and finds those in it that make the others fail.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use neobank_db::{DatabaseError, ErrorClass};

use super::super::engine::Engine;
use super::super::error::LedgerError;
use super::super::execution::{self, Claims, Failure, Group, is_key_race};
use super::super::receipt::Outcome;
use super::super::refused;
use super::super::request::Request;
use super::super::statements::Statements;
use super::queue::{Predecessor, Queue};
use super::submission::{Answer, Place};
use crate::{AccountId, TransferId};

/// Gives each request of a group its answer.
///
/// When the database refuses what the group does, it is asked which request it refuses; where that cannot be told, halves of the
/// group are tried in turn. The search ends after the time that one statement and one wait for a lock may take; those who
/// are left get the error. Requests that somebody else's lock keeps from being carried out are set apart.
pub(super) async fn carry_out(queue: &Arc<Queue>, group: Vec<Place>, mut follows: Pipeline) {
    let database = &queue.engine.database;
    let config = database.config();
    let search_limit = config.statement_timeout.saturating_add(config.lock_timeout);
    let started = Instant::now();
    let mut parts = vec![Part::new(group)];
    while let Some(part) = parts.pop() {
        let tried = if part.has_refused {
            carry_out_unless_refused(queue, part.places, &mut follows).await
        } else {
            let tried = try_part(queue, part.places, &mut follows).await;
            tried.map(|()| Vec::new())
        };
        let (places, error) = match tried {
            Ok(left) => {
                parts.extend(left);
                continue;
            }
            Err(failed) => failed,
        };
        // What comes first is no longer all that the group does to its accounts.
        follows.is_whole = false;
        follows.patience = follows.patience.min(SEARCH_PATIENCE);
        if places.len() == 1 && error.class() == ErrorClass::LockTimeout {
            set_apart(queue, places, &error).await;
            continue;
        }
        if places.len() <= 1 || !may_be_one_request(&error) || started.elapsed() > search_limit {
            refuse(places, &error);
            continue;
        }
        queue.counts.split();
        if !part.has_refused && error.class() != ErrorClass::LockTimeout {
            parts.push(Part::refused(places));
            continue;
        }
        let (first, second) = split(queue, places, &error).await;
        // The last is taken first.
        parts.push(Part::new(second));
        parts.push(Part::new(first));
    }
}

/// Requests of a group that are carried out together.
struct Part {
    places: Vec<Place>,
    /// The database has refused them, so that it is asked which it refuses.
    has_refused: bool,
}

impl Part {
    const fn new(places: Vec<Place>) -> Self {
        Self {
            places,
            has_refused: false,
        }
    }

    const fn refused(places: Vec<Place>) -> Self {
        Self {
            places,
            has_refused: true,
        }
    }
}

/// One transaction, without the requests that the database refuses. Returns the parts that are left, the last of which comes
/// first. When nothing was changed, the requests come back without an answer.
async fn carry_out_unless_refused(
    queue: &Arc<Queue>,
    part: Vec<Place>,
    follows: &mut Pipeline,
) -> Result<Vec<Part>, (Vec<Place>, DatabaseError)> {
    if part.is_empty() {
        return Ok(Vec::new());
    }
    let (partly, chosen) = {
        let (group, mut claimed) = claim(queue, &part, follows);
        let partly = refused::run(&queue.engine, &group, &mut claimed).await;
        (partly, claimed.chosen)
    };
    let partly = match partly {
        Ok(partly) => partly,
        Err(failure) => match answers(Err(failure)) {
            Err(error) => return Err((part, error)),
            Ok(_) => return Ok(Vec::new()),
        },
    };
    let answers = match answers(partly.ended) {
        Ok(answers) => answers,
        Err(error) => return Err((part, error)),
    };
    let mut places: Vec<Option<Place>> = part.into_iter().map(Some).collect();
    let mut answers: HashMap<usize, Answer> = partly.places.into_iter().zip(answers).collect();
    let mut refused = partly.refused;
    let (mut alone, mut left) = (Vec::new(), Vec::new());
    for (order, number) in chosen.into_iter().enumerate() {
        let Some(place) = places.get_mut(number).and_then(Option::take) else {
            continue;
        };
        match (answers.remove(&order), refused.remove(&order)) {
            (Some(answer), _) => place.answer(answer),
            // Not for what it is, perhaps: tried by itself it has as many attempts as it needs.
            (None, Some(error))
                if is_key_race(&error) || error.class() == ErrorClass::JournalRejected =>
            {
                alone.push(Part::new(vec![place]));
            }
            (None, Some(error)) => place.answer(Err(error.into())),
            (None, None) => left.push(place),
        }
    }
    let mut parts = vec![Part::refused(left)];
    parts.extend(alone.into_iter().rev());
    Ok(parts)
}

/// Requests that need what somebody else holds wait for it by themselves. Returns the others.
async fn set_apart(queue: &Arc<Queue>, part: Vec<Place>, error: &DatabaseError) -> Vec<Place> {
    let Ok(locked) = locked_accounts(&queue.engine, &part).await else {
        refuse(part, error);
        return Vec::new();
    };
    let is_alone = part.len() == 1;
    let (mut apart, mut free) = (Vec::new(), Vec::new());
    for place in part {
        let mut accounts = place.request().accounts().into_iter();
        match accounts.find(|account| locked.contains(account)) {
            Some(account) => apart.push((place, account)),
            // No account keeps it, so it is the key, or was only a moment.
            None if is_alone => queue.set_apart_by_key(place, error),
            None => free.push(place),
        }
    }
    queue.set_apart_by_account(apart, error);
    free
}

/// One transaction. When it failed and nothing was changed, the requests come back without an answer.
pub(super) async fn try_part(
    queue: &Arc<Queue>,
    part: Vec<Place>,
    follows: &mut Pipeline,
) -> Result<(), (Vec<Place>, DatabaseError)> {
    if part.is_empty() {
        return Ok(());
    }
    let (outcome, chosen) = {
        let (group, mut claimed) = claim(queue, &part, follows);
        let outcome = execution::run(&queue.engine, &group, &mut claimed).await;
        (outcome, claimed.chosen)
    };
    let answers = match answers(outcome) {
        Ok(answers) => answers,
        Err(error) => return Err((part, error)),
    };
    let mut places: Vec<Option<Place>> = part.into_iter().map(Some).collect();
    for (number, answer) in chosen.into_iter().zip(answers) {
        if let Some(place) = places.get_mut(number).and_then(Option::take) {
            place.answer(answer);
        }
    }
    Ok(())
}

/// What the callers get; or an error when nothing was changed.
fn answers(outcome: Result<Vec<Outcome>, Failure>) -> Result<Vec<Answer>, DatabaseError> {
    match outcome {
        Ok(outcomes) => Ok(outcomes.into_iter().map(Ok).collect()),
        Err(Failure::NotReplicated(outcomes)) => Ok(not_replicated(outcomes)),
        Err(Failure::Unknown {
            reason,
            outcomes,
            transfers,
        }) => Ok(unknown(&reason, outcomes, transfers)),
        Err(Failure::Database(error)) => Err(error),
    }
}

/// Returns a part's requests as a group, and the claim on those that their callers still wait for.
fn claim<'a>(
    queue: &'a Arc<Queue>,
    part: &'a [Place],
    follows: &'a mut Pipeline,
) -> (Group<'a>, Claimed<'a>) {
    let group = Group::of(part.iter().map(Place::identified).collect());
    let claimed = Claimed {
        queue,
        places: part,
        chosen: Vec::new(),
        follows,
    };
    (group, claimed)
}

/// Those of a part that nobody has taken back.
struct Claimed<'a> {
    queue: &'a Arc<Queue>,
    places: &'a [Place],
    chosen: Vec<usize>,
    follows: &'a mut Pipeline,
}

/// How a group is related to others that are under way.
pub(super) struct Pipeline {
    group: u64,
    predecessor: Option<Predecessor>,
    /// Whether the group is carried out as one.
    is_whole: bool,
    /// How long it waits for a lock.
    patience: Duration,
}

/// How long parts of a group wait for a lock, once the whole has waited: the search takes several such waits.
const SEARCH_PATIENCE: Duration = Duration::from_millis(20);

impl Pipeline {
    pub(super) const fn new(
        group: u64,
        predecessor: Option<Predecessor>,
        patience: Duration,
    ) -> Self {
        Self {
            group,
            predecessor,
            is_whole: true,
            patience,
        }
    }

    /// A request that is carried out beside the workers.
    pub(super) const fn without_predecessor(group: u64, patience: Duration) -> Self {
        Self {
            group,
            predecessor: None,
            is_whole: false,
            patience,
        }
    }
}

impl Claims for Claimed<'_> {
    fn claim(&mut self) -> Vec<usize> {
        let now = Instant::now();
        let claimed = self.places.iter().enumerate();
        let claimed = claimed.filter(|(_, place)| place.claim(now));
        self.chosen = claimed.map(|(number, _)| number).collect();
        self.chosen.clone()
    }

    fn give_back(&mut self) {
        for number in self.chosen.drain(..) {
            if let Some(place) = self.places.get(number) {
                place.give_back(&self.queue.counts);
            }
        }
        self.queue.unsent(self.follows.group);
    }

    fn batch_lock(&self) -> Option<i64> {
        Some(self.queue.batch_lock(self.follows.group))
    }

    fn after(&self) -> Option<i64> {
        let predecessor = self.follows.predecessor.as_ref()?;
        Some(self.queue.batch_lock(predecessor.group))
    }

    fn sent(&mut self) {
        if self.follows.is_whole {
            self.queue.sent(self.follows.group);
        }
    }

    fn took(&mut self, writing: Duration, rest: Duration) {
        let size = self.chosen.len();
        let follows = self.follows.predecessor.is_some();
        self.queue.took(size, follows, writing, rest);
    }

    fn lock_timeout(&self) -> Option<Duration> {
        let longest = self.queue.engine.database.config().lock_timeout;
        // The session has that one already.
        Some(self.follows.patience).filter(|patience| *patience < longest)
    }

    fn looks_for_the_refused(&self) -> bool {
        self.places.len() > 1
    }

    async fn predecessor(&mut self) {
        if let Some(predecessor) = self.follows.predecessor.take() {
            // It is dropped, not sent to.
            let _ = predecessor.ended.await;
        }
    }
}

/// Two parts of a group that failed, in the order of arrival; empty ones are possible.
async fn split(
    queue: &Arc<Queue>,
    mut part: Vec<Place>,
    error: &DatabaseError,
) -> (Vec<Place>, Vec<Place>) {
    if error.class() == ErrorClass::LockTimeout {
        let before = part.len();
        part = set_apart(queue, part, error).await;
        if part.len() < before {
            return (part, Vec::new());
        }
    }
    let second = part.split_off(part.len() / 2);
    (part, second)
}

/// The accounts of these requests that somebody else has locked now.
async fn locked_accounts(
    engine: &Engine,
    part: &[Place],
) -> Result<HashSet<AccountId>, DatabaseError> {
    let accounts: HashSet<_> = part
        .iter()
        .map(Place::request)
        .flat_map(Request::accounts)
        .collect();
    let transaction = engine.begin(None).await?;
    let listed: Vec<_> = accounts.into_iter().collect();
    let locked = Statements::locked_by_others(&transaction, &listed).await?;
    transaction.rollback().await?;
    Ok(locked)
}

/// Whether it can be that the others would succeed without one of them.
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

fn refuse(part: Vec<Place>, error: &DatabaseError) {
    for place in part {
        place.answer(Err(error.clone().into()));
    }
}

/// Every receipt depends on the standby, that of an earlier transfer too: its own wait may have been cut short.
fn not_replicated(outcomes: Vec<Outcome>) -> Vec<Answer> {
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Rejected(_) => Ok(outcome),
            Outcome::Posted(_) | Outcome::Replayed(_) => Err(LedgerError::NotReplicated {
                outcomes: vec![outcome],
            }),
        })
        .collect()
}

/// A rejection is true either way. The receipt of an earlier transfer is, but whether the standby has it is not known.
fn unknown(reason: &str, outcomes: Vec<Outcome>, transfers: Vec<TransferId>) -> Vec<Answer> {
    let transfers: HashSet<_> = transfers.into_iter().collect();
    outcomes
        .into_iter()
        .map(|outcome| match moved_by(&outcome, &transfers) {
            Some(transfer) => Err(LedgerError::Unknown {
                reason: reason.to_owned(),
                transfers: vec![transfer],
            }),
            None if outcome.is_replayed() => Err(LedgerError::NotReplicated {
                outcomes: vec![outcome],
            }),
            None => Ok(outcome),
        })
        .collect()
}

/// The transfer behind an outcome, if it is one of these.
fn moved_by(outcome: &Outcome, transfers: &HashSet<TransferId>) -> Option<TransferId> {
    match outcome {
        Outcome::Posted(receipt) | Outcome::Replayed(receipt) => {
            transfers.get(&receipt.transfer_id).copied()
        }
        Outcome::Rejected(_) => None,
    }
}

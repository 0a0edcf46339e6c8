//! A submission: a request between its caller, which may withdraw it, and the batch that executes
//! it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use neobank_db::DatabaseError;
use tokio::sync::oneshot;

use super::super::actor::Actor;
use super::super::decision::{IdentifiedRequest, Identifiers};
use super::super::error::LedgerError;
use super::super::receipt::Outcome;
use super::super::request::Request;
use super::metrics::Counts;
use crate::AccountId;

/// The answer to a caller.
pub(super) type Answer = Result<Outcome, LedgerError>;

/// No batch has claimed the request.
const WAITING: u8 = 0;
/// A batch decides on the request or has decided: the caller can no longer withdraw it.
const CLAIMED: u8 = 1;
/// The caller has withdrawn the request.
const WITHDRAWN: u8 = 2;
/// The deadline had passed when a batch would have claimed the request.
const LATE: u8 = 3;
/// As [`CLAIMED`], and the caller has dropped its future: the request is withdrawn if the batch
/// releases its claim.
const ABANDONED: u8 = 4;

/// The pause between two attempts of a late caller to withdraw a claimed request.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The time after the deadline for which a caller waits for the commit of a request that was
/// decided on in time.
pub(super) const DEADLINE_GRACE: Duration = Duration::from_secs(1);

/// The state that a caller and a batch share.
struct Shared {
    request: Request,
    request_hash: Option<[u8; 32]>,
    identifiers: Identifiers,
    actor: Option<Actor>,
    /// The request's accounts, each once.
    accounts: Box<[AccountId]>,
    deadline: Option<Instant>,
    state: AtomicU8,
}

/// A request in the queue or in a batch. If it is dropped without an answer, the caller concludes
/// its outcome from the shared state.
pub(super) struct Submission {
    shared: Arc<Shared>,
    answer: oneshot::Sender<Answer>,
    /// The time since which the request has been set aside.
    aside_since: Option<Instant>,
}

/// The caller's end. Dropping it withdraws the request where that is still possible.
pub(super) struct Waiter<'a> {
    shared: Arc<Shared>,
    answer: oneshot::Receiver<Answer>,
    counts: &'a Counts,
}

impl Submission {
    /// Returns both ends of a submission. Its identifiers are the same in every attempt.
    pub(super) fn new(
        request: Request,
        actor: Option<Actor>,
        deadline: Option<Instant>,
        counts: &Counts,
    ) -> (Self, Waiter<'_>) {
        let shared = Arc::new(Shared {
            request_hash: request.idempotency_key().map(|_| request.hash()),
            identifiers: Identifiers::of(&request),
            accounts: accounts_of(&request),
            request,
            actor,
            deadline,
            state: AtomicU8::new(WAITING),
        });
        let (sender, receiver) = oneshot::channel();
        let submission = Self {
            shared: Arc::clone(&shared),
            answer: sender,
            aside_since: None,
        };
        let waiter = Waiter {
            shared,
            answer: receiver,
            counts,
        };
        (submission, waiter)
    }
}

impl Shared {
    fn moves(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl Submission {
    /// Claims the request for an attempt that is about to decide. Returns false if the request
    /// takes no part: it was withdrawn or is late.
    ///
    /// A later attempt, which follows only one that changed nothing, claims it again.
    pub(super) fn claim(&self, now: Instant) -> bool {
        let shared = &self.shared;
        if shared.is_late(now) {
            let _ = shared.moves(WAITING, LATE) || shared.moves(CLAIMED, LATE);
            return false;
        }
        shared.moves(WAITING, CLAIMED)
            || matches!(shared.state.load(Ordering::Acquire), CLAIMED | ABANDONED)
    }

    /// Releases the claim of a batch that has changed nothing. Until the next claim, the caller can
    /// withdraw the request.
    pub(super) fn give_back(&self, counts: &Counts) {
        if !self.shared.moves(CLAIMED, WAITING) && self.shared.moves(ABANDONED, WITHDRAWN) {
            counts.withdrawn();
        }
    }

    /// Notes the time at which the request is set aside. Only the first time counts.
    pub(super) fn set_aside_since(&mut self, now: Instant) {
        self.aside_since.get_or_insert(now);
    }

    /// Returns the time since the request was first set aside.
    pub(super) fn waited_aside(&self) -> Duration {
        self.aside_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Returns true when no caller waits for the request any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.shared.state.load(Ordering::Acquire), WITHDRAWN | LATE)
    }

    /// Returns the request's accounts, each once.
    pub(super) fn accounts(&self) -> &[AccountId] {
        &self.shared.accounts
    }

    pub(super) fn request(&self) -> &Request {
        &self.shared.request
    }

    pub(super) fn identified(&self) -> IdentifiedRequest<'_> {
        IdentifiedRequest {
            request: &self.shared.request,
            request_hash: self.shared.request_hash,
            identifiers: self.shared.identifiers,
            actor: self.shared.actor.as_ref(),
        }
    }

    /// Sends the answer to the caller.
    pub(super) fn answer(self, answer: Answer) {
        self.close();
        let _ = self.answer.send(answer);
    }

    /// Makes the request final: the caller can no longer withdraw it.
    pub(super) fn close(&self) {
        let _ = self.shared.moves(WAITING, CLAIMED);
    }
}

impl Waiter<'_> {
    /// Waits for the answer until the deadline, and for [`DEADLINE_GRACE`] longer if the request
    /// can no longer be withdrawn. The ledger resolves its outcome even after that.
    pub(super) async fn answer(mut self) -> Answer {
        if let Some(deadline) = self.shared.deadline {
            let mut limit = deadline.saturating_duration_since(Instant::now());
            loop {
                match tokio::time::timeout(limit, &mut self.answer).await {
                    Ok(answer) => return answer.unwrap_or_else(|_| self.unanswered()),
                    Err(_) if self.withdraw() => return Err(exceeded()),
                    Err(_) if self.shared.is_late(long_ago()) => return self.in_doubt(),
                    Err(_) => limit = LOOK_AGAIN,
                }
            }
        }
        (&mut self.answer)
            .await
            .unwrap_or_else(|_| self.unanswered())
    }

    /// Returns the answer when [`DEADLINE_GRACE`] is over.
    fn in_doubt(&mut self) -> Answer {
        // The answer may have arrived since.
        self.answer.try_recv().unwrap_or_else(|_| {
            Err(LedgerError::Unknown {
                reason: format!(
                    "the deadline passed {DEADLINE_GRACE:?} ago, after the request had been decided on"
                ),
                transfers: vec![self.shared.identifiers.transfer_id],
                hold_events: Vec::new(),
            })
        })
    }

    /// Returns the answer when the batch has dropped the submission without one.
    fn unanswered(&self) -> Answer {
        match self.shared.state.load(Ordering::Acquire) {
            CLAIMED | ABANDONED => Err(LedgerError::Unknown {
                reason: "the task that executed the request has ended".to_owned(),
                transfers: vec![self.shared.identifiers.transfer_id],
                hold_events: Vec::new(),
            }),
            LATE => Err(exceeded()),
            _ => Err(LedgerError::Stopped),
        }
    }

    fn withdraw(&self) -> bool {
        let withdrawn = self.shared.moves(WAITING, WITHDRAWN);
        if withdrawn {
            self.counts.withdrawn();
        }
        withdrawn
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // The batch may release its claim between the first two steps.
        let _ = self.withdraw() || self.shared.moves(CLAIMED, ABANDONED) || self.withdraw();
    }
}

fn accounts_of(request: &Request) -> Box<[AccountId]> {
    let mut accounts: Vec<_> = request.accounts().collect();
    if accounts.len() > 2 {
        accounts.sort_unstable();
        accounts.dedup();
    }
    accounts.into()
}

/// Returns the time before which a deadline is over, grace included.
fn long_ago() -> Instant {
    let now = Instant::now();
    now.checked_sub(DEADLINE_GRACE).unwrap_or(now)
}

fn exceeded() -> LedgerError {
    LedgerError::Database(DatabaseError::DeadlineExceeded {
        before: "the request was decided on".to_owned(),
        server: None,
    })
}

#[cfg(test)]
mod tests;

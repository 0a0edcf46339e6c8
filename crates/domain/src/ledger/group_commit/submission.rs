//! A request between its caller, who may go away, and the group that may have taken it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use neobank_db::DatabaseError;
use tokio::sync::oneshot;

use super::super::decision::IdentifiedRequest;
use super::super::error::LedgerError;
use super::super::receipt::Outcome;
use super::super::request::Request;
use super::metrics::Counts;
use crate::{EntryId, TransferId};

/// What a caller gets.
pub(super) type Answer = Result<Outcome, LedgerError>;

/// Nobody has decided on it.
const WAITING: u8 = 0;
/// A group decides on it, or has decided: it can no longer be taken back.
const CLAIMED: u8 = 1;
/// Its caller took it back.
const WITHDRAWN: u8 = 2;
/// Its deadline had passed when a group wanted to decide on it.
const LATE: u8 = 3;
/// As [`CLAIMED`], and its caller has gone: it is withdrawn should the group give it back.
const ABANDONED: u8 = 4;

/// How long a caller whose deadline has passed waits before it looks again whether its request was given back.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How much longer than its deadline a caller waits for the commit of a request that was decided on in time.
pub(super) const DEADLINE_GRACE: Duration = Duration::from_secs(1);

/// A request, as its caller and its group see it.
pub(super) struct Submission {
    request: Request,
    request_hash: Option<[u8; 32]>,
    transfer_id: TransferId,
    debit_id: EntryId,
    credit_id: EntryId,
    deadline: Option<Instant>,
    state: AtomicU8,
}

/// A submission in the queue or in a group. Dropped without an answer, it leaves its caller to conclude from the state.
pub(super) struct Place {
    submission: Arc<Submission>,
    answer: oneshot::Sender<Answer>,
    /// Since when it waits apart from the others.
    apart_since: Option<Instant>,
}

/// The caller's end. Dropped, it takes the request back where that is still possible.
pub(super) struct Waiter<'a> {
    submission: Arc<Submission>,
    answer: oneshot::Receiver<Answer>,
    counts: &'a Counts,
}

impl Submission {
    /// Gives a request its identifiers, which stay the same in every attempt.
    pub(super) fn enlist(
        request: Request,
        deadline: Option<Instant>,
        counts: &Counts,
    ) -> (Place, Waiter<'_>) {
        let submission = Arc::new(Self {
            request_hash: request.idempotency_key().map(|_| request.hash()),
            request,
            transfer_id: TransferId::new(),
            debit_id: EntryId::new(),
            credit_id: EntryId::new(),
            deadline,
            state: AtomicU8::new(WAITING),
        });
        let (sender, receiver) = oneshot::channel();
        let place = Place {
            submission: Arc::clone(&submission),
            answer: sender,
            apart_since: None,
        };
        let waiter = Waiter {
            submission,
            answer: receiver,
            counts,
        };
        (place, waiter)
    }

    fn moves(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl Place {
    /// Whether the request takes part in the attempt that is about to decide; if so, it can no longer be taken back.
    ///
    /// Asked again in a later attempt, which there is only when the one before has changed nothing.
    pub(super) fn claim(&self, now: Instant) -> bool {
        let submission = &self.submission;
        if submission.is_late(now) {
            let _ = submission.moves(WAITING, LATE) || submission.moves(CLAIMED, LATE);
            return false;
        }
        submission.moves(WAITING, CLAIMED)
            || matches!(
                submission.state.load(Ordering::Acquire),
                CLAIMED | ABANDONED
            )
    }

    /// The group has not changed anything yet, and will decide later: until then the request can be taken back.
    pub(super) fn give_back(&self, counts: &Counts) {
        if !self.submission.moves(CLAIMED, WAITING) && self.submission.moves(ABANDONED, WITHDRAWN) {
            counts.withdrawn();
        }
    }

    /// It waits apart from the others now; the first time counts.
    pub(super) fn is_apart_from(&mut self, now: Instant) {
        self.apart_since.get_or_insert(now);
    }

    /// How long it has waited since it was first set apart.
    pub(super) fn waits_apart(&self) -> Duration {
        self.apart_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether nobody wants it any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.submission.state.load(Ordering::Acquire),
            WITHDRAWN | LATE
        )
    }

    pub(super) fn request(&self) -> &Request {
        &self.submission.request
    }

    pub(super) fn identified(&self) -> IdentifiedRequest<'_> {
        IdentifiedRequest {
            request: &self.submission.request,
            request_hash: self.submission.request_hash,
            transfer_id: self.submission.transfer_id,
            debit_id: self.submission.debit_id,
            credit_id: self.submission.credit_id,
        }
    }

    /// Tells the caller, if it still listens.
    pub(super) fn answer(self, answer: Answer) {
        self.close();
        let _ = self.answer.send(answer);
    }

    /// Nothing is to be taken back any more, whether anybody has decided on it or not.
    pub(super) fn close(&self) {
        let _ = self.submission.moves(WAITING, CLAIMED);
    }
}

impl Waiter<'_> {
    /// Waits for the answer; until the deadline at most, or a little longer if the request can no longer be taken back.
    /// What becomes of it then is found out all the same.
    pub(super) async fn answer(mut self) -> Answer {
        if let Some(deadline) = self.submission.deadline {
            let mut patience = deadline.saturating_duration_since(Instant::now());
            loop {
                match tokio::time::timeout(patience, &mut self.answer).await {
                    Ok(answer) => return answer.unwrap_or_else(|_| self.unanswered()),
                    Err(_) if self.withdraw() => return Err(exceeded()),
                    Err(_) if self.submission.is_late(long_ago()) => return self.in_doubt(),
                    Err(_) => patience = LOOK_AGAIN,
                }
            }
        }
        (&mut self.answer)
            .await
            .unwrap_or_else(|_| self.unanswered())
    }

    /// What is known when the deadline is long over.
    fn in_doubt(&mut self) -> Answer {
        // It may have come just now.
        self.answer.try_recv().unwrap_or_else(|_| {
            Err(LedgerError::Unknown {
                reason: format!(
                    "the deadline passed {DEADLINE_GRACE:?} ago, after the request had been decided on"
                ),
                transfers: vec![self.submission.transfer_id],
            })
        })
    }

    /// What is known when whoever had the request has let it go without a word.
    fn unanswered(&self) -> Answer {
        match self.submission.state.load(Ordering::Acquire) {
            CLAIMED | ABANDONED => Err(LedgerError::Unknown {
                reason: "the task that carried it out has ended".to_owned(),
                transfers: vec![self.submission.transfer_id],
            }),
            LATE => Err(exceeded()),
            _ => Err(LedgerError::Stopped),
        }
    }

    fn withdraw(&self) -> bool {
        let withdrawn = self.submission.moves(WAITING, WITHDRAWN);
        if withdrawn {
            self.counts.withdrawn();
        }
        withdrawn
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Between the two it can be given back.
        let _ = self.withdraw() || self.submission.moves(CLAIMED, ABANDONED) || self.withdraw();
    }
}

/// A deadline before this is over for good.
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

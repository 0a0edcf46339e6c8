use std::time::Duration;

use super::*;
use crate::{AccountId, Currency, Money, TransferRequest};

fn request() -> Request {
    let amount = Money::parse("1", Currency::from_code("EUR").unwrap()).unwrap();
    TransferRequest::new(AccountId::new(), AccountId::new(), amount).into()
}

fn withdrawn(counts: &Counts) -> u64 {
    counts.metrics(0, 0, 0).withdrawn
}

#[tokio::test]
async fn dropped_submission_is_answered_from_its_state() {
    let counts = Counts::default();
    let (submission, waiter) = Submission::new(request(), None, None, &counts);
    drop(submission);
    assert!(matches!(waiter.answer().await, Err(LedgerError::Stopped)));

    // A batch that panics drops its submissions: the transfer may have happened.
    let (submission, waiter) = Submission::new(request(), None, None, &counts);
    assert!(submission.claim(Instant::now()));
    let identifier = submission.identified().identifiers.transfer_id;
    drop(submission);
    match waiter.answer().await {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers, [identifier]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dropped_caller_withdraws_an_unclaimed_request() {
    let counts = Counts::default();
    let (submission, waiter) = Submission::new(request(), None, None, &counts);
    assert!(!submission.is_over());
    drop(waiter);
    assert!(submission.is_over() && !submission.claim(Instant::now()));
    assert_eq!(withdrawn(&counts), 1);

    let (submission, waiter) = Submission::new(request(), None, None, &counts);
    assert!(submission.claim(Instant::now()));
    drop(waiter);
    assert!(!submission.is_over() && submission.claim(Instant::now()));
    assert_eq!(withdrawn(&counts), 1);
}

#[tokio::test]
async fn released_request_can_be_withdrawn() {
    let counts = Counts::default();
    let (submission, waiter) = Submission::new(request(), None, None, &counts);
    assert!(submission.claim(Instant::now()));
    submission.give_back(&counts);
    assert!(submission.claim(Instant::now()), "by the next attempt");
    submission.give_back(&counts);
    drop(waiter);
    assert!(submission.is_over() && !submission.claim(Instant::now()));

    // The caller drops its future while the request is claimed.
    let (submission, waiter) = Submission::new(request(), None, None, &counts);
    assert!(submission.claim(Instant::now()));
    drop(waiter);
    submission.give_back(&counts);
    assert!(submission.is_over() && !submission.claim(Instant::now()));

    // The deadline passes while the request is claimed.
    let soon = Instant::now() + Duration::from_millis(10);
    let (submission, waiter) = Submission::new(request(), None, Some(soon), &counts);
    assert!(submission.claim(Instant::now()));
    let (answer, ()) = tokio::join!(waiter.answer(), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        submission.give_back(&counts);
    });
    assert!(answer.is_err() && submission.is_over());
}

#[tokio::test]
async fn deadline_applies_until_the_request_is_claimed() {
    let counts = Counts::default();
    let soon = Instant::now() + Duration::from_millis(20);
    let is_exceeded = |answer: &Answer| {
        matches!(
            answer,
            Err(LedgerError::Database(
                DatabaseError::DeadlineExceeded { .. }
            ))
        )
    };
    let (submission, waiter) = Submission::new(request(), None, Some(soon), &counts);
    assert!(is_exceeded(&waiter.answer().await));
    assert!(submission.is_over());

    // The batch finds the request late.
    let (submission, waiter) = Submission::new(request(), None, Some(soon), &counts);
    assert!(!submission.claim(Instant::now()) && submission.is_over());
    drop(submission);
    assert!(is_exceeded(&waiter.answer().await));

    // The request was decided on in time, so its caller waits for the commit.
    let later = Instant::now() + Duration::from_millis(20);
    let (submission, waiter) = Submission::new(request(), None, Some(later), &counts);
    assert!(submission.claim(Instant::now()));
    let answer = tokio::join!(waiter.answer(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        submission.answer(Err(LedgerError::Stopped));
    });
    assert!(matches!(answer.0, Err(LedgerError::Stopped)));
}

#[tokio::test]
async fn unfinished_commit_is_unknown_a_second_after_the_deadline() {
    let counts = Counts::default();
    let started = Instant::now();
    let soon = started + Duration::from_millis(20);
    let (submission, waiter) = Submission::new(request(), None, Some(soon), &counts);
    assert!(submission.claim(started));
    let identifier = submission.identified().identifiers.transfer_id;
    let answer = tokio::time::timeout(Duration::from_secs(60), waiter.answer()).await;
    match answer.unwrap() {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers, [identifier]),
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() >= DEADLINE_GRACE);
    drop(submission);
}

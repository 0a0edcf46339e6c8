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
async fn a_place_that_is_let_go_tells_its_caller_what_is_known() {
    let counts = Counts::default();
    let (place, waiter) = Submission::enlist(request(), None, &counts);
    drop(place);
    assert!(matches!(waiter.answer().await, Err(LedgerError::Stopped)));

    // This is how it ends when a group panics: the transfer may have happened.
    let (place, waiter) = Submission::enlist(request(), None, &counts);
    assert!(place.claim(Instant::now()));
    let identifier = place.identified().transfer_id;
    drop(place);
    match waiter.answer().await {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers, [identifier]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_withdraws_what_nobody_has_decided_on() {
    let counts = Counts::default();
    let (place, waiter) = Submission::enlist(request(), None, &counts);
    assert!(!place.is_over());
    drop(waiter);
    assert!(place.is_over() && !place.claim(Instant::now()));
    assert_eq!(withdrawn(&counts), 1);

    let (place, waiter) = Submission::enlist(request(), None, &counts);
    assert!(place.claim(Instant::now()));
    drop(waiter);
    assert!(!place.is_over() && place.claim(Instant::now()));
    assert_eq!(withdrawn(&counts), 1);
}

#[tokio::test]
async fn what_is_given_back_can_be_taken_back() {
    let counts = Counts::default();
    let (place, waiter) = Submission::enlist(request(), None, &counts);
    assert!(place.claim(Instant::now()));
    place.give_back(&counts);
    assert!(place.claim(Instant::now()), "by the next attempt");
    place.give_back(&counts);
    drop(waiter);
    assert!(place.is_over() && !place.claim(Instant::now()));

    // Its caller went while it was claimed.
    let (place, waiter) = Submission::enlist(request(), None, &counts);
    assert!(place.claim(Instant::now()));
    drop(waiter);
    place.give_back(&counts);
    assert!(place.is_over() && !place.claim(Instant::now()));

    // Its deadline passed while it was claimed.
    let soon = Instant::now() + Duration::from_millis(10);
    let (place, waiter) = Submission::enlist(request(), Some(soon), &counts);
    assert!(place.claim(Instant::now()));
    let (answer, ()) = tokio::join!(waiter.answer(), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        place.give_back(&counts);
    });
    assert!(answer.is_err() && place.is_over());
}

#[tokio::test]
async fn a_deadline_holds_until_the_request_is_decided_on() {
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
    let (place, waiter) = Submission::enlist(request(), Some(soon), &counts);
    assert!(is_exceeded(&waiter.answer().await));
    assert!(place.is_over());

    // Found late by its group.
    let (place, waiter) = Submission::enlist(request(), Some(soon), &counts);
    assert!(!place.claim(Instant::now()) && place.is_over());
    drop(place);
    assert!(is_exceeded(&waiter.answer().await));

    // Decided on in time: its caller waits for the commit.
    let later = Instant::now() + Duration::from_millis(20);
    let (place, waiter) = Submission::enlist(request(), Some(later), &counts);
    assert!(place.claim(Instant::now()));
    let answer = tokio::join!(waiter.answer(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        place.answer(Err(LedgerError::Stopped));
    });
    assert!(matches!(answer.0, Err(LedgerError::Stopped)));
}

#[tokio::test]
async fn a_commit_that_does_not_end_leaves_its_caller_in_doubt_a_second_after_the_deadline() {
    let counts = Counts::default();
    let started = Instant::now();
    let soon = started + Duration::from_millis(20);
    let (place, waiter) = Submission::enlist(request(), Some(soon), &counts);
    assert!(place.claim(started));
    let identifier = place.identified().transfer_id;
    let answer = tokio::time::timeout(Duration::from_secs(60), waiter.answer()).await;
    match answer.unwrap() {
        Err(LedgerError::Unknown { transfers, .. }) => assert_eq!(transfers, [identifier]),
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() >= DEADLINE_GRACE);
    drop(place);
}

//! Consumers of events.

use futures_util::StreamExt;
use neobank_domain::TransferRequest;
use neobank_domain::events::{self, EventConsumer, EventError, EventRecord};

use super::history::mixed_history;
use super::{assert_sealed_in_order, events_after, seal_all};
use crate::harness::{TestBank, czk};

on_both_versions!(
    stream_has_every_event_and_waits_for_more,
    event_has_both_accounts_after_it,
    consumer_moves_forward_and_alone,
    limits_and_positions_are_checked,
);

async fn stream_has_every_event_and_waits_for_more(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let expected = assert_sealed_in_order(&bank).await;
    let mut stream = Box::pin(bank.ledger.events(0));
    for event in &expected {
        assert_eq!(stream.next().await.unwrap().unwrap(), *event);
    }
    let waiting = tokio::spawn(async move { stream.next().await.unwrap().unwrap() });
    bank.account(czk("3")).await;
    assert!(bank.ledger.seal().await.unwrap().sealed_records > 0);
    let next = waiting.await.unwrap();
    assert_eq!(next.position, expected.len() as i64 + 1);
}

async fn event_has_both_accounts_after_it(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let receipt = bank
        .ledger
        .transfer(TransferRequest::new(a, b, czk("4")))
        .await
        .unwrap();
    seal_all(&bank.database).await;
    let events = events_after(&bank.database, 1).await;
    let EventRecord::Transfer(transfer) = &events[0].record else {
        panic!("{events:?}");
    };
    assert_eq!(transfer.transfer_id, receipt.transfer_id);
    assert_eq!(transfer.amount, czk("4"));
    assert_eq!(transfer.posted_at, receipt.posted_at);
    assert_eq!(
        (transfer.debit.account_id, transfer.debit.entry_number),
        (a, 2)
    );
    assert_eq!(transfer.debit.running_balance, czk("6"));
    assert_eq!(
        (transfer.credit.account_id, transfer.credit.entry_number),
        (b, 1)
    );
    assert_eq!(transfer.credit.running_balance, czk("4"));
}

async fn consumer_moves_forward_and_alone(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let open = async || {
        EventConsumer::open(bank.database.clone(), "mail")
            .await
            .unwrap()
    };
    let (mut first, mut second) = (open().await, open().await);
    assert_eq!(first.position(), 0);
    let page = first.next(3).await.unwrap();
    assert_eq!(page.len(), 3);
    // Not acknowledged: the same events come again.
    assert_eq!(first.next(3).await.unwrap(), page);
    first.acknowledge(2).await.unwrap();
    assert_eq!(first.next(1).await.unwrap(), page[2..]);
    let error = second.acknowledge(3).await.unwrap_err();
    assert!(
        matches!(error, EventError::Moved { position: 0, .. }),
        "{error:?}"
    );
    assert!(matches!(
        first.acknowledge(1).await,
        Err(EventError::Position { position: 1 })
    ));
    assert!(
        first.acknowledge(1_000_000).await.is_err(),
        "a position that is not sealed"
    );
    assert_eq!(open().await.position(), 2);
    let other = EventConsumer::open(bank.database.clone(), "ledger")
        .await
        .unwrap();
    assert_eq!(other.position(), 0);
}

async fn limits_and_positions_are_checked(bank: TestBank) {
    bank.account(czk("1")).await;
    seal_all(&bank.database).await;
    for limit in [0, events::LIMIT_MAX + 1] {
        let error = events::read(&bank.database, 0, limit).await.unwrap_err();
        assert!(matches!(error, EventError::Limit { .. }), "{error:?}");
    }
    for position in [-1, i64::MIN, i64::MAX] {
        let error = events::read(&bank.database, position, 1).await.unwrap_err();
        assert!(matches!(error, EventError::Position { .. }), "{error:?}");
    }
    assert_eq!(
        events::read(&bank.database, 1_000_000, 10).await.unwrap(),
        []
    );
    assert_eq!(
        events::read(&bank.database, 0, events::LIMIT_MAX)
            .await
            .unwrap()
            .len(),
        1
    );
    for name in ["", &"n".repeat(101), "a\0b"] {
        let error = EventConsumer::open(bank.database.clone(), name)
            .await
            .unwrap_err();
        assert!(matches!(error, EventError::Name { .. }), "{error:?}");
    }
}

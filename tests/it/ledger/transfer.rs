//! One transfer, in a transaction of its own or in the caller's.

use neobank_db::{Executor, TransactionError, statement};
use neobank_domain::ledger::TransferType;
use neobank_domain::{Ledger, LedgerError, Rejection, TransferRequest};

use crate::harness::{TestBank, czk, lock_account, single, single_with_cache};

on_both_versions!(
    transfer_posts_two_entries,
    warm_transfer_costs_one_round_trip,
    pessimistic_transfer_costs_two_round_trips,
    unprepared_transfer_costs_at_most_four_round_trips,
    transfer_uses_the_overdraft_to_its_limit,
    transfer_inside_a_transaction_commits_with_it,
    rejection_inside_a_transaction_leaves_it_usable,
    failure_inside_a_transaction_leaves_it_usable,
    reference_numbers_are_unique,
);

async fn transfer_posts_two_entries(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("5")).await);
    let receipt = bank
        .ledger
        .transfer(TransferRequest::new(from, to, czk("30.50")).with_description("Rent"))
        .await
        .unwrap();

    assert_eq!(receipt.transfer_type, TransferType::Transfer);
    assert_eq!(receipt.debit.running_balance, czk("69.50"));
    assert_eq!(receipt.credit.running_balance, czk("35.50"));
    assert_eq!(bank.balance(from).await, czk("69.50"));
    assert_eq!(bank.balance(to).await, czk("35.50"));
    assert_eq!(bank.find(from).await.available_balance, Some(czk("69.50")));
    let described: String = bank
        .database
        .fetch_value(statement(
            "SELECT string_agg(format('%s %s %s %s %s', transaction_type, amount, running_balance, entry_number,
                               description), E'\\n' ORDER BY transaction_type DESC)
             FROM banking.transactions WHERE transfer_id = $1",
            [receipt.transfer_id.as_uuid().into()],
        ))
        .await
        .unwrap();
    let (from, to) = (
        bank.find(from).await.account_number,
        bank.find(to).await.account_number,
    );
    assert_eq!(
        described,
        format!(
            "debit 30.50 69.50 2 Transfer to {to}: Rent\ncredit 30.50 35.50 2 Transfer from {from}: Rent"
        )
    );
    let reference: String = bank
        .database
        .fetch_value(statement(
            "SELECT reference_number FROM banking.transfers WHERE transfer_id = $1",
            [receipt.transfer_id.as_uuid().into()],
        ))
        .await
        .unwrap();
    assert_eq!(reference, receipt.reference_number().to_string());
    bank.assert_sound().await;
}

/// A proxy before the server counts the round trips.
async fn warm_transfer_costs_one_round_trip(bank: TestBank) {
    let trips = round_trips(&bank, 5, |_| ()).await;
    assert_eq!(trips[1..], [1, 1, 1, 1], "after the first");
}

async fn pessimistic_transfer_costs_two_round_trips(bank: TestBank) {
    let trips = round_trips_of(
        &bank,
        5,
        |_| (),
        |ledger| single_with_cache(ledger.database().clone(), 0),
    )
    .await;
    assert_eq!(trips[1..], [2, 2, 2, 2], "after the first");
}

async fn unprepared_transfer_costs_at_most_four_round_trips(bank: TestBank) {
    // Behind a transaction pooler no statement stays prepared, and each transaction sends its
    // limits.
    let trips = round_trips(&bank, 3, |config| {
        config.pooler = neobank_db::Pooler::Transaction;
    })
    .await;
    assert_eq!(trips, [2, 2, 2]);
}

async fn round_trips(
    bank: &TestBank,
    transfers: usize,
    change: impl FnOnce(&mut neobank_db::DatabaseConfig),
) -> Vec<u32> {
    round_trips_of(bank, transfers, change, |ledger| ledger).await
}

async fn round_trips_of(
    bank: &TestBank,
    transfers: usize,
    change: impl FnOnce(&mut neobank_db::DatabaseConfig),
    kind: impl FnOnce(Ledger) -> Ledger,
) -> Vec<u32> {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let proxy = crate::harness::CountingProxy::before(bank.config()).await;
    let mut config = bank.config();
    proxy.stand_before(&mut config);
    config.pool_max = 1;
    change(&mut config);
    let database = neobank_db::Database::connect(config).await.unwrap();
    let ledger = kind(single(database));
    let mut trips = Vec::new();
    for _ in 0..transfers {
        let before = proxy.round_trips();
        ledger
            .transfer(
                TransferRequest::new(from, to, czk("1")).with_idempotency_key(format!("{trips:?}")),
            )
            .await
            .unwrap();
        trips.push(proxy.round_trips() - before);
    }
    trips
}

async fn transfer_uses_the_overdraft_to_its_limit(bank: TestBank) {
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    neobank_domain::accounts::set_overdraft_limit(&bank.database, from, czk("50"))
        .await
        .unwrap();
    assert_eq!(bank.find(from).await.available_balance, Some(czk("60")));
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("60")))
        .await
        .unwrap();
    assert_eq!(bank.balance(from).await, czk("-50"));
    let rejected = bank
        .ledger
        .transfer(TransferRequest::new(from, to, czk("0.01")))
        .await
        .unwrap_err();
    let LedgerError::Rejected(Rejection::InsufficientFunds {
        available,
        requested,
        ..
    }) = rejected
    else {
        panic!("{rejected:?}")
    };
    assert_eq!((available, requested), (czk("0"), czk("0.01")));
    bank.assert_sound().await;
}

async fn transfer_inside_a_transaction_commits_with_it(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let mut transaction = bank.database.begin().await.unwrap();
    bank.ledger
        .transfer_in(&mut transaction, TransferRequest::new(from, to, czk("10")))
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(bank.balance(from).await, czk("100"));

    let mut transaction = bank.database.begin().await.unwrap();
    let receipt = bank
        .ledger
        .transfer_in(&mut transaction, TransferRequest::new(from, to, czk("10")))
        .await
        .unwrap();
    assert_eq!(
        bank.balance(from).await,
        czk("100"),
        "no other session sees the transfer before the commit"
    );
    transaction.commit().await.unwrap();
    assert_eq!(receipt.debit.running_balance, czk("90"));
    assert_eq!(bank.balance(from).await, czk("90"));
    bank.assert_sound().await;
}

async fn rejection_inside_a_transaction_leaves_it_usable(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let outcome = bank
        .database
        .transaction(async |transaction| {
            bank.ledger
                .transfer_in(transaction, TransferRequest::new(from, to, czk("1")))
                .await?;
            let rejected = bank
                .ledger
                .transfer_in(transaction, TransferRequest::new(from, to, czk("1000")))
                .await;
            assert!(matches!(
                rejected,
                Err(LedgerError::Rejected(Rejection::InsufficientFunds { .. }))
            ));
            bank.ledger
                .transfer_in(transaction, TransferRequest::new(from, to, czk("2")))
                .await?;
            Ok::<_, LedgerError>(())
        })
        .await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(bank.balance(to).await, czk("3"));
    bank.assert_sound().await;
}

/// A statement of the transfer fails: the row is locked for longer than the lock timeout.
async fn failure_inside_a_transaction_leaves_it_usable(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let other = bank.account(czk("0")).await;
    let holder = bank.database.begin().await.unwrap();
    lock_account(&holder, other).await;
    let options = neobank_db::TransactionOptions::default()
        .with_lock_timeout(Some(std::time::Duration::from_millis(50)));
    let outcome = bank
        .database
        .transaction_with(options, async |transaction| {
            bank.ledger
                .transfer_in(transaction, TransferRequest::new(from, to, czk("1")))
                .await?;
            let failed = bank
                .ledger
                .transfer_in(transaction, TransferRequest::new(from, other, czk("1")))
                .await;
            let Err(LedgerError::Database(error)) = failed else {
                panic!("{failed:?}")
            };
            assert_eq!(error.class(), neobank_db::ErrorClass::LockTimeout);
            bank.ledger
                .transfer_in(transaction, TransferRequest::new(from, to, czk("2")))
                .await?;
            Ok::<_, LedgerError>(())
        })
        .await
        .map_err(TransactionError::into_work);
    assert!(outcome.is_ok(), "{outcome:?}");
    holder.rollback().await.unwrap();
    assert_eq!(bank.balance(to).await, czk("3"));
    assert_eq!(bank.balance(other).await, czk("0"));
    bank.assert_sound().await;
}

async fn reference_numbers_are_unique(bank: TestBank) {
    let (from, to) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    let requests: Vec<_> = (0..500)
        .map(|_| TransferRequest::new(from, to, czk("1")).into())
        .collect();
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    let references: std::collections::HashSet<_> = outcomes
        .into_iter()
        .map(|outcome| {
            outcome
                .into_receipt()
                .unwrap()
                .reference_number()
                .to_string()
        })
        .collect();
    assert_eq!(references.len(), 500);
}

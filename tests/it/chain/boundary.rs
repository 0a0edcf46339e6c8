//! The boundary of a seal: transactions that are open, prepared, or have their number before others.

use neobank_db::{Executor, statement};
use neobank_domain::{AccountId, Ledger, TransferRequest};
use tokio_postgres::{Client, NoTls};

use super::{assert_sealed_in_order, number, run, seal_all};
use crate::harness::{TestBank, czk};

on_both_versions!(
    open_transaction_is_sealed_after_its_commit,
    open_transaction_does_not_hold_up_others,
    savepoints_belong_to_their_transaction,
    prepared_transaction_is_sealed_after_its_commit,
    lower_number_that_posts_later_is_sealed_later,
    own_records_are_sealed_by_the_next_call,
);

async fn pay(ledger: &Ledger, from: AccountId, to: AccountId) {
    let request = TransferRequest::new(from, to, czk("1"));
    ledger.transfer(request).await.unwrap();
}

async fn sealed(bank: &TestBank) -> i64 {
    number(
        &bank.database,
        "SELECT coalesce(sum(record_count), 0)::bigint FROM banking.seals",
    )
    .await
}

async fn open_transaction_is_sealed_after_its_commit(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let (c, d) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    seal_all(&bank.database).await;
    let before = sealed(&bank).await;
    let mut committed = bank.database.begin().await.unwrap();
    let mut undone = bank.database.begin().await.unwrap();
    let request = || TransferRequest::new(a, b, czk("1"));
    bank.ledger
        .transfer_in(&mut committed, request())
        .await
        .unwrap();
    bank.ledger
        .transfer_in(&mut undone, TransferRequest::new(c, d, czk("1")))
        .await
        .unwrap();
    assert_eq!(seal_all(&bank.database).await, 0);
    committed.commit().await.unwrap();
    undone.rollback().await.unwrap();
    assert_eq!(seal_all(&bank.database).await, 1);
    assert_eq!(sealed(&bank).await, before + 1);
    assert_sealed_in_order(&bank).await;
}

async fn open_transaction_does_not_hold_up_others(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let (c, d) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let mut open = bank.database.begin().await.unwrap();
    bank.ledger
        .transfer_in(&mut open, TransferRequest::new(a, b, czk("1")))
        .await
        .unwrap();
    for _ in 0..5 {
        pay(&bank.ledger, c, d).await;
        assert!(seal_all(&bank.database).await > 0);
    }
    assert_eq!(super::findings(&bank.database).await, []);
    open.commit().await.unwrap();
    assert_eq!(seal_all(&bank.database).await, 1);
    assert_sealed_in_order(&bank).await;
}

async fn savepoints_belong_to_their_transaction(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let (c, d) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let mut open = bank.database.begin().await.unwrap();
    let request = || TransferRequest::new(a, b, czk("1"));
    bank.ledger.transfer_in(&mut open, request()).await.unwrap();
    // A savepoint that another transaction's number comes before.
    let mut savepoint = open.savepoint();
    pay(&bank.ledger, c, d).await;
    bank.ledger
        .transfer_in(savepoint.transaction(), request())
        .await
        .unwrap();
    savepoint.release().await.unwrap();
    let mut savepoint = open.savepoint();
    bank.ledger
        .transfer_in(savepoint.transaction(), request())
        .await
        .unwrap();
    savepoint.rollback().await.unwrap();
    seal_all(&bank.database).await;
    pay(&bank.ledger, c, d).await;
    seal_all(&bank.database).await;
    open.commit().await.unwrap();
    assert_eq!(seal_all(&bank.database).await, 2);
    assert_sealed_in_order(&bank).await;
}

/// A client of its own, because a pooled connection cannot prepare a transaction.
async fn client(bank: &TestBank) -> Client {
    let (client, connection) = tokio_postgres::connect(bank.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns the call that posts a transfer of 1 CZK, with the numbers that the accounts have now.
async fn posting(bank: &TestBank, from: AccountId, to: AccountId) -> String {
    let (payer, payee) = (bank.find(from).await, bank.find(to).await);
    format!(
        "SELECT banking.post_transfers(ARRAY[banking.uuid_v7()], '{{transfer}}', '{{1}}', '{{CZK}}', '{{posted}}',
            '{{NULL}}'::text[], '{{NULL}}'::bytea[], ARRAY[clock_timestamp()],
            ARRAY['{from}'::uuid], '{{{}}}', ARRAY[{}::numeric], ARRAY[banking.uuid_v7()], '{{debit}}',
            ARRAY['{to}'::uuid], '{{{}}}', ARRAY[{}::numeric], ARRAY[banking.uuid_v7()], '{{credit}}')",
        payer.last_entry_number + 1,
        payer.current_balance.amount() - rust_decimal::Decimal::ONE,
        payee.last_entry_number + 1,
        payee.current_balance.amount() + rust_decimal::Decimal::ONE,
    )
}

async fn prepared_transaction_is_sealed_after_its_commit(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let (c, d) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let sql = posting(&bank, a, b).await;
    let other = client(&bank).await;
    other
        .batch_execute(&format!("BEGIN; {sql}; PREPARE TRANSACTION 'chain'"))
        .await
        .unwrap();
    pay(&bank.ledger, c, d).await;
    seal_all(&bank.database).await;
    pay(&bank.ledger, c, d).await;
    assert_eq!(seal_all(&bank.database).await, 1);
    other
        .batch_execute("COMMIT PREPARED 'chain'")
        .await
        .unwrap();
    assert_eq!(seal_all(&bank.database).await, 1);
    assert_sealed_in_order(&bank).await;
}

/// A transaction has its number before it waits for an account, so the order of the numbers is not
/// that of the entries. A third transaction, which is open, lies between the two.
async fn lower_number_that_posts_later_is_sealed_later(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let (c, d) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    seal_all(&bank.database).await;
    let mut low = bank.superuser().await.begin().await.unwrap();
    let low_number = number(&low, "SELECT pg_current_xact_id()::text::bigint").await;
    let mut between = bank.database.begin().await.unwrap();
    bank.ledger
        .transfer_in(&mut between, TransferRequest::new(c, d, czk("1")))
        .await
        .unwrap();
    pay(&bank.ledger, a, b).await;
    bank.ledger
        .transfer_in(&mut low, TransferRequest::new(a, b, czk("1")))
        .await
        .unwrap();
    low.commit().await.unwrap();
    assert_eq!(seal_all(&bank.database).await, 2);
    between.commit().await.unwrap();
    assert_eq!(seal_all(&bank.database).await, 1);
    let sql = "SELECT transaction_number FROM banking.transfers WHERE from_account_id = $1 ORDER BY from_entry_number DESC LIMIT 1";
    let last: i64 = bank
        .database
        .fetch_value(statement(sql, [a.as_uuid().into()]))
        .await
        .unwrap();
    assert_eq!(last, low_number, "the test's own condition");
    assert_sealed_in_order(&bank).await;
}

/// A transaction that seals after it has posted goes on to post: none of its records may be lost.
async fn own_records_are_sealed_by_the_next_call(bank: TestBank) {
    let (a, b) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    let (c, d) = (bank.account(czk("10")).await, bank.account(czk("10")).await);
    seal_all(&bank.database).await;
    let mut own = bank.database.begin().await.unwrap();
    let request = || TransferRequest::new(a, b, czk("1"));
    bank.ledger.transfer_in(&mut own, request()).await.unwrap();
    // A later transaction ends first, so that the snapshot goes beyond this one's number.
    pay(&bank.ledger, c, d).await;
    run(&own, "SELECT banking.seal()").await;
    bank.ledger.transfer_in(&mut own, request()).await.unwrap();
    own.commit().await.unwrap();
    assert_eq!(seal_all(&bank.database).await, 2);
    assert_sealed_in_order(&bank).await;
}

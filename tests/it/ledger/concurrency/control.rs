//! The control: with locks in the order of the requests the same work deadlocks, so the other tests
//! would see a deadlock.

use futures_util::future::join_all;
use neobank_db::{DatabaseError, ErrorClass, Executor, statement};

use crate::harness::{TestBank, czk};

on_both_versions!(locks_in_the_order_of_the_request_deadlock);

async fn locks_in_the_order_of_the_request_deadlock(bank: TestBank) {
    let pair = [
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    ];
    let sql = "SELECT FROM banking.accounts WHERE account_id = $1 FOR NO KEY UPDATE";
    let transfer_by_hand = async |order: [usize; 2]| -> Result<(), DatabaseError> {
        let transaction = bank.database.begin().await?;
        for place in order {
            transaction
                .execute(statement(sql, [pair[place].as_uuid().into()]))
                .await?;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        transaction.rollback().await
    };
    let outcomes = join_all(
        (0..8).map(|number| transfer_by_hand(if number % 2 == 0 { [0, 1] } else { [1, 0] })),
    )
    .await;
    let deadlocks = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(error) if error.class() == ErrorClass::Deadlock))
        .count();
    assert!(deadlocks >= 1, "{outcomes:?}");
    // The server's counter, which the other tests read, counts them too.
    let started = std::time::Instant::now();
    while bank.deadlocks().await < deadlocks as i64 {
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

//! Reopening a closed account: by an actor, and under every rule of the database.

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountError, AccountStatus};
use neobank_domain::change_log::{self, ChangeFilter};
use neobank_domain::customers::{self, CustomerStatus, CustomerUpdate};
use neobank_domain::{AccountId, Ledger, TransferRequest};

use crate::harness::{TestBank, czk};

on_both_versions!(
    closed_account_is_reopened_with_its_terms_and_entries,
    only_a_closed_account_of_a_served_customer_is_reopened_by_an_actor,
    application_cannot_reopen_an_account_by_hand,
);

fn supervisor(bank: &TestBank) -> Ledger {
    bank.ledger.acting_as("supervisor:7".parse().unwrap())
}

async fn reopen(bank: &TestBank, account: AccountId) -> Result<(), AccountError> {
    let change = supervisor(bank).begin_change().await.unwrap();
    accounts::reopen(&change, account).await?;
    change.commit().await.unwrap();
    Ok(())
}

async fn closed_account_is_reopened_with_its_terms_and_entries(bank: TestBank) {
    let (account, other) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    // The ledger has the account in its cache, first active and then closed.
    let pay = |amount| TransferRequest::new(account, other, czk(amount));
    bank.ledger.transfer(pay("10")).await.unwrap();
    accounts::close(&bank.database, account).await.unwrap();
    bank.ledger
        .transfer(TransferRequest::new(other, account, czk("1")))
        .await
        .unwrap_err();
    let before = bank.find(account).await;
    reopen(&bank, account).await.unwrap();
    let after = bank.find(account).await;
    assert_eq!(
        (after.status, after.closed_at, after.version),
        (AccountStatus::Active, None, before.version + 1)
    );
    assert_eq!(after.last_entry_number, before.last_entry_number);
    let receipt = bank
        .ledger
        .transfer(TransferRequest::new(other, account, czk("4")))
        .await
        .unwrap();
    assert_eq!(receipt.credit.entry_number, before.last_entry_number + 1);
    let filter = ChangeFilter::default().with_account(account).with_limit(1);
    let change = change_log::list(&bank.database, &filter)
        .await
        .unwrap()
        .changes
        .remove(0);
    assert_eq!(change.actor.as_deref(), Some("supervisor:7"));
    assert_eq!(change.old_values["account_status"], "closed");
    assert_eq!(change.new_values["account_status"], "active");
    assert!(change.new_values["closed_at"].is_null() && change.old_values["closed_at"].is_string());
    // It can be closed again.
    bank.ledger.transfer(pay("4")).await.unwrap();
    accounts::close(&bank.database, account).await.unwrap();
    bank.assert_sound().await;
}

async fn only_a_closed_account_of_a_served_customer_is_reopened_by_an_actor(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let is_status = |error: AccountError, expected| matches!(error, AccountError::Status { status, .. } if status == expected);
    let error = reopen(&bank, account).await.unwrap_err();
    assert!(is_status(error, AccountStatus::Active));
    accounts::freeze(&bank.database, account).await.unwrap();
    let error = reopen(&bank, account).await.unwrap_err();
    assert!(is_status(error, AccountStatus::Frozen));
    accounts::unfreeze(&bank.database, account).await.unwrap();
    accounts::close(&bank.database, account).await.unwrap();
    let before = bank.fingerprint().await;
    let error = accounts::reopen(&bank.database, account).await.unwrap_err();
    assert!(matches!(error, AccountError::ActorRequired { account: named } if named == account));
    let customer = bank.find(account).await.customer_id.unwrap();
    for status in [CustomerStatus::Suspended, CustomerStatus::Closed] {
        let update = CustomerUpdate::default().with_customer_status(status);
        customers::update(&bank.database, customer, &update)
            .await
            .unwrap();
        let error = reopen(&bank, account).await.unwrap_err();
        assert!(
            matches!(error, AccountError::CustomerNotServed { customer: named } if named == customer),
            "{error:?}"
        );
    }
    let unknown = AccountId::new();
    let error = reopen(&bank, unknown).await.unwrap_err();
    assert!(matches!(error, AccountError::UnknownAccount { account } if account == unknown));
    assert_eq!(bank.fingerprint().await, before);
    let update = CustomerUpdate::default().with_customer_status(CustomerStatus::Active);
    customers::update(&bank.database, customer, &update)
        .await
        .unwrap();
    reopen(&bank, account).await.unwrap();
}

/// The application may set the setting, and may not change a balance.
async fn application_cannot_reopen_an_account_by_hand(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    accounts::close(&bank.database, account).await.unwrap();
    let transaction = bank.database.begin().await.unwrap();
    for setting in [
        "SET LOCAL neobank.reopening = 'on'",
        "SET LOCAL neobank.actor = 'eve'",
    ] {
        transaction.execute(statement(setting, [])).await.unwrap();
    }
    let sql = "UPDATE banking.accounts SET account_status = 'active', closed_at = NULL WHERE account_id = $1";
    let by_hand = statement(sql, [account.as_uuid().into()]);
    let error = transaction.execute(by_hand).await.unwrap_err();
    assert_eq!(error.server().unwrap().sqlstate, "NB003");
}

//! A suspended or closed customer can neither pay, be paid nor open an account.

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountError, NewAccount};
use neobank_domain::customers::{self, CustomerStatus, CustomerUpdate};
use neobank_domain::ledger::{LedgerError, Rejection};
use neobank_domain::{AccountId, AccountStatus, AccountType, CustomerId, TransferRequest};

use crate::harness::{TestBank, czk};

on_both_versions!(
    suspended_or_closed_customer_cannot_pay,
    blocked_account_cannot_be_unblocked_by_hand,
);

async fn set(bank: &TestBank, customer: CustomerId, status: CustomerStatus) {
    let update = CustomerUpdate::default().with_customer_status(status);
    customers::update(&bank.database, customer, &update)
        .await
        .unwrap();
}

async fn status(bank: &TestBank, account: AccountId) -> AccountStatus {
    bank.find(account).await.status
}

async fn suspended_or_closed_customer_cannot_pay(bank: TestBank) {
    let (payer, payee) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    let customer = bank.find(payer).await.customer_id.unwrap();
    let pay = || TransferRequest::new(payer, payee, czk("1"));
    // The accounts are in the ledger's account cache already.
    bank.ledger.transfer(pay()).await.unwrap();
    for not_served in [CustomerStatus::Suspended, CustomerStatus::Closed] {
        set(&bank, customer, not_served).await;
        let error = bank.ledger.transfer(pay()).await.unwrap_err();
        assert!(
            matches!(
                error,
                LedgerError::Rejected(Rejection::NotActive { account, status: AccountStatus::Blocked }) if account == payer
            ),
            "{error:?}"
        );
        let correction = "SELECT error_message FROM banking.update_account_optimistic($1, 0, $2)";
        let version = bank.find(payer).await.version;
        let message: Option<String> = bank
            .database
            .fetch_value(statement(
                correction,
                [payer.as_uuid().into(), version.into()],
            ))
            .await
            .unwrap();
        assert_eq!(message.as_deref(), Some("Account is blocked"));
        bank.assert_sound().await;
        for served in [CustomerStatus::Inactive, CustomerStatus::Active] {
            set(&bank, customer, served).await;
            bank.ledger.transfer(pay()).await.unwrap();
        }
    }
    assert_eq!(bank.balance(payer).await, czk("5"));
}

async fn blocked_account_cannot_be_unblocked_by_hand(bank: TestBank) {
    let (frozen, other) = (bank.account(czk("1")).await, bank.account(czk("1")).await);
    let customer = bank.find(frozen).await.customer_id.unwrap();
    accounts::freeze(&bank.database, frozen).await.unwrap();
    set(&bank, customer, CustomerStatus::Suspended).await;
    assert_eq!(status(&bank, frozen).await, AccountStatus::Frozen);
    let unfrozen = accounts::unfreeze(&bank.database, frozen).await.unwrap();
    assert_eq!(unfrozen.status, AccountStatus::Blocked);
    for (account, expected) in [
        (frozen, AccountStatus::Blocked),
        (other, AccountStatus::Active),
    ] {
        for by_hand in ["active", "blocked"] {
            let sql = "UPDATE banking.accounts SET account_status = $2 WHERE account_id = $1";
            bank.database
                .execute(statement(sql, [account.as_uuid().into(), by_hand.into()]))
                .await
                .unwrap();
            assert_eq!(status(&bank, account).await, expected, "{by_hand}");
        }
    }
    let new = NewAccount::new(customer, AccountType::Savings, czk("0").currency());
    let error = accounts::open(&bank.database, &new).await.unwrap_err();
    assert!(
        matches!(error, AccountError::CustomerNotServed { customer: named } if named == customer),
        "{error:?}"
    );
    set(&bank, customer, CustomerStatus::Active).await;
    assert_eq!(status(&bank, frozen).await, AccountStatus::Active);
    accounts::open(&bank.database, &new).await.unwrap();
    bank.assert_sound().await;
}

//! A suspended or closed customer can neither pay, be paid nor open an account.

use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountError, NewAccount};
use neobank_domain::customers::{self, CustomerStatus, CustomerUpdate};
use neobank_domain::ledger::{
    AdjustmentRequest, CaptureRequest, GroupRequest, HoldRequest, LedgerError, Outcome, Rejection,
    ReversalRequest,
};
use neobank_domain::{
    AccountId, AccountStatus, AccountType, CustomerId, PostingRequest, Request, TransferRequest,
};

use crate::harness::{TestBank, czk, single_with_cache};

on_both_versions!(
    suspended_or_closed_customer_cannot_pay,
    every_kind_of_request_of_a_suspended_customer_is_rejected,
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

async fn every_kind_of_request_of_a_suspended_customer_is_rejected(bank: TestBank) {
    let (payer, payee) = (bank.account(czk("100")).await, bank.account(czk("9")).await);
    let customer = bank.find(payer).await.customer_id.unwrap();
    let pay = || TransferRequest::new(payer, payee, czk("1"));
    let original = bank.ledger.transfer(pay()).await.unwrap().transfer_id;
    let hold = bank
        .ledger
        .hold(HoldRequest::new(payer, czk("5")))
        .await
        .unwrap();
    let hold = hold.hold_id;
    let requests: Vec<Request> = vec![
        pay().into(),
        TransferRequest::new(payee, payer, czk("1")).into(),
        pay().up_to().into(),
        PostingRequest::withdrawal(payer, czk("1")).into(),
        PostingRequest::deposit(payer, czk("1")).into(),
        PostingRequest::fee(payer, czk("1")).into(),
        HoldRequest::new(payer, czk("1")).into(),
        CaptureRequest::new(hold).with_destination(payee).into(),
        ReversalRequest::new(original).into(),
        GroupRequest::new()
            .with_step(PostingRequest::deposit(payee, czk("1")))
            .with_step(pay())
            .into(),
        GroupRequest::new()
            .with_step(CaptureRequest::new(hold).with_destination(payee))
            .into(),
    ];
    for not_served in [CustomerStatus::Suspended, CustomerStatus::Closed] {
        set(&bank, customer, not_served).await;
        let before = bank.fingerprint().await;
        let version = bank.find(payer).await.version;
        let mut requests = requests.clone();
        requests.push(AdjustmentRequest::new(payer, czk("1"), version).into());
        // With the account in the cache, and from a ledger that reads it.
        for ledger in [
            bank.ledger.clone(),
            single_with_cache(bank.database.clone(), 0),
        ] {
            let outcomes = ledger.submit_all(&requests).await.unwrap();
            for (request, outcome) in requests.iter().zip(outcomes) {
                let Outcome::Rejected(rejection) = outcome else {
                    panic!("{request:?}: {outcome:?}");
                };
                let rejection = match rejection {
                    Rejection::GroupStep { reason, .. } => *reason,
                    other => other,
                };
                assert!(
                    matches!(rejection, Rejection::NotActive { account, status: AccountStatus::Blocked } if account == payer),
                    "{request:?}: {rejection:?}"
                );
            }
        }
        assert_eq!(bank.fingerprint().await, before);
        set(&bank, customer, CustomerStatus::Active).await;
    }
    set(&bank, customer, CustomerStatus::Suspended).await;
    // The database rejects the same, whatever the ledger would say: a hold, and a transfer.
    let event = serde_json::json!([{
        "event_id": uuid::Uuid::now_v7(), "hold_id": uuid::Uuid::now_v7(), "event_type": "authorised",
        "account_id": payer, "entry_number": bank.find(payer).await.last_entry_number, "amount": "1",
        "currency_code": "CZK", "remaining": "1", "held_balance": "6", "occurred_at": "2020-01-01T00:00:00Z",
    }]);
    let none = "'{}', ".repeat(18);
    let held = format!(
        "SELECT banking.post_transfers({none}p_hold_events => jsonb_set('{event}', '{{0,occurred_at}}', to_jsonb(clock_timestamp())))"
    );
    let posted = format!(
        "SELECT banking.post_transfers('{{{transfer}}}', '{{withdrawal}}', '{{1}}', '{{CZK}}', '{{\"\"}}', '{{NULL}}', '{{NULL}}',
            ARRAY[clock_timestamp()], '{{{payer}}}', ARRAY[a.last_entry_number + 1], ARRAY[a.current_balance - 1],
            '{{{debit}}}', '{{\"\"}}', '{{{payee}}}', ARRAY[b.last_entry_number + 1], ARRAY[b.current_balance + 1],
            '{{{credit}}}', '{{\"\"}}')
         FROM banking.accounts AS a, banking.accounts AS b WHERE a.account_id = '{payer}' AND b.account_id = '{payee}'",
        transfer = uuid::Uuid::now_v7(), debit = uuid::Uuid::now_v7(), credit = uuid::Uuid::now_v7(),
    );
    for sql in [held, posted] {
        let error = bank
            .database
            .execute(statement(&sql, []))
            .await
            .unwrap_err();
        let server = error.server().unwrap();
        assert!(
            server.sqlstate == "NB002" && server.message.contains("continue their accounts"),
            "{server:?}"
        );
        // The same call is right for a customer that is served.
        set(&bank, customer, CustomerStatus::Active).await;
        let transaction = bank.database.begin().await.unwrap();
        transaction.execute(statement(&sql, [])).await.unwrap();
        transaction.rollback().await.unwrap();
        set(&bank, customer, CustomerStatus::Suspended).await;
    }
    bank.assert_sound().await;
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

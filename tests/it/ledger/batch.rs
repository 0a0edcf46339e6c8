//! Batches: thousands of requests in one call, each with its own outcome.

use chrono::{DateTime, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::accounts::NewAccount;
use neobank_domain::ledger::{EntryType, Outcome, PostingKind, SystemAccount};
use neobank_domain::{
    AccountType, Ledger, LedgerError, PostingRequest, Rejection, Request, TransferRequest,
};

use crate::harness::{TestBank, czk};

on_both_versions!(
    batch_of_ten_thousand_is_posted,
    request_sees_the_earlier_ones_of_its_batch,
    sum_over_all_accounts_stays_zero,
    batch_above_the_limit_is_rejected,
    empty_batch_sends_nothing,
    imported_event_keeps_its_time,
    clock_set_back_does_not_set_entries_back,
);

async fn batch_of_ten_thousand_is_posted(bank: TestBank) {
    let mut accounts = Vec::new();
    for _ in 0..20 {
        accounts.push(bank.account(czk("0")).await);
    }
    let requests: Vec<Request> = (0..10_000_usize)
        .map(|number| {
            PostingRequest::deposit(accounts[number % 20], czk("0.25"))
                .with_idempotency_key(number.to_string())
                .into()
        })
        .collect();
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    assert_eq!(outcomes.len(), 10_000);
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Posted(_)))
    );
    for account in accounts {
        let account = bank.find(account).await;
        assert_eq!(
            (account.current_balance, account.last_entry_number),
            (czk("125"), 500)
        );
    }
    bank.assert_sound().await;

    let again = bank.ledger.submit_all(&requests).await.unwrap();
    assert!(
        again
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Replayed(_)))
    );
    assert_eq!(bank.count("banking.transfers").await, 10_000);
}

async fn request_sees_the_earlier_ones_of_its_batch(bank: TestBank) {
    let (poor, rich) = (bank.account(czk("0")).await, bank.account(czk("10")).await);
    let unknown = neobank_domain::AccountId::new();
    let outcomes = bank
        .ledger
        .submit_all(&[
            PostingRequest::withdrawal(poor, czk("1")).into(),
            TransferRequest::new(rich, poor, czk("4")).into(),
            PostingRequest::withdrawal(poor, czk("1")).into(),
            PostingRequest::deposit(unknown, czk("1")).into(),
            PostingRequest::new(poor, PostingKind::Fee, EntryType::Debit, czk("3")).into(),
            PostingRequest::withdrawal(poor, czk("0.01")).into(),
            PostingRequest::new(rich, PostingKind::Interest, EntryType::Credit, czk("0.5")).into(),
        ])
        .await
        .unwrap();
    let shown: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome.into_receipt() {
            Ok(receipt) => format!(
                "{} {}",
                receipt.debit.running_balance, receipt.credit.running_balance
            ),
            Err(rejection) => format!("{rejection:?}")
                .split([' ', '{'])
                .next()
                .unwrap()
                .to_owned(),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "InsufficientFunds",
            "6.00 CZK 4.00 CZK",
            "3.00 CZK -9.00 CZK",
            "UnknownAccount",
            "0.00 CZK 3.00 CZK",
            "InsufficientFunds",
            "-0.50 CZK 6.50 CZK",
        ]
    );
    assert_eq!(
        (bank.balance(poor).await, bank.balance(rich).await),
        (czk("0"), czk("6.50"))
    );
    bank.assert_sound().await;
}

async fn sum_over_all_accounts_stays_zero(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    bank.ledger
        .submit_all(&[
            PostingRequest::withdrawal(account, czk("30")).into(),
            PostingRequest::new(
                account,
                PostingKind::Interest,
                EntryType::Credit,
                czk("1.23"),
            )
            .into(),
            PostingRequest::new(account, PostingKind::Fee, EntryType::Debit, czk("7")).into(),
        ])
        .await
        .unwrap();
    let koruna = czk("0").currency();
    for (system, balance) in [
        (SystemAccount::External, "-70"),
        (SystemAccount::Interest, "-1.23"),
        (SystemAccount::Fees, "7"),
        (SystemAccount::Adjustment, "0"),
    ] {
        assert_eq!(
            bank.balance(system.id(koruna)).await,
            czk(balance),
            "{system:?}"
        );
    }
    let sum: rust_decimal::Decimal = bank
        .database
        .fetch_value(statement(
            "SELECT sum(current_balance) FROM banking.accounts",
            [],
        ))
        .await
        .unwrap();
    assert!(sum.is_zero());
    let computed: uuid::Uuid = bank
        .database
        .fetch_value(statement(
            "SELECT banking.system_account_id('fees', 'CZK')",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(computed, SystemAccount::Fees.id(koruna).as_uuid());
}

async fn batch_above_the_limit_is_rejected(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let request = Request::from(PostingRequest::deposit(account, czk("1")));
    let requests = vec![request; Ledger::REQUESTS_MAX + 1];
    let error = bank.ledger.submit_all(&requests).await.unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::TooManyRequests {
                requests: 50_001,
                limit: 50_000
            }
        ),
        "{error:?}"
    );
    assert_eq!(bank.count("banking.transfers").await, 0);
}

async fn empty_batch_sends_nothing(bank: TestBank) {
    assert_eq!(bank.ledger.submit_all(&[]).await.unwrap(), []);
    let mut transaction = bank.database.begin().await.unwrap();
    assert_eq!(
        bank.ledger
            .submit_all_in(&mut transaction, &[])
            .await
            .unwrap(),
        []
    );
    transaction.commit().await.unwrap();
}

async fn imported_event_keeps_its_time(bank: TestBank) {
    let customer = bank.customer().await;
    let new = NewAccount::new(customer, AccountType::Checking, czk("0").currency());
    let account = bank.open_long_ago(new).await;
    let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let outcomes = bank
        .ledger
        .submit_all(&[
            PostingRequest::deposit(account, czk("5"))
                .effective_at(day("1993-01-01T10:00:00Z"))
                .into(),
            PostingRequest::deposit(account, czk("5"))
                .effective_at(day("1993-01-01T10:00:00Z"))
                .into(),
            PostingRequest::deposit(account, czk("5"))
                .effective_at(day("1992-12-31T10:00:00Z"))
                .into(),
            PostingRequest::deposit(account, czk("5")).into(),
            PostingRequest::deposit(account, czk("5"))
                .effective_at(day("1993-01-02T10:00:00Z"))
                .into(),
        ])
        .await
        .unwrap();
    assert_eq!(
        outcomes[1].clone().into_receipt().unwrap().posted_at,
        day("1993-01-01T10:00:00Z")
    );
    assert!(matches!(
        outcomes[2],
        Outcome::Rejected(Rejection::EventTime { .. })
    ));
    assert!(matches!(outcomes[3], Outcome::Posted(_)));
    assert!(
        matches!(outcomes[4], Outcome::Rejected(Rejection::EventTime { .. })),
        "the entry before it is of today"
    );
    bank.assert_sound().await;
}

/// The last entry lies ahead of the clock, as after the clock was set back. The next entry gets the
/// same time.
async fn clock_set_back_does_not_set_entries_back(bank: TestBank) {
    let (from, to) = (bank.account(czk("5")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    let mut transaction = superuser.begin().await.unwrap();
    let receipt = bank
        .ledger
        .transfer_in(&mut transaction, TransferRequest::new(from, to, czk("1")))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    // Only with disabled triggers can an entry lie in the future.
    superuser
        .transaction(async |transaction| {
            for sql in [
                crate::harness::GUARDS_OFF,
                "UPDATE banking.transactions SET transaction_date = transaction_date + interval '1 hour'
                 WHERE transfer_id = (SELECT max(transfer_id::text)::uuid FROM banking.transfers)",
                "UPDATE banking.transfers SET posted_at = posted_at + interval '1 hour'
                 WHERE transfer_id = (SELECT max(transfer_id::text)::uuid FROM banking.transfers)",
                "UPDATE banking.accounts SET last_entry_at = last_entry_at + interval '1 hour'
                 WHERE account_type = 'checking'",
                crate::harness::GUARDS_ON,
            ] {
                transaction.execute(statement(sql, [])).await?;
            }
            Ok::<_, neobank_db::DatabaseError>(())
        })
        .await
        .unwrap();
    bank.assert_sound().await;
    let next = bank
        .ledger
        .transfer(TransferRequest::new(from, to, czk("1")))
        .await
        .unwrap();
    assert_eq!(
        next.posted_at,
        receipt.posted_at + chrono::Duration::hours(1)
    );
    bank.assert_sound().await;
}

//! Entries from before the opening of an account: only an importer can backdate an opening.

use chrono::{DateTime, Duration, Utc};
use neobank_db::{Database, Executor, statement};
use neobank_domain::accounts::{self, AccountError, NewAccount};
use neobank_domain::ledger::{Outcome, SystemAccount};
use neobank_domain::{AccountId, AccountType, LedgerError, PostingRequest, Rejection, Request};

use super::assert_rejected;
use crate::harness::{TestBank, czk, grouped, single};

on_both_versions!(
    posting_before_the_opening_is_rejected_on_every_path,
    application_cannot_backdate_an_opening,
    importer_opens_in_the_past_and_posts_from_then_on,
    functions_and_triggers_reject_entries_before_the_opening,
);

fn last_month() -> DateTime<Utc> {
    Utc::now() - Duration::days(30)
}

async fn posting_before_the_opening_is_rejected_on_every_path(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let opened_at = bank.find(account).await.opened_at;
    let request = || PostingRequest::deposit(account, czk("1")).effective_at(last_month());
    let before = bank.fingerprint().await;
    let direct = bank.ledger.submit(request()).await.unwrap_err();
    let grouped = grouped(&bank.ledger);
    let grouped = grouped.submit(request()).await.unwrap_err();
    let mut transaction = bank.database.begin().await.unwrap();
    let inside = bank
        .ledger
        .submit_in(&mut transaction, request())
        .await
        .unwrap_err();
    transaction.rollback().await.unwrap();
    for error in [direct, grouped, inside] {
        assert!(
            matches!(error, LedgerError::Rejected(Rejection::EventTime { earliest, .. }) if earliest == opened_at),
            "{error:?}"
        );
    }
    let many: Vec<Request> = vec![request().into(), request().into()];
    for outcome in bank.ledger.submit_all(&many).await.unwrap() {
        assert!(matches!(
            outcome,
            Outcome::Rejected(Rejection::EventTime { .. })
        ));
    }
    assert_eq!(bank.fingerprint().await, before);
    // A posting at the exact time of the opening is accepted.
    let request = PostingRequest::deposit(account, czk("1")).effective_at(opened_at);
    assert_eq!(
        bank.ledger.submit(request).await.unwrap().posted_at,
        opened_at
    );
    bank.assert_sound().await;
}

async fn application_cannot_backdate_an_opening(bank: TestBank) {
    let customer = bank.customer().await;
    let new = |currency| NewAccount::new(customer, AccountType::Checking, currency);
    let koruna = czk("0").currency();
    for new in [
        new(koruna).with_opened_at(last_month()),
        new(koruna).with_account_number("17"),
    ] {
        let error = accounts::open(&bank.database, &new).await.unwrap_err();
        let AccountError::Database(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(error.server().unwrap().sqlstate.as_str(), "42501");
    }
    let account = bank.account(czk("0")).await;
    let sql = format!(
        "UPDATE banking.accounts SET opened_at = now() - interval '30 days' WHERE account_id = '{account}'"
    );
    assert_rejected(&bank, &bank.database, &sql, "42501").await;
    assert_rejected(&bank, &bank.importer().await, &sql, "42501").await;
}

async fn importer_opens_in_the_past_and_posts_from_then_on(bank: TestBank) {
    let importer = bank.importer().await;
    let new = NewAccount::new(
        bank.customer().await,
        AccountType::Checking,
        czk("0").currency(),
    )
    .with_opened_at(last_month())
    .with_account_number("19-2000145399/0800");
    let account = accounts::open(&importer, &new).await.unwrap();
    assert_eq!(account.account_number, "19-2000145399/0800");
    let mut again = new.clone();
    again.account_id = AccountId::new();
    let taken = accounts::open(&importer, &again).await.unwrap_err();
    assert!(
        matches!(taken, AccountError::NumberTaken { .. }),
        "{taken:?}"
    );
    let ledger = single(importer.clone());
    let deposit = |days| {
        let time = account.opened_at + Duration::days(days);
        PostingRequest::deposit(account.account_id, czk("1")).effective_at(time)
    };
    let error = ledger.submit(deposit(-1)).await.unwrap_err();
    assert!(matches!(
        error,
        LedgerError::Rejected(Rejection::EventTime { .. })
    ));
    ledger.submit(deposit(1)).await.unwrap();
    // An importer, like the application, has no privilege on balances and entries.
    for sql in [
        "UPDATE banking.accounts SET current_balance = 5",
        "UPDATE banking.accounts SET account_status = 'closed'",
        "DELETE FROM banking.transactions",
        "UPDATE banking.customers SET first_name = 'x'",
    ] {
        assert_rejected(&bank, &importer, sql, "42501").await;
    }
    bank.assert_sound().await;
}

async fn functions_and_triggers_reject_entries_before_the_opening(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let system = SystemAccount::External.id(czk("0").currency());
    let post = |posted_at: &str, count: usize| post(account, system, posted_at, count);
    for count in [1, 2] {
        assert_rejected(
            &bank,
            &bank.database,
            &post("now() - interval '30 days'", count),
            "NB002",
        )
        .await;
    }
    // The owner's own statements are validated by the triggers.
    let superuser = bank.superuser().await;
    let old = by_hand(account, system, "now() - interval '30 days'", 1);
    assert_rejected(&bank, &superuser, &old, "NB002").await;
    // The same entries with the current time are accepted, so the time is the cause of the
    // rejection.
    apply(&bank.database, &post("clock_timestamp()", 2)).await;
    apply(
        &superuser,
        &by_hand(account, system, "clock_timestamp()", 3),
    )
    .await;
    bank.assert_sound().await;
}

async fn apply(database: &Database, sql: &str) {
    let transaction = database.begin().await.unwrap();
    for sql in sql.split(';') {
        transaction.execute(statement(sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Returns the transfer and the entries of a deposit of 1 CZK; `number` is the accounts' entry
/// number.
fn by_hand(account: AccountId, system: AccountId, posted_at: &str, number: i64) -> String {
    format!(
        "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, posted_at)
         VALUES ('00000000-0000-7000-8000-000000000001', 'deposit', '{system}', '{account}', {number}, {number}, 1, 'CZK',
             {posted_at});
         INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
             currency_code, running_balance, transaction_date)
         SELECT gen_random_uuid(), transfer.transfer_id, side.account_id, {number}, side.type, 1, 'CZK', side.balance,
             transfer.posted_at
         FROM banking.transfers AS transfer,
             (VALUES ('{system}'::uuid, 'debit', -{number}), ('{account}'::uuid, 'credit', {number}))
                 AS side (account_id, type, balance)
         WHERE transfer.transfer_id = '00000000-0000-7000-8000-000000000001'"
    )
}

/// Returns a call of the function with `count` deposits of 1 CZK.
fn post(account: AccountId, system: AccountId, posted_at: &str, count: usize) -> String {
    let list = |value: &dyn Fn(usize) -> String| {
        let values: Vec<String> = (1..=count).map(value).collect();
        format!("ARRAY[{}]", values.join(", "))
    };
    let same = |text: &str| list(&|_| text.to_owned());
    format!(
        "SELECT banking.post_transfers({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
        list(&|_| "gen_random_uuid()".to_owned()),
        same("'deposit'"),
        same("1::numeric"),
        same("'CZK'"),
        same("''"),
        same("NULL::text"),
        same("NULL::bytea"),
        same(posted_at),
        same(&format!("'{system}'::uuid")),
        list(&|number| format!("{number}::bigint")),
        list(&|number| format!("(-{number})::numeric")),
        same("gen_random_uuid()"),
        same("''"),
        same(&format!("'{account}'::uuid")),
        list(&|number| format!("{number}::bigint")),
        list(&|number| format!("{number}::numeric")),
        same("gen_random_uuid()"),
        same("''"),
    )
}

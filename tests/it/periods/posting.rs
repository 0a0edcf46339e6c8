//! What a closed period rejects, from the ledger, from SQL and from the importer.

use chrono::{DateTime, NaiveDate, Utc};
use neobank_db::{Database, Executor, statement};
use neobank_domain::ledger::{
    CaptureRequest, GroupRequest, HoldRequest, LedgerError, Outcome, Rejection, ReversalRequest,
};
use neobank_domain::{
    AccountId, Currency, Ledger, Money, PostingRequest, Request, TransferRequest,
};

use super::{close, czk as koruna, days_ago, reopen};
use crate::harness::{TestBank, czk, grouped};
use crate::statements::account_in;

on_both_versions!(
    nothing_is_booked_or_value_dated_into_a_closed_period,
    booking_day_is_that_of_the_accounts_zone,
    sql_callers_are_rejected_as_the_ledger_is,
    importer_is_rejected_until_the_period_is_reopened,
);

fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(12, 0, 0).unwrap().and_utc()
}

#[track_caller]
fn assert_closed(outcome: &Outcome, what: &str) {
    let Outcome::Rejected(rejection) = outcome else {
        panic!("{what}: {outcome:?}")
    };
    let rejection = match rejection {
        Rejection::GroupStep { reason, .. } => reason,
        other => other,
    };
    assert!(
        matches!(rejection, Rejection::PeriodClosed { first_open_day, currency, .. }
            if *first_open_day == days_ago(9) && *currency == koruna()),
        "{what}: {rejection:?}"
    );
}

async fn nothing_is_booked_or_value_dated_into_a_closed_period(bank: TestBank) {
    let (one, two) = (
        account_in(&bank, "UTC").await,
        account_in(&bank, "UTC").await,
    );
    let transfer = || TransferRequest::new(one, two, czk("1"));
    let original = bank.ledger.transfer(transfer()).await.unwrap().transfer_id;
    let hold = bank
        .ledger
        .hold(HoldRequest::new(one, czk("5")))
        .await
        .unwrap()
        .hold_id;
    let fresh = account_in(&bank, "UTC").await;
    close(&bank, koruna(), days_ago(10)).await.unwrap();
    let (closed, open) = (days_ago(10), days_ago(9));
    let capture = || CaptureRequest::new(hold).with_destination(two);
    let dated = |day: NaiveDate| -> Vec<(&str, Request)> {
        vec![
            ("transfer", transfer().with_value_date(day).into()),
            (
                "deposit",
                PostingRequest::deposit(one, czk("1"))
                    .with_value_date(day)
                    .into(),
            ),
            (
                "withdrawal",
                PostingRequest::withdrawal(one, czk("1"))
                    .with_value_date(day)
                    .into(),
            ),
            (
                "reversal",
                ReversalRequest::new(original).with_value_date(day).into(),
            ),
            (
                "event time",
                PostingRequest::deposit(fresh, czk("1"))
                    .effective_at(noon(day))
                    .into(),
            ),
            (
                "group",
                GroupRequest::new()
                    .with_step(transfer())
                    .with_step(transfer().with_value_date(day))
                    .into(),
            ),
            ("capture", capture().with_value_date(day).into()),
        ]
    };
    let before = bank.fingerprint().await;
    let grouped = grouped(&bank.ledger);
    for (what, request) in dated(closed) {
        let outcomes = bank.ledger.submit_all(std::slice::from_ref(&request)).await;
        assert_closed(&outcomes.unwrap()[0], what);
        if request.idempotency_key().is_none() && !matches!(request, Request::Group(_)) {
            let error = grouped.submit(request).await.unwrap_err();
            let LedgerError::Rejected(rejection) = error else {
                panic!("{what}: {error:?}")
            };
            assert_closed(&Outcome::Rejected(rejection), what);
        }
    }
    assert_eq!(bank.fingerprint().await, before);
    // Plain requests go on in the same batch, and an open day takes all of them.
    let mixed: Vec<Request> = vec![
        transfer().into(),
        transfer().with_value_date(closed).into(),
        transfer().into(),
    ];
    let outcomes = bank.ledger.submit_all(&mixed).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Posted(_)) && matches!(outcomes[2], Outcome::Posted(_)));
    assert_closed(&outcomes[1], "in a batch");
    // The bank's own account has later entries by now.
    let of_today = dated(open)
        .into_iter()
        .filter(|(what, _)| *what != "event time");
    for (what, request) in of_today {
        let outcomes = bank.ledger.submit_all(&[request]).await.unwrap();
        assert!(
            !matches!(outcomes[0], Outcome::Rejected(_)),
            "{what}: {:?}",
            outcomes[0]
        );
    }
    // Another currency is open.
    let eur = Currency::from_code("EUR").unwrap();
    let account = bank.account(Money::parse("10", eur).unwrap()).await;
    let deposit = PostingRequest::deposit(account, Money::parse("1", eur).unwrap());
    bank.ledger
        .submit(deposit.with_value_date(closed))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn booking_day_is_that_of_the_accounts_zone(bank: TestBank) {
    let prague = account_in(&bank, "Europe/Prague").await;
    close(&bank, koruna(), days_ago(10)).await.unwrap();
    let midnight: DateTime<Utc> = bank
        .database
        .fetch_value(statement(
            "SELECT banking.start_of_day($1, 'Europe/Prague')",
            [days_ago(9).into()],
        ))
        .await
        .unwrap();
    let deposit = |at| PostingRequest::deposit(prague, czk("1")).effective_at(at);
    let late = deposit(midnight - chrono::TimeDelta::microseconds(1));
    let outcomes = bank.ledger.submit_all(&[late.into()]).await.unwrap();
    assert_closed(&outcomes[0], "a microsecond before midnight");
    // In UTC it is still the closed day.
    bank.ledger.submit(deposit(midnight)).await.unwrap();
    bank.assert_sound().await;
}

/// Returns a call of a posting function that moves 1 CZK.
async fn call(
    on: &Database,
    function: &str,
    from: AccountId,
    to: AccountId,
    at: &str,
    more: &str,
) -> String {
    let sql = "SELECT current_balance::text, last_entry_number FROM banking.accounts WHERE account_id = $1";
    let mut of = Vec::new();
    for account in [from, to] {
        let rows = on
            .query(statement(sql, [account.as_uuid().into()]))
            .await
            .unwrap();
        let (balance, number): (String, i64) = (rows[0].get(0), rows[0].get(1));
        of.push((balance, number + 1));
    }
    let id = uuid::Uuid::now_v7;
    format!(
        "SELECT banking.{function}(ARRAY[uuid '{}'], '{{transfer}}', '{{1}}', '{{CZK}}', '{{\"\"}}', '{{NULL}}', '{{NULL}}',
             ARRAY[{at}], ARRAY[uuid '{from}'], ARRAY[bigint '{}'], ARRAY[{} - 1], ARRAY[uuid '{}'], '{{\"\"}}',
             ARRAY[uuid '{to}'], ARRAY[bigint '{}'], ARRAY[{} + 1], ARRAY[uuid '{}'], '{{\"\"}}'{more})",
        id(), of[0].1, of[0].0, id(), of[1].1, of[1].0, id(),
    )
}

async fn sql_callers_are_rejected_as_the_ledger_is(bank: TestBank) {
    let (one, two) = (
        account_in(&bank, "UTC").await,
        account_in(&bank, "UTC").await,
    );
    close(&bank, koruna(), days_ago(10)).await.unwrap();
    let (closed, open) = (days_ago(10), days_ago(9));
    let of = |day: NaiveDate| format!(", p_value_date => ARRAY[date '{day}']");
    let at = |day: NaiveDate| format!("timestamptz '{day} 23:59:59.999999+00'");
    let now = "clock_timestamp()";
    for (function, posted_at, more) in [
        ("post_transfers", at(closed), String::new()),
        ("post_transfers", now.to_owned(), of(closed)),
        ("post_transfers_optimistic", now.to_owned(), of(closed)),
    ] {
        let sql = call(&bank.database, function, one, two, &posted_at, &more).await;
        let before = bank.fingerprint().await;
        let error = bank
            .database
            .execute(statement(&sql, []))
            .await
            .unwrap_err();
        let server = error.server().unwrap();
        assert_eq!(server.sqlstate, "NB007", "{function}: {server:?}");
        assert!(
            server.message.contains(&days_ago(9).to_string()),
            "{server:?}"
        );
        assert_eq!(bank.fingerprint().await, before);
    }
    for (function, posted_at, more) in [
        ("post_transfers", at(open), String::new()),
        ("post_transfers", now.to_owned(), of(open)),
        ("post_transfers_optimistic", now.to_owned(), of(open)),
        ("post_transfers_optimistic", at(closed), String::new()),
    ] {
        let sql = call(&bank.database, function, one, two, &posted_at, &more).await;
        bank.database.execute(statement(&sql, [])).await.unwrap();
    }
    // The owner's own rows are validated by the triggers.
    let (three, four) = (
        account_in(&bank, "UTC").await,
        account_in(&bank, "UTC").await,
    );
    let owner = bank.superuser().await;
    for (day, value_date, is_closed) in [
        (closed, "NULL".to_owned(), true),
        (open, format!("date '{closed}'"), true),
        (open, format!("date '{open}'"), false),
    ] {
        let transaction = owner.begin().await.unwrap();
        let id = uuid::Uuid::now_v7();
        let at = at(day);
        let transfer = format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, posted_at, value_date)
             VALUES ('{id}', 'transfer', '{three}', '{four}', 1, 1, 1, 'CZK', {at}, {value_date})"
        );
        let entries = format!(
            "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
                 currency_code, running_balance, transaction_date)
             VALUES (gen_random_uuid(), '{id}', '{three}', 1, 'debit', 1, 'CZK', -1, {at}),
                    (gen_random_uuid(), '{id}', '{four}', 1, 'credit', 1, 'CZK', 1, {at})"
        );
        transaction.execute(statement(&transfer, [])).await.unwrap();
        let posted = transaction.execute(statement(&entries, [])).await;
        match posted {
            Ok(_) => assert!(!is_closed, "{day} {value_date}"),
            Err(error) => {
                assert_eq!(error.server().unwrap().sqlstate, "NB007", "{error:?}");
                assert!(is_closed, "{day} {value_date}");
            }
        }
    }
    bank.assert_sound().await;
}

async fn importer_is_rejected_until_the_period_is_reopened(bank: TestBank) {
    let account = account_in(&bank, "UTC").await;
    close(&bank, koruna(), days_ago(10)).await.unwrap();
    let importer = Ledger::new(bank.importer().await);
    let old = || PostingRequest::deposit(account, czk("1")).effective_at(noon(days_ago(30)));
    let outcomes = importer.submit_all(&[old().into()]).await.unwrap();
    assert_closed(&outcomes[0], "an import");
    assert_eq!(reopen(&bank, koruna()).await.unwrap(), None);
    importer.submit(old()).await.unwrap();
    bank.assert_sound().await;
}

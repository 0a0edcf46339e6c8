//! Balances by value date: an entry counts from its value date on, whenever it was booked.

use chrono::{Days, Duration, NaiveDate, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::balances::{self, BalanceError, Balances, list_query};
use neobank_domain::{AccountId, PostingRequest, Request, TransferRequest};

use crate::harness::{Random, TestBank, czk, explain};
use crate::statements::account_in;

on_both_versions!(
    entries_count_from_their_value_date,
    balances_by_value_date_match_the_entries_on_every_day,
    day_before_the_opening_has_only_value_dated_entries,
    indexes_serve_balances_by_value_date,
);

fn today() -> NaiveDate {
    Utc::now().date_naive()
}

fn days_ago(days: u64) -> NaiveDate {
    today() - Days::new(days)
}

async fn balance(bank: &TestBank, account: AccountId, day: NaiveDate) -> String {
    let found = balances::by_value_date(&bank.database, account, day).await;
    found.unwrap().balance.to_string()
}

async fn entries_count_from_their_value_date(bank: TestBank) {
    let (one, two) = (
        account_in(&bank, "UTC").await,
        account_in(&bank, "UTC").await,
    );
    let noon = days_ago(10).and_hms_opt(12, 0, 0).unwrap().and_utc();
    for request in [
        PostingRequest::deposit(one, czk("100")).effective_at(noon),
        // Booked on the same day, valued earlier and later.
        PostingRequest::deposit(one, czk("20"))
            .effective_at(noon)
            .with_value_date(days_ago(12)),
        PostingRequest::withdrawal(one, czk("3"))
            .effective_at(noon)
            .with_value_date(days_ago(8)),
    ] {
        bank.ledger.submit(request).await.unwrap();
    }
    let transfer = TransferRequest::new(one, two, czk("7")).with_value_date(days_ago(9));
    bank.ledger.transfer(transfer).await.unwrap();
    for (days, of_one, of_two) in [
        (13, "0.00 CZK", "0.00 CZK"),
        (12, "20.00 CZK", "0.00 CZK"),
        (11, "20.00 CZK", "0.00 CZK"),
        (10, "120.00 CZK", "0.00 CZK"),
        (9, "113.00 CZK", "7.00 CZK"),
        (8, "110.00 CZK", "7.00 CZK"),
        (0, "110.00 CZK", "7.00 CZK"),
    ] {
        assert_eq!(balance(&bank, one, days_ago(days)).await, of_one, "{days}");
        assert_eq!(balance(&bank, two, days_ago(days)).await, of_two, "{days}");
    }
    // By booking time, nothing has changed.
    let at = noon + Duration::hours(1);
    let booked = balances::at(&bank.database, one, at).await.unwrap();
    assert_eq!((booked.balance, booked.entries), (czk("117"), 3));
}

async fn balances_by_value_date_match_the_entries_on_every_day(bank: TestBank) {
    let mut random = Random::new(0x5EED_DA7E);
    let mut accounts = Vec::new();
    for zone in [
        "UTC",
        "Europe/Prague",
        "America/New_York",
        "Pacific/Auckland",
    ] {
        accounts.push(account_in(&bank, zone).await);
    }
    let mut moment = days_ago(40).and_hms_opt(0, 0, 0).unwrap().and_utc();
    let mut requests: Vec<Request> = Vec::new();
    for _ in 0..400 {
        moment += Duration::minutes(random.below(240) as i64);
        let amount = czk(&format!(
            "{}.{:02}",
            1 + random.below(500),
            random.below(99)
        ));
        let account = accounts[random.below(4) as usize];
        let mut posting = match random.below(2) {
            0 => PostingRequest::deposit(account, amount),
            _ => PostingRequest::withdrawal(account, amount),
        };
        posting = posting.effective_at(moment);
        if random.below(3) > 0 {
            posting = posting.with_value_date(days_ago(50 - random.below(40)));
        }
        requests.push(posting.into());
    }
    for outcome in bank.ledger.submit_all(&requests).await.unwrap() {
        outcome.into_receipt().unwrap();
    }
    let sql = "SELECT coalesce(sum(CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END), 0)::text,
                      count(entry.transaction_id)
               FROM banking.accounts AS account
               LEFT JOIN (banking.transactions AS entry JOIN banking.transfers AS transfer USING (transfer_id))
                   ON entry.account_id = account.account_id
                   AND coalesce(transfer.value_date, (entry.transaction_date AT TIME ZONE account.time_zone)::date) <= $2
               WHERE account.account_id = $1";
    for days in 0..55 {
        let day = days_ago(days);
        let request = Balances::by_value_date(day).with_limit(100);
        let page = balances::list(&bank.database, &request).await.unwrap();
        for account in &accounts {
            let parameters = [account.as_uuid().into(), day.into()];
            let rows = bank
                .database
                .query(statement(sql, parameters))
                .await
                .unwrap();
            let (sum, count): (String, i64) = (rows[0].get(0), rows[0].get(1));
            let found = page.balances.iter().find(|one| one.account_id == *account);
            let found = found.unwrap();
            assert_eq!(
                (found.balance, found.entries),
                (czk(&sum), count),
                "{day} {account}"
            );
        }
    }
}

async fn day_before_the_opening_has_only_value_dated_entries(bank: TestBank) {
    let (one, two) = (bank.account(czk("5")).await, bank.account(czk("5")).await);
    let early = PostingRequest::deposit(one, czk("1")).with_value_date(days_ago(3));
    bank.ledger.submit(early).await.unwrap();
    assert_eq!(balance(&bank, one, days_ago(3)).await, "1.00 CZK");
    for (account, days) in [(one, 4), (two, 3)] {
        let error = balances::by_value_date(&bank.database, account, days_ago(days)).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, BalanceError::OpenedLater { account: named, .. } if named == account),
            "{error:?}"
        );
    }
    let request = Balances::by_value_date(days_ago(3)).with_limit(100);
    let listed = balances::list(&bank.database, &request).await.unwrap();
    let customers = listed
        .balances
        .iter()
        .filter(|one| one.customer_id.is_some());
    let customers: Vec<_> = customers.map(|balance| balance.account_id).collect();
    assert_eq!(customers, [one]);
    for day in ["0000-12-31", "9999-12-31"] {
        let request = Balances::by_value_date(day.parse().unwrap());
        let error = balances::list(&bank.database, &request).await.unwrap_err();
        assert!(matches!(error, BalanceError::Day { .. }), "{error:?}");
    }
}

async fn indexes_serve_balances_by_value_date(bank: TestBank) {
    let (one, two) = (
        account_in(&bank, "UTC").await,
        account_in(&bank, "UTC").await,
    );
    // Past the triggers, since only the rows matter.
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    for sql in [
        "SET LOCAL session_replication_role = replica".to_owned(),
        format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, posted_at, value_date)
             SELECT gen_random_uuid(), 'transfer', gen_random_uuid(), CASE WHEN n % 1000 = 0 THEN uuid '{one}' ELSE gen_random_uuid() END,
                    n, n, 1, 'CZK', timestamptz '2020-01-01 00:00:00+00' + n * interval '10 minutes',
                    CASE WHEN n % 10 = 0 THEN date '2020-03-01' END
             FROM generate_series(1, 30000) AS n"
        ),
        format!(
            "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
                 currency_code, running_balance, transaction_date)
             SELECT gen_random_uuid(), gen_random_uuid(), owner.account_id, n, 'credit', 1, 'CZK', n,
                    timestamptz '2020-01-01 00:00:00+00' + n * interval '10 minutes'
             FROM generate_series(1, 15000) AS n, (VALUES (uuid '{one}'), (uuid '{two}')) AS owner (account_id)"
        ),
    ] {
        transaction.execute(statement(&sql, [])).await.unwrap();
    }
    transaction.commit().await.unwrap();
    for analyzed in [false, true] {
        if analyzed {
            let sql = "ANALYZE banking.transactions, banking.transfers, banking.accounts";
            superuser.execute(statement(sql, [])).await.unwrap();
        }
        let request = Balances::by_value_date("2020-02-01".parse().unwrap());
        for request in [request.clone(), request.of([one])] {
            let plan = explain(&bank.database, list_query(&request).unwrap()).await;
            for index in [
                "transactions_account_and_date_key",
                "transfers_from_value_date_index",
                "transfers_to_value_date_index",
            ] {
                assert!(plan.contains(index), "{index}: {plan}");
            }
            for table in ["transactions", "transfers"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
            }
        }
    }
}

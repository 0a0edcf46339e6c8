//! Pages of balances, and requests that cannot be read.

use chrono::{DateTime, Duration, Utc};
use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::balances::{self, BalanceCursor, BalanceError, Balances};
use neobank_domain::{AccountId, AccountType, Currency};

use crate::harness::{TestBank, czk};
use crate::statements::time;

on_both_versions!(
    pages_list_every_account_once_in_the_order_of_identifiers,
    account_is_listed_from_its_opening_on,
    balances_now_are_those_of_the_accounts,
    invalid_time_limit_cursor_or_account_is_rejected,
);

/// Returns the accounts of all pages.
async fn all(bank: &TestBank, mut request: Balances) -> Vec<AccountId> {
    let mut found = Vec::new();
    loop {
        let page = balances::list(&bank.database, &request).await.unwrap();
        assert!(page.balances.len() <= request.limit as usize);
        found.extend(page.balances.iter().map(|balance| balance.account_id));
        let Some(next) = page.next else {
            return found;
        };
        request.after = Some(next.to_string().parse::<BalanceCursor>().unwrap());
        assert_eq!(request.after, Some(next));
    }
}

async fn now(bank: &TestBank) -> DateTime<Utc> {
    let sql = "SELECT clock_timestamp()";
    bank.database.fetch_value(statement(sql, [])).await.unwrap()
}

async fn pages_list_every_account_once_in_the_order_of_identifiers(bank: TestBank) {
    let mut opened = Vec::new();
    for _ in 0..7 {
        opened.push(bank.account(czk("1")).await);
    }
    let eur = Currency::from_code("EUR").unwrap();
    let euro = NewAccount::new(bank.customer().await, AccountType::Savings, eur);
    let euro = accounts::open(&bank.database, &euro)
        .await
        .unwrap()
        .account_id;
    let own = bank
        .count("banking.accounts WHERE account_type = 'system'")
        .await as usize;
    for time in [None, Some(now(&bank).await)] {
        let request = || time.map_or_else(Balances::now, Balances::at);
        for limit in [1, 5, 16, 100] {
            let found = all(&bank, request().with_limit(limit)).await;
            // The bank's own accounts in both currencies are before the others.
            assert_eq!(found.len(), own + 8, "{limit}");
            assert!(found.is_sorted(), "{found:?}");
            assert!(found[own..].starts_with(&opened), "{found:?}");
        }
        let of_euro = all(&bank, request().with_currency(eur)).await;
        assert_eq!((of_euro.len(), of_euro.last()), (own / 2 + 1, Some(&euro)));
        // Named accounts page too, in the same order, whatever the order of the names.
        let named = [opened[5], opened[0], opened[5], opened[3]];
        let found = all(&bank, request().of(named).with_limit(1)).await;
        assert_eq!(found, [opened[0], opened[3], opened[5]]);
    }
}

async fn account_is_listed_from_its_opening_on(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let opened_at = bank.find(account).await.opened_at;
    let moment_before = opened_at - Duration::microseconds(1);
    let at_opening = balances::at(&bank.database, account, opened_at)
        .await
        .unwrap();
    assert_eq!((at_opening.balance, at_opening.entries), (czk("0"), 0));
    let before = all(&bank, Balances::at(moment_before)).await;
    assert!(!before.contains(&account), "{before:?}");
    let error = balances::at(&bank.database, account, moment_before)
        .await
        .unwrap_err();
    assert!(
        matches!(error, BalanceError::OpenedLater { account: named, opened_at: opened, time }
            if (named, opened, time) == (account, opened_at, moment_before)),
        "{error:?}"
    );
}

async fn balances_now_are_those_of_the_accounts(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let page = balances::list(&bank.database, &Balances::now().of([account]))
        .await
        .unwrap();
    let (found, expected) = (&page.balances[0], bank.find(account).await);
    assert_eq!(found.balance, expected.current_balance);
    assert_eq!(found.entries, expected.last_entry_number);
    assert_eq!(found.customer_id, expected.customer_id);
    let later = balances::at(&bank.database, account, time("9999-12-31T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(later, *found);
}

async fn invalid_time_limit_cursor_or_account_is_rejected(bank: TestBank) {
    for limit in [0, 10_001, u32::MAX] {
        let error = balances::list(&bank.database, &Balances::now().with_limit(limit)).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, BalanceError::Limit { limit: given, limit_max: 10_000 } if given == limit),
            "{error:?}"
        );
    }
    for at in ["0000-12-31T00:00:00Z", "+10000-01-01T00:00:00Z"] {
        let error = balances::list(&bank.database, &Balances::at(time(at)))
            .await
            .unwrap_err();
        assert!(
            matches!(error, BalanceError::Time { time: given } if given == time(at)),
            "{error:?}"
        );
        let error = balances::trial_balance(&bank.database, Some(time(at)))
            .await
            .unwrap_err();
        assert!(matches!(error, BalanceError::Time { .. }), "{error:?}");
    }
    let many = vec![AccountId::new(); 10_001];
    let error = balances::list(&bank.database, &Balances::now().of(many))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            BalanceError::TooManyAccounts {
                accounts: 10_001,
                ..
            }
        ),
        "{error:?}"
    );
    for text in ["", "x", "01a20965-a026-7767-b5f4-2d7176126efa"] {
        let error = text.parse::<BalanceCursor>().unwrap_err();
        assert!(
            matches!(&error, BalanceError::Cursor { text: given } if given == text),
            "{error:?}"
        );
    }
    let (known, unknown) = (bank.account(czk("1")).await, AccountId::new());
    for request in [Balances::now(), Balances::at(now(&bank).await)] {
        let error = balances::list(&bank.database, &request.of([known, unknown]))
            .await
            .unwrap_err();
        assert!(
            matches!(error, BalanceError::UnknownAccount { account } if account == unknown),
            "{error:?}"
        );
    }
}

//! Opening an account: once, at zero, for a customer.

use futures_util::future::join_all;
use neobank_domain::accounts::{self, AccountError, AccountStatus, NewAccount};
use neobank_domain::{AccountType, Currency, CustomerId, Money};

use super::{opened, wanted};
use crate::harness::{TestBank, czk};

/// The bank's own accounts in one currency: external, interest, fees, adjustment, clearing, exchange.
const SYSTEM_ACCOUNTS: i64 = 6;

on_both_versions!(
    account_of_each_type_opens_at_zero,
    system_account_type_is_rejected,
    unknown_customer_is_rejected_without_a_trace,
    repeated_opening_is_rejected,
    abbreviated_or_unknown_time_zone_is_rejected,
    opening_with_a_negative_or_foreign_limit_is_rejected,
    first_account_in_a_currency_opens_the_system_accounts,
    concurrent_first_accounts_in_a_currency_all_open,
    account_numbers_are_made_by_the_database,
    withdrawn_currency_is_rejected,
);

async fn account_of_each_type_opens_at_zero(bank: TestBank) {
    for account_type in [
        AccountType::Checking,
        AccountType::Savings,
        AccountType::Business,
    ] {
        let mut new = wanted(&bank, "CZK").await;
        new.account_type = account_type;
        new.overdraft_limit = czk("12.50");
        new.time_zone = "Europe/Prague".to_owned();
        new.opened_at = Some("1993-01-01T00:00:00Z".parse().unwrap());
        let account = opened(&bank, &new).await;
        assert_eq!(
            (
                account.account_id,
                account.customer_id,
                account.account_type,
                account.status
            ),
            (
                new.account_id,
                Some(new.customer_id),
                account_type,
                AccountStatus::Active
            )
        );
        assert_eq!(
            (account.current_balance, account.held_balance),
            (czk("0"), czk("0"))
        );
        assert_eq!(
            (account.overdraft_limit, account.available_balance),
            (Some(czk("12.50")), Some(czk("12.50")))
        );
        assert_eq!(
            (account.time_zone.as_str(), account.opened_at),
            ("Europe/Prague", new.opened_at.unwrap())
        );
        assert_eq!(
            (
                account.last_entry_number,
                account.version,
                account.closed_at
            ),
            (0, 1, None)
        );
        assert_eq!(bank.find(account.account_id).await, account);
    }
    bank.assert_sound().await;
}

async fn system_account_type_is_rejected(bank: TestBank) {
    let mut new = wanted(&bank, "CZK").await;
    new.account_type = AccountType::System;
    let error = accounts::open(&bank.database, &new).await.unwrap_err();
    assert!(
        matches!(
            error,
            AccountError::AccountType {
                account_type: AccountType::System
            }
        ),
        "{error:?}"
    );
    assert_eq!(bank.count("banking.accounts").await, 0);
}

async fn unknown_customer_is_rejected_without_a_trace(bank: TestBank) {
    let unknown = CustomerId::new();
    let mut new = wanted(&bank, "CZK").await;
    new.customer_id = unknown;
    let error = accounts::open(&bank.database, &new).await.unwrap_err();
    assert!(
        matches!(error, AccountError::UnknownCustomer { customer } if customer == unknown),
        "{error:?}"
    );
    assert_eq!(bank.count("banking.accounts").await, 0);
}

async fn repeated_opening_is_rejected(bank: TestBank) {
    let new = wanted(&bank, "CZK").await;
    let account = opened(&bank, &new).await;
    let mut again = new.clone();
    again.overdraft_limit = czk("1000");
    let error = accounts::open(&bank.database, &again).await.unwrap_err();
    assert!(
        matches!(error, AccountError::AlreadyOpen { account } if account == new.account_id),
        "{error:?}"
    );
    assert_eq!(bank.find(new.account_id).await, account);
}

/// The meaning of an abbreviation depends on a setting, and almost any text is a POSIX time zone.
/// Neither names a zone permanently.
async fn abbreviated_or_unknown_time_zone_is_rejected(bank: TestBank) {
    for time_zone in [
        "",
        " ",
        "Nowhere/Nowhere",
        "Europe/Prag",
        "europe/prague",
        "CEST",
        "IST",
        "EST",
        "XYZ-3",
        "Foo/Bar1",
        "UTC+3",
        "<+03>-3",
        "+02:00",
        "2",
        "EST5EDT",
        "UTC ",
        "a\0b",
        "'; SELECT 1 --",
        "/etc/passwd",
        "../UTC",
        "Etc/GMT+99",
    ] {
        let mut new = wanted(&bank, "CZK").await;
        new.time_zone = time_zone.to_owned();
        let outcome = accounts::open(&bank.database, &new).await;
        assert!(
            matches!(&outcome, Err(AccountError::TimeZone { time_zone: given }) if given == time_zone),
            "{time_zone:?}: {outcome:?}"
        );
    }
    assert_eq!(bank.count("banking.accounts").await, 0);
    for time_zone in [
        "UTC",
        "Europe/Prague",
        "Pacific/Kiritimati",
        "America/St_Johns",
        "America/Argentina/Buenos_Aires",
        "America/Port-au-Prince",
        "America/North_Dakota/New_Salem",
        "Etc/GMT+12",
        "Etc/UTC",
    ] {
        let mut new = wanted(&bank, "CZK").await;
        new.time_zone = time_zone.to_owned();
        assert_eq!(opened(&bank, &new).await.time_zone, time_zone);
    }
}

async fn opening_with_a_negative_or_foreign_limit_is_rejected(bank: TestBank) {
    let euro = Money::parse("1", Currency::from_code("EUR").unwrap()).unwrap();
    for limit in [czk("-0.01"), euro] {
        let mut new = wanted(&bank, "CZK").await;
        new.overdraft_limit = limit;
        let error = accounts::open(&bank.database, &new).await.unwrap_err();
        assert!(
            matches!(error, AccountError::OverdraftLimit { limit: given, currency }
                if given == limit && currency.code() == "CZK"),
            "{error:?}"
        );
    }
    assert_eq!(bank.count("banking.accounts").await, 0);
}

async fn first_account_in_a_currency_opens_the_system_accounts(bank: TestBank) {
    opened(&bank, &wanted(&bank, "CZK").await).await;
    assert_eq!(
        bank.count("banking.accounts WHERE account_type = 'system'")
            .await,
        SYSTEM_ACCOUNTS
    );
    opened(&bank, &wanted(&bank, "CZK").await).await;
    assert_eq!(
        bank.count("banking.accounts WHERE account_type = 'system'")
            .await,
        SYSTEM_ACCOUNTS
    );
    opened(&bank, &wanted(&bank, "KWD").await).await;
    assert_eq!(
        bank.count("banking.accounts WHERE account_type = 'system' AND currency_code = 'KWD' AND minor_units = 3
            AND overdraft_limit IS NULL AND customer_id IS NULL").await,
        SYSTEM_ACCOUNTS
    );
}

async fn concurrent_first_accounts_in_a_currency_all_open(bank: TestBank) {
    // Two openings rarely overlap, so the test tries many currencies.
    let customer_id = bank.customer().await;
    for currency in Currency::all().take(40) {
        let wanted: Vec<_> = (0..16)
            .map(|_| NewAccount::new(customer_id, AccountType::Checking, currency))
            .collect();
        let outcomes = join_all(wanted.iter().map(|new| accounts::open(&bank.database, new))).await;
        for outcome in outcomes {
            assert!(outcome.is_ok(), "{currency}: {outcome:?}");
        }
        let own = format!(
            "banking.accounts WHERE account_type = 'system' AND currency_code = '{currency}'"
        );
        assert_eq!(bank.count(&own).await, SYSTEM_ACCOUNTS);
    }
    bank.assert_sound().await;
}

async fn account_numbers_are_made_by_the_database(bank: TestBank) {
    let mut numbers = std::collections::HashSet::new();
    for _ in 0..10 {
        let number = opened(&bank, &wanted(&bank, "CZK").await)
            .await
            .account_number;
        let digits = number.strip_prefix("NB").unwrap();
        assert!(
            digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_digit()),
            "{number}"
        );
        numbers.insert(number);
    }
    assert_eq!(numbers.len(), 10);
}

async fn withdrawn_currency_is_rejected(bank: TestBank) {
    let mut new = wanted(&bank, "CZK").await;
    new.currency = Currency::from_code("HRK").unwrap();
    let error = accounts::open(&bank.database, &new).await.unwrap_err();
    assert!(
        matches!(&error, AccountError::WithdrawnCurrency { currency } if currency.code() == "HRK"),
        "{error:?}"
    );
    assert_eq!(bank.count("banking.accounts").await, 0);
}

//! Finding accounts by identifier, by number and by customer.

use neobank_domain::accounts;
use neobank_domain::{AccountId, CustomerId};

use super::{opened, wanted};
use crate::harness::TestBank;

on_both_versions!(
    account_is_found_by_identifier_and_by_number,
    accounts_of_a_customer_are_listed_oldest_first
);

async fn account_is_found_by_identifier_and_by_number(bank: TestBank) {
    let account = opened(&bank, &wanted(&bank, "CZK").await).await;
    let number = &account.account_number;
    assert_eq!(
        accounts::find_by_number(&bank.database, number)
            .await
            .unwrap()
            .as_ref(),
        Some(&account)
    );
    for other in ["", "NB", "nb000000000001", "%", "NB00000000000_", "a\0b"] {
        assert_eq!(
            accounts::find_by_number(&bank.database, other)
                .await
                .unwrap(),
            None,
            "{other:?}"
        );
    }
    assert_eq!(
        accounts::find(&bank.database, AccountId::new())
            .await
            .unwrap(),
        None
    );
    let external = accounts::find_by_number(&bank.database, "SYS-EXTERNAL-CZK")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            external.customer_id,
            external.available_balance,
            external.overdraft_limit
        ),
        (None, None, None)
    );
}

async fn accounts_of_a_customer_are_listed_oldest_first(bank: TestBank) {
    let first = wanted(&bank, "CZK").await;
    let mut expected = Vec::new();
    for (year, currency) in [(1995, "CZK"), (1993, "EUR"), (1994, "CZK"), (1993, "JPY")] {
        let mut new = wanted(&bank, currency).await;
        new.customer_id = first.customer_id;
        new.opened_at = Some(format!("{year}-01-01T00:00:00Z").parse().unwrap());
        expected.push(opened(&bank, &new).await);
    }
    opened(&bank, &wanted(&bank, "CZK").await).await;
    expected.sort_by_key(|account| (account.opened_at, account.account_id));
    assert_eq!(
        accounts::list_by_customer(&bank.database, first.customer_id)
            .await
            .unwrap(),
        expected
    );
    assert_eq!(
        accounts::list_by_customer(&bank.database, CustomerId::new())
            .await
            .unwrap(),
        []
    );
}

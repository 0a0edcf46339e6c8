//! The bank's own accounts, which no caller can change.

use neobank_domain::accounts::{self, AccountError};
use neobank_domain::ledger::SystemAccount;

use crate::harness::{TestBank, czk};

on_both_versions!(
    system_account_cannot_be_frozen_closed_or_limited,
    system_account_identifiers_match_the_database,
    reserved_identifier_or_number_is_rejected,
    account_with_a_reserved_identifier_is_not_opened,
    foreign_account_with_a_reserved_identifier_fails_the_deposit,
);

async fn system_account_cannot_be_frozen_closed_or_limited(bank: TestBank) {
    bank.account(czk("10")).await;
    let before = bank.fingerprint().await;
    for system in [
        SystemAccount::External,
        SystemAccount::Interest,
        SystemAccount::Fees,
        SystemAccount::Adjustment,
    ] {
        let account = system.id(czk("0").currency());
        for outcome in [
            accounts::freeze(&bank.database, account).await,
            accounts::unfreeze(&bank.database, account).await,
            accounts::close(&bank.database, account).await,
            accounts::set_overdraft_limit(&bank.database, account, czk("1")).await,
        ] {
            assert!(
                matches!(outcome, Err(AccountError::SystemAccount { account: named }) if named == account),
                "{outcome:?}"
            );
        }
    }
    assert_eq!(bank.fingerprint().await, before);
}

async fn system_account_identifiers_match_the_database(bank: TestBank) {
    use neobank_db::{Executor, statement};
    for currency in neobank_domain::Currency::all() {
        for (system, purpose) in [
            (SystemAccount::External, "external"),
            (SystemAccount::Interest, "interest"),
            (SystemAccount::Fees, "fees"),
            (SystemAccount::Adjustment, "adjustment"),
        ] {
            let sql = "SELECT banking.system_account_id($1, $2)";
            let id: uuid::Uuid = bank
                .database
                .fetch_value(statement(sql, [purpose.into(), currency.code().into()]))
                .await
                .unwrap();
            assert_eq!(id, system.id(currency).as_uuid(), "{purpose} {currency}");
        }
    }
}

/// The attack: a customer's account with the identifier from which the first deposit in the
/// currency would be taken.
async fn reserved_identifier_or_number_is_rejected(bank: TestBank) {
    use neobank_db::{Executor, statement};
    let customer = bank.customer().await.as_uuid();
    let insert = "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units)
                  VALUES (banking.system_account_id($1, 'EUR'), $2, 'checking', 'EUR', 2)";
    let superuser = bank.superuser().await;
    for purpose in ["external", "interest", "fees", "adjustment"] {
        let parameters = || [purpose.into(), customer.into()];
        let error = bank.database.execute(statement(insert, parameters())).await;
        assert_eq!(error.unwrap_err().server().unwrap().sqlstate, "42501");
        let error = superuser.execute(statement(insert, parameters())).await;
        assert_eq!(
            error.unwrap_err().constraint(),
            Some("accounts_identifier_is_reserved")
        );
    }
    for number in ["SYS-EXTERNAL-EUR", "SYS-X"] {
        let sql = "INSERT INTO banking.accounts (account_id, customer_id, account_number, account_type, currency_code, minor_units)
                   VALUES (gen_random_uuid(), $2, $1, 'checking', 'EUR', 2)";
        let error = superuser
            .execute(statement(sql, [number.into(), customer.into()]))
            .await;
        assert_eq!(
            error.unwrap_err().constraint(),
            Some("accounts_identifier_is_reserved")
        );
    }
    bank.assert_sound().await;
}

async fn account_with_a_reserved_identifier_is_not_opened(bank: TestBank) {
    use super::{opened, wanted};
    let mut new = wanted(&bank, "CZK").await;
    let reserved = [
        SystemAccount::Clearing.id(new.currency),
        "00000000-0000-8000-8000-000000000000".parse().unwrap(),
        "00000000-0000-8000-8000-ffffffffffff".parse().unwrap(),
    ];
    for account in reserved {
        new.account_id = account;
        for on in [&bank.database, &bank.superuser().await] {
            let rejected = accounts::open(on, &new).await;
            assert!(
                matches!(rejected, Err(AccountError::SystemAccount { account: named }) if named == account),
                "{rejected:?}"
            );
        }
    }
    for free in [
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-8000-7fff-ffffffffffff",
        "00000000-0000-8000-8001-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        new.account_id = free.parse().unwrap();
        assert_eq!(opened(&bank, &new).await.account_id, new.account_id);
    }
    bank.assert_sound().await;
}

/// An older version of the schema admitted such an account.
async fn foreign_account_with_a_reserved_identifier_fails_the_deposit(bank: TestBank) {
    use neobank_db::{Executor, statement};
    let customer = bank.customer().await.as_uuid();
    let superuser = bank.superuser().await;
    let insert = "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units)
                  VALUES (banking.system_account_id('external', 'EUR'), $1, 'checking', 'EUR', 2)";
    for (sql, parameters) in [
        (crate::harness::GUARDS_OFF, vec![]),
        (insert, vec![customer.into()]),
        (crate::harness::GUARDS_ON, vec![]),
    ] {
        superuser.execute(statement(sql, parameters)).await.unwrap();
    }
    let open = "SELECT banking.open_system_accounts('EUR')::text";
    let error = bank
        .database
        .execute(statement(open, []))
        .await
        .unwrap_err();
    assert_eq!(error.server().unwrap().sqlstate, "NB004");
    let violations = neobank_domain::audit::violations(&bank.database)
        .await
        .unwrap();
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].check_name, "system account is the bank's own");
}

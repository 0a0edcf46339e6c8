//! The bank's own accounts belong to nobody's hands.

use neobank_domain::accounts::{self, AccountError};
use neobank_domain::ledger::SystemAccount;

use crate::harness::{TestBank, czk};

on_both_versions!(
    nobody_freezes_closes_or_limits_them,
    their_identifiers_are_the_databases
);

async fn nobody_freezes_closes_or_limits_them(bank: TestBank) {
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

async fn their_identifiers_are_the_databases(bank: TestBank) {
    use neobank_db::{Executor, statement};
    for currency in neobank_domain::Currency::all() {
        for (system, purpose) in [
            (SystemAccount::External, "external"),
            (SystemAccount::Interest, "interest"),
            (SystemAccount::Fees, "fees"),
            (SystemAccount::Adjustment, "adjustment"),
        ] {
            let sql = "SELECT banking.system_account_id($1, $2)";
            let id: sea_orm::prelude::Uuid = bank
                .database
                .fetch_value(statement(sql, [purpose.into(), currency.code().into()]))
                .await
                .unwrap();
            assert_eq!(id, system.id(currency).as_uuid(), "{purpose} {currency}");
        }
    }
}

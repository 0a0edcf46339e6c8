//! Changes that the owner of the database can make, and the audit's answer: the table of
//! `docs/tampering.md`.

use neobank_db::{Executor, statement};
use neobank_domain::{TransferRequest, audit};

use super::run;
use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};

on_both_versions!(
    changed_guard_is_detected,
    consistently_rewritten_history_is_not_detected
);

/// Each change of a guard, with the check that detects it.
const GUARDS: &[(&str, &str)] = &[
    (
        "DROP TRIGGER transfers_append_only ON banking.transfers;
         CREATE TRIGGER transfers_append_only BEFORE TRUNCATE ON banking.transfers
         FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
         ALTER TABLE banking.transfers ENABLE ALWAYS TRIGGER transfers_append_only",
        "guard is in place",
    ),
    (
        "DROP TRIGGER accounts_guard_closed ON banking.accounts;
         CREATE TRIGGER accounts_guard_closed BEFORE UPDATE OF account_type, account_status, overdraft_limit, time_zone,
             customer_id, opened_at, closed_at ON banking.accounts
         FOR EACH ROW WHEN (false) EXECUTE FUNCTION banking.reject_account_change();
         ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_guard_closed",
        "guard is in place",
    ),
    (
        "ALTER TABLE banking.transactions ENABLE TRIGGER transactions_append_only",
        "guard is in place",
    ),
    (
        "ALTER TABLE banking.transactions DISABLE TRIGGER ALL",
        "guard is in place",
    ),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_within_limit",
        "guard is in place",
    ),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_within_limit;
         ALTER TABLE banking.accounts ADD CONSTRAINT accounts_within_limit CHECK (true)",
        "guard is in place",
    ),
    (
        "ALTER DOMAIN banking.amount DROP CONSTRAINT amount_is_valid",
        "guard is in place",
    ),
    (
        "DROP INDEX banking.transfers_idempotency_key_key",
        "guard is in place",
    ),
    (
        "GRANT UPDATE ON banking.transactions TO neobank_app",
        "only the owner may change it",
    ),
    (
        "GRANT INSERT (amount) ON banking.transfers TO PUBLIC",
        "only the owner may change it",
    ),
    (
        "GRANT TRIGGER ON banking.accounts TO neobank_read",
        "only the owner may change it",
    ),
    (
        "GRANT UPDATE (current_balance) ON banking.accounts TO neobank_app",
        "only the owner may change it",
    ),
    (
        "ALTER FUNCTION banking.apply_entries() OWNER TO neobank_read",
        "only the owner may change it",
    ),
    (
        "GRANT EXECUTE ON FUNCTION banking.open_system_accounts(text) TO PUBLIC",
        "function is not for everyone",
    ),
    (
        "CREATE RULE mine AS ON INSERT TO banking.transactions DO INSTEAD NOTHING",
        "table has nothing foreign",
    ),
    (
        "ALTER TABLE banking.transactions ENABLE ROW LEVEL SECURITY",
        "table has nothing foreign",
    ),
    (
        "CREATE TRIGGER mine BEFORE INSERT ON banking.transfers FOR EACH ROW
         EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "table has nothing foreign",
    ),
    (
        "SET LOCAL session_replication_role = replica",
        "guards fire in every session",
    ),
    (
        "ALTER ROLE neobank_app SET session_replication_role = replica",
        "guards fire in every session",
    ),
];

async fn changed_guard_is_detected(bank: TestBank) {
    bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    for (change, check) in GUARDS {
        let transaction = superuser.begin().await.unwrap();
        for sql in change.split(';') {
            run(&transaction, sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let found = audit::violations(&transaction).await.unwrap();
        assert!(
            found.iter().any(|violation| violation.check_name == *check),
            "{change}: {found:?}"
        );
        transaction.rollback().await.unwrap();
    }
    bank.assert_sound().await;
    // With `session_replication_role = replica` the rejecting triggers still fire.
    let transaction = superuser.begin().await.unwrap();
    run(&transaction, "SET LOCAL session_replication_role = replica")
        .await
        .unwrap();
    let error = run(&transaction, "DELETE FROM banking.transactions")
        .await
        .unwrap_err();
    assert_eq!(error.server().unwrap().sqlstate, "NB003");
}

/// The rewritten rows agree with each other, so no query of today's rows can detect it. A chain of
/// hashes would make this test fail.
async fn consistently_rewritten_history_is_not_detected(bank: TestBank) {
    let (a, b) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = bank
        .ledger
        .transfer(TransferRequest::new(a, b, czk("30")))
        .await
        .unwrap()
        .transfer_id;
    let superuser = bank.superuser().await;
    let changes = [
        "UPDATE banking.transfers SET amount = 20 WHERE transfer_id = T;
         UPDATE banking.transactions SET amount = 20,
             running_balance = running_balance + CASE transaction_type WHEN 'debit' THEN 10 ELSE -10 END WHERE transfer_id = T;
         UPDATE banking.accounts SET current_balance = current_balance + 10 WHERE account_id = A;
         UPDATE banking.accounts SET current_balance = current_balance - 10 WHERE account_id = B",
        "UPDATE banking.transfers SET description = 'rent' WHERE transfer_id = T;
         UPDATE banking.transactions SET description = 'rent' WHERE transfer_id = T",
        "UPDATE banking.transfers SET posted_at = posted_at + interval '1 microsecond' WHERE transfer_id = T;
         UPDATE banking.transactions SET transaction_date = transaction_date + interval '1 microsecond' WHERE transfer_id = T;
         UPDATE banking.accounts SET last_entry_at = last_entry_at + interval '1 microsecond' WHERE account_id IN (A, B)",
        "DELETE FROM banking.transactions WHERE transfer_id = T;
         DELETE FROM banking.transfers WHERE transfer_id = T;
         UPDATE banking.accounts SET current_balance = 100, last_entry_number = 1,
             last_entry_at = (SELECT max(transaction_date) FROM banking.transactions WHERE account_id = A) WHERE account_id = A;
         UPDATE banking.accounts SET current_balance = 0, last_entry_number = 0, last_entry_at = NULL WHERE account_id = B",
    ];
    for change in changes {
        let transaction = superuser.begin().await.unwrap();
        let change = change
            .replace("= T", &format!("= '{transfer}'"))
            .replace("= A", &format!("= '{a}'"))
            .replace("= B", &format!("= '{b}'"))
            .replace("(A, B)", &format!("('{a}', '{b}')"));
        let statements = std::iter::once(GUARDS_OFF).chain(change.split(';'));
        for sql in statements.chain(std::iter::once(GUARDS_ON)) {
            run(&transaction, sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        assert_eq!(
            audit::violations(&transaction).await.unwrap(),
            [],
            "seen, so docs/tampering.md is out of date: {change}"
        );
        transaction.rollback().await.unwrap();
    }
    let count = "SELECT count(*) FROM banking.transfers";
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement(count, []))
            .await
            .unwrap(),
        2
    );
}

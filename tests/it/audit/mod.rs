//! The audit: silent on a sound bank, and naming each violated invariant.

use neobank_db::{Database, DatabaseError, Executor, Transaction, statement};
use neobank_domain::{TransferRequest, audit};

use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};

use crate::pool::until;

mod tampering;

on_both_versions!(
    sound_bank_has_no_violation,
    audit_reads_one_snapshot,
    every_violated_invariant_is_named,
    missing_or_changed_guard_is_named,
);

async fn sound_bank_has_no_violation(bank: TestBank) {
    assert_eq!(audit::violations(&bank.database).await.unwrap(), []);
    let (from, to) = (bank.account(czk("10")).await, bank.account(czk("0")).await);
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("10")))
        .await
        .unwrap();
    neobank_domain::accounts::close(&bank.database, from)
        .await
        .unwrap();
    assert_eq!(audit::violations(&bank.database).await.unwrap(), []);
}

/// All queries of the audit read one snapshot, however long it takes.
async fn audit_reads_one_snapshot(bank: TestBank) {
    bank.account(czk("10")).await;
    let superuser = bank.superuser().await;
    let holder = superuser.begin().await.unwrap();
    run(&holder, "LOCK TABLE banking.accounts").await.unwrap();
    let database = bank.database.clone();
    let auditor = tokio::spawn(async move { audit::violations(&database).await });
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'banking.accounts'::regclass)";
    let watcher = bank.superuser().await;
    until("the auditor waits for the accounts", async || {
        watcher.fetch_value(statement(waits, [])).await.unwrap()
    })
    .await;
    // The audit must not see a change that commits after its start, even one that violates
    // everything.
    for sql in [
        GUARDS_OFF,
        "UPDATE banking.accounts SET current_balance = current_balance + 1 WHERE account_type = 'checking'",
        GUARDS_ON,
    ] {
        run(&holder, sql).await.unwrap();
    }
    holder.commit().await.unwrap();
    assert_eq!(auditor.await.unwrap().unwrap(), []);
    assert_ne!(audit::violations(&superuser).await.unwrap(), []);
}

/// SQL that violates one invariant past every trigger, and the checks that must report it.
///
/// `A` and `B` are accounts with balances of 70 and 30. `T` is the transfer between them: entry 2
/// of `A` and entry 1 of `B`.
const VIOLATIONS: &[(&str, &[&str])] = &[
    (
        "UPDATE banking.transactions SET amount = amount + 1 WHERE transfer_id = T AND transaction_type = 'debit'",
        &[
            "transfer sums to zero",
            "transfer has its entries",
            "running balance is the one before plus the entry",
            "balance is the sum of the entries",
        ],
    ),
    (
        "DELETE FROM banking.transactions WHERE transfer_id = T AND transaction_type = 'credit'",
        &[
            "transfer sums to zero",
            "transfer has its entries",
            "balance is the sum of the entries",
            "balance is the last running balance",
            "account knows its last entry",
        ],
    ),
    ("DELETE FROM banking.transactions WHERE transfer_id = T", &[
        "transfer has its entries",
        "balance is the sum of the entries",
        "balance is the last running balance",
        "account knows its last entry",
    ]),
    ("UPDATE banking.transfers SET amount = 31 WHERE transfer_id = T", &["transfer has its entries"]),
    ("UPDATE banking.transfers SET posted_at = posted_at - interval '1 second' WHERE transfer_id = T", &["transfer has its entries"]),
    ("UPDATE banking.transfers SET to_account_id = C WHERE transfer_id = T", &["transfer has its entries"]),
    (
        "UPDATE banking.transfers SET to_account_id = gen_random_uuid() WHERE transfer_id = T",
        &["transfer has its entries", "transfer names accounts that exist"],
    ),
    ("DELETE FROM banking.transfers WHERE transfer_id = T", &["entry has its transfer"]),
    (
        "UPDATE banking.transactions SET currency_code = 'EUR' WHERE transfer_id = T AND transaction_type = 'credit'",
        &["entry is on an account of its currency", "transfer has its entries"],
    ),
    (
        "UPDATE banking.transactions SET amount = 30.001 WHERE transfer_id = T; UPDATE banking.transfers SET amount = 30.001 WHERE transfer_id = T",
        &[
            "entry is on an account of its currency",
            "running balance is the one before plus the entry",
            "balance is the sum of the entries",
        ],
    ),
    (
        "ALTER DOMAIN banking.amount DROP CONSTRAINT amount_is_valid;
         UPDATE banking.transactions SET amount = -30 WHERE transfer_id = T; UPDATE banking.transfers SET amount = -30 WHERE transfer_id = T",
        &[
            "amount is a positive number",
            "running balance is the one before plus the entry",
            "balance is the sum of the entries",
        ],
    ),
    (
        "ALTER DOMAIN banking.amount DROP CONSTRAINT amount_is_valid;
         UPDATE banking.transactions SET amount = 'NaN' WHERE transfer_id = T; UPDATE banking.transfers SET amount = 'NaN' WHERE transfer_id = T",
        &[
            "amount is a positive number",
            "transfer sums to zero",
            "running balance is the one before plus the entry",
            "balance is the sum of the entries",
        ],
    ),
    (
        "UPDATE banking.transactions SET running_balance = 69 WHERE transfer_id = T AND transaction_type = 'debit'",
        &["running balance is the one before plus the entry", "balance is the last running balance"],
    ),
    (
        "UPDATE banking.transactions SET running_balance = 99 WHERE account_id = A AND entry_number = 1",
        &["running balance is the one before plus the entry"],
    ),
    (
        "UPDATE banking.transactions SET entry_number = 3 WHERE transfer_id = T AND account_id = A; UPDATE banking.transfers SET from_entry_number = 3 WHERE transfer_id = T",
        &["entries are numbered without a gap"],
    ),
    (
        "UPDATE banking.transactions SET transaction_date = '1990-01-01' WHERE transfer_id = T; UPDATE banking.transfers SET posted_at = '1990-01-01' WHERE transfer_id = T",
        &["times of an account never go back", "account knows its last entry"],
    ),
    (
        "UPDATE banking.accounts SET current_balance = 71 WHERE account_id = A",
        &["balance is the sum of the entries", "balance is the last running balance", "accounts of a currency sum to zero"],
    ),
    ("UPDATE banking.accounts SET last_entry_number = 9 WHERE account_id = A", &["account knows its last entry"]),
    ("UPDATE banking.accounts SET last_entry_at = NULL WHERE account_id = A", &["account knows its last entry"]),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_within_limit; UPDATE banking.accounts SET held_balance = 70.01 WHERE account_id = A",
        &["account is within its limit"],
    ),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_closed_at_zero;
         UPDATE banking.accounts SET account_status = 'closed', closed_at = now() WHERE account_id = A",
        &["closed account is empty"],
    ),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_closed_at_zero;
         UPDATE banking.accounts SET account_status = 'closed', closed_at = now(), overdraft_limit = 1, held_balance = 1 WHERE account_id = C",
        &["closed account is empty"],
    ),
    ("UPDATE banking.accounts SET account_status = 'blocked' WHERE account_id = A", &["account follows its customer"]),
    ("UPDATE banking.customers SET customer_status = 'suspended'", &["account follows its customer"]),
    ("UPDATE banking.accounts SET account_number = 'SYS-FEES-XXX' WHERE account_id = A", &["system account is the bank's own"]),
    (
        "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units)
         SELECT banking.system_account_id('fees', 'EUR'), customer_id, 'checking', 'EUR', 2 FROM banking.accounts WHERE account_id = A",
        &["system account is the bank's own"],
    ),
];

/// The names of all checks except those of the guards.
const CHECKS: [&str; 18] = [
    "transfer sums to zero",
    "transfer has its entries",
    "entry has its transfer",
    "transfer names accounts that exist",
    "entry is on an account of its currency",
    "amount is a positive number",
    "running balance is the one before plus the entry",
    "entries are numbered without a gap",
    "times of an account never go back",
    "balance is the sum of the entries",
    "balance is the last running balance",
    "account knows its last entry",
    "account is within its limit",
    "closed account is empty",
    "held balance is the sum of the open holds",
    "accounts of a currency sum to zero",
    "account follows its customer",
    "system account is the bank's own",
];

async fn every_violated_invariant_is_named(bank: TestBank) {
    let (a, b, c) = (
        bank.account(czk("100")).await,
        bank.account(czk("0")).await,
        bank.account(czk("0")).await,
    );
    let transfer = bank
        .ledger
        .transfer(TransferRequest::new(a, b, czk("30")))
        .await
        .unwrap()
        .transfer_id;
    let superuser = bank.superuser().await;
    let mut reported = std::collections::BTreeSet::new();
    for (violation, expected) in VIOLATIONS {
        let sql = violation
            .replace("= T", &format!("= '{transfer}'"))
            .replace("= A", &format!("= '{a}'"))
            .replace("= C", &format!("= '{c}'"));
        let found = after(&superuser, &sql).await;
        for check in *expected {
            assert!(
                found.iter().any(|name| name == check),
                "{check} was not reported after: {sql}\n{found:?}"
            );
        }
        assert!(!found.is_empty(), "nothing was reported after: {sql}");
        reported.extend(found.into_iter().filter(|name| name != "guard is in place"));
        assert_eq!(
            audit::violations(&superuser).await.unwrap(),
            [],
            "not rolled back: {sql}"
        );
    }
    assert_eq!(reported.iter().map(String::as_str).collect::<Vec<_>>(), {
        let mut all = CHECKS;
        all.sort_unstable();
        all
    });
}

/// Returns the names of the checks that report these statements' violation, and rolls the
/// statements back.
async fn after(superuser: &Database, sql: &str) -> Vec<String> {
    let transaction = superuser.begin().await.unwrap();
    let statements = std::iter::once(GUARDS_OFF).chain(sql.split(';'));
    for sql in statements.chain(std::iter::once(GUARDS_ON)) {
        run(&transaction, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let names = audit::violations(&transaction)
        .await
        .unwrap()
        .into_iter()
        .map(|violation| violation.check_name)
        .collect();
    transaction.rollback().await.unwrap();
    names
}

async fn run(transaction: &Transaction, sql: &str) -> Result<u64, DatabaseError> {
    transaction.execute(statement(sql, [])).await
}

async fn missing_or_changed_guard_is_named(bank: TestBank) {
    let superuser = bank.superuser().await;
    let guards = [
        ("transactions_apply_entries", "transactions"),
        ("transactions_append_only", "transactions"),
        ("transfers_append_only", "transfers"),
        ("transfers_name_accounts", "transfers"),
        ("accounts_balance_follows_journal", "accounts"),
        ("accounts_open_empty", "accounts"),
        ("accounts_never_deleted", "accounts"),
        ("accounts_guard_closed", "accounts"),
        ("accounts_log", "accounts"),
        ("accounts_zone_is_open", "accounts"),
        ("accounts_guard_system_insert", "accounts"),
        ("accounts_guard_system_update", "accounts"),
        ("accounts_valid_terms", "accounts"),
        ("accounts_follow_customer", "accounts"),
    ];
    let of_tables = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE '%\\_touch'
                     AND tgrelid IN ('banking.transactions'::regclass, 'banking.transfers'::regclass, 'banking.accounts'::regclass)";
    let count: i64 = superuser
        .fetch_value(statement(of_tables, []))
        .await
        .unwrap();
    assert_eq!(
        count,
        guards.len() as i64,
        "a guard is missing from this test"
    );
    for (guard, table) in guards {
        let other = if table == "accounts" {
            "transfers"
        } else {
            "accounts"
        };
        let on_another_table = format!(
            "DROP TRIGGER {guard} ON banking.{table};
             CREATE TRIGGER {guard} BEFORE DELETE ON banking.{other} FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()"
        );
        let calling_another = format!(
            "DROP TRIGGER {guard} ON banking.{table};
             CREATE TRIGGER {guard} BEFORE DELETE ON banking.{table} FOR EACH STATEMENT
             EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
        );
        for sql in [
            format!("ALTER TABLE banking.{table} DISABLE TRIGGER {guard}"),
            format!("ALTER TABLE banking.{table} ENABLE REPLICA TRIGGER {guard}"),
            format!("DROP TRIGGER {guard} ON banking.{table}"),
            on_another_table,
            calling_another,
        ] {
            let transaction = superuser.begin().await.unwrap();
            for sql in sql.split(';') {
                run(&transaction, sql)
                    .await
                    .unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
            let found = audit::violations(&transaction).await.unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|violation| (violation.check_name.as_str(), violation.subject.as_str()))
                .collect();
            assert_eq!(found, [("guard is in place", guard)], "{sql}");
            transaction.rollback().await.unwrap();
        }
    }
    // The audit still reports the missing trigger when its function is gone too.
    let transaction = superuser.begin().await.unwrap();
    run(
        &transaction,
        "DROP FUNCTION banking.apply_entries() CASCADE",
    )
    .await
    .unwrap();
    let found = audit::violations(&transaction).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].subject, "transactions_apply_entries");
    transaction.rollback().await.unwrap();
}

//! The limits of the roles of applications and readers.

use neobank_db::{Database, Executor, statement};
use neobank_domain::ledger::SystemAccount;

use super::assert_rejected;
use crate::harness::{TestBank, czk};

on_both_versions!(
    application_cannot_open_an_account_without_a_limit,
    application_cannot_change_system_accounts,
    application_lacks_the_owners_privileges,
    functions_are_executable_by_granted_roles_only,
    reader_can_read_and_cannot_write,
);

async fn application_cannot_open_an_account_without_a_limit(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let insert = |account_type: &str, customer: &str, limit: &str| {
        format!(
            "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit)
             SELECT gen_random_uuid(), {customer}, '{account_type}', 'CZK', 2, {limit} FROM banking.accounts WHERE account_id = '{account}'"
        )
    };
    for (sql, sqlstate) in [
        (insert("system", "NULL", "NULL"), "42501"),
        (insert("system", "customer_id", "0"), "42501"),
        (insert("checking", "customer_id", "NULL"), "23514"),
        (insert("checking", "NULL", "0"), "23514"),
        (insert("checking", "customer_id", "-1"), "23514"),
        (insert("loan", "customer_id", "0"), "23514"),
        (
            format!(
                "UPDATE banking.accounts SET overdraft_limit = NULL WHERE account_id = '{account}'"
            ),
            "23514",
        ),
        (
            format!(
                "UPDATE banking.accounts SET overdraft_limit = -1 WHERE account_id = '{account}'"
            ),
            "23514",
        ),
        (
            format!(
                "UPDATE banking.accounts SET account_type = 'system' WHERE account_id = '{account}'"
            ),
            "42501",
        ),
    ] {
        assert_rejected(&bank, &bank.database, &sql, sqlstate).await;
    }
}

async fn application_cannot_change_system_accounts(bank: TestBank) {
    bank.account(czk("10")).await;
    let external = SystemAccount::External.id(czk("0").currency());
    for change in [
        "account_status = 'frozen'",
        "account_status = 'closed', closed_at = now()",
        "overdraft_limit = 5",
        "overdraft_limit = overdraft_limit",
        "time_zone = 'Europe/Prague'",
        "closed_at = now()",
    ] {
        let sql = format!("UPDATE banking.accounts SET {change} WHERE account_id = '{external}'");
        assert_rejected(&bank, &bank.database, &sql, "42501").await;
    }
}

async fn application_lacks_the_owners_privileges(bank: TestBank) {
    bank.account(czk("10")).await;
    for sql in [
        "ALTER TABLE banking.transactions DISABLE TRIGGER ALL",
        "ALTER TABLE banking.accounts DISABLE TRIGGER accounts_balance_follows_journal",
        "DROP TRIGGER transactions_apply_entries ON banking.transactions",
        "CREATE TRIGGER mine BEFORE INSERT ON banking.transactions FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()",
        "CREATE RULE mine AS ON INSERT TO banking.transactions DO INSTEAD NOTHING",
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_within_limit",
        "ALTER DOMAIN banking.amount DROP CONSTRAINT amount_is_valid",
        "CREATE OR REPLACE FUNCTION banking.apply_entries() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE TABLE banking.mine ()",
        "CREATE TABLE public.mine ()",
        "DROP TABLE banking.transactions",
        "DROP SCHEMA banking CASCADE",
        "SET LOCAL session_replication_role = replica",
        "SELECT setval('banking.account_number_sequence', 1)",
        "CREATE TEMPORARY TABLE mine () INHERITS (banking.transactions) ON COMMIT DROP",
        "INSERT INTO banking.currencies VALUES ('XXX', 2)",
        "UPDATE banking.customers SET customer_number = 'C1'",
        "UPDATE banking.customers SET created_at = now()",
    ] {
        assert_rejected(&bank, &bank.database, sql, "42501").await;
    }
    // In PostgreSQL, granting a privilege that the grantor lacks is a warning and grants nothing.
    let grant = bank
        .database
        .execute(statement("GRANT UPDATE ON banking.accounts TO PUBLIC", []))
        .await;
    let granted: bool = bank
        .database
        .fetch_value(statement(
            "SELECT has_table_privilege('neobank_read', 'banking.accounts', 'UPDATE')",
            [],
        ))
        .await
        .unwrap();
    assert!(!granted, "{grant:?}");
}

async fn functions_are_executable_by_granted_roles_only(bank: TestBank) {
    let sql = "SELECT string_agg(p.proname || ' ' || r.rolname, ', ' ORDER BY p.proname, r.rolname)
               FROM pg_proc AS p, pg_roles AS r
               WHERE p.pronamespace = 'banking'::regnamespace AND r.rolname IN ('neobank_app', 'neobank_read', 'neobank_import')
                 AND has_function_privilege(r.oid, p.oid, 'EXECUTE')";
    let granted: String = bank.database.fetch_value(statement(sql, [])).await.unwrap();
    assert_eq!(
        granted,
        "advance_consumer neobank_app, advance_webhook neobank_app, audit neobank_app, audit neobank_read, audit_guards neobank_app, \
         audit_guards neobank_read, \
         available_balance neobank_app, available_balance neobank_import, available_balance neobank_read, \
         close_period neobank_app, consumer_lags neobank_app, consumer_lags neobank_read, create_api_key neobank_app, create_webhook neobank_app, delete_webhook neobank_app, \
         end_webhook_redelivery neobank_app, expire_due_holds neobank_app, \
         is_system_account neobank_app, is_system_account neobank_read, \
         limit_uses neobank_app, limit_uses neobank_import, limit_uses neobank_read, lock_open_days neobank_app, \
         lock_open_days neobank_import, note_api_key_use neobank_app, note_webhook_failure neobank_app, open_system_accounts neobank_app, \
         open_system_accounts neobank_import, post_transfers neobank_app, post_transfers neobank_import, \
         post_transfers_optimistic neobank_app, post_transfers_optimistic neobank_import, \
         post_transfers_pipelined neobank_app, post_transfers_pipelined neobank_import, \
         post_unless_rejected neobank_app, post_unless_rejected neobank_import, \
         read_events neobank_app, read_events neobank_read, read_webhook_secrets neobank_app, \
         redeliver_webhook_event neobank_app, remove_account_limit neobank_app, reopen_account neobank_app, \
         reopen_period neobank_app, replay_webhook neobank_app, revoke_api_key neobank_app, \
         rotate_webhook_secret neobank_app, seal neobank_app, \
         sealing_lag neobank_app, sealing_lag neobank_read, set_account_limit neobank_app, \
         start_of_day neobank_app, start_of_day neobank_import, start_of_day neobank_read, \
         system_account_id neobank_app, system_account_id neobank_import, system_account_id neobank_read, \
         update_account_optimistic neobank_app, update_webhook neobank_app, uuid_v7 neobank_app, uuid_v7 neobank_import, \
         verify_chain neobank_app, verify_chain neobank_read, verify_coverage neobank_app, \
         verify_coverage neobank_read, verify_seals neobank_app, verify_seals neobank_read, webhook_states neobank_app"
    );
    // A role that is neither has no privileges, also not through PUBLIC.
    let superuser = bank.superuser().await;
    let sql = "SELECT count(*) FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS granted
               WHERE p.pronamespace IN ('banking'::regnamespace) AND granted.grantee = 0";
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap(),
        0
    );
    // Every function pins its search path, so that a caller's schema never comes first.
    let sql = "SELECT count(*) FROM pg_proc AS p WHERE p.pronamespace = 'banking'::regnamespace
                 AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)";
    assert_eq!(
        superuser
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap(),
        0
    );
    // The security-definer function opens its accounts once, and none for a text that is not a
    // currency.
    for text in ["XXX", "", "czk", "'; DROP TABLE banking.accounts; --"] {
        let before = bank.fingerprint().await;
        let sql = "SELECT banking.open_system_accounts($1)::text";
        bank.database
            .execute(statement(sql, [text.into()]))
            .await
            .unwrap();
        assert_eq!(bank.fingerprint().await, before, "{text}");
    }
}

async fn reader_can_read_and_cannot_write(bank: TestBank) {
    bank.account(czk("10")).await;
    let mut config = bank.config();
    config.role = Some("neobank_read".to_owned());
    let reader = Database::connect(config).await.unwrap();
    for table in [
        "customers",
        "accounts",
        "transfers",
        "transactions",
        "currencies",
        "customer_preferences",
    ] {
        reader
            .execute(statement(&format!("SELECT * FROM banking.{table}"), []))
            .await
            .unwrap();
        assert_rejected(
            &bank,
            &reader,
            &format!("INSERT INTO banking.{table} DEFAULT VALUES"),
            "42501",
        )
        .await;
        assert_rejected(
            &bank,
            &reader,
            &format!("DELETE FROM banking.{table}"),
            "42501",
        )
        .await;
    }
    assert_rejected(
        &bank,
        &reader,
        "SELECT banking.open_system_accounts('EUR')",
        "42501",
    )
    .await;
    assert_eq!(
        neobank_domain::audit::violations(&reader).await.unwrap(),
        []
    );
}

//! A role with the application's privileges and with objects of its own that shadow the names in
//! the triggers.

use neobank_db::{Database, Executor, statement};
use neobank_domain::TransferRequest;

use super::assert_rejected;
use crate::harness::{TestBank, czk};

on_both_versions!(shadowing_objects_change_nothing);

async fn shadowing_objects_change_nothing(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    let role = format!("attacker_{}", bank.config().database);
    for sql in [
        format!("CREATE ROLE {role} NOLOGIN IN ROLE neobank_app"),
        "GRANT CREATE ON SCHEMA public TO PUBLIC".to_owned(),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    let mut config = bank.config();
    config.role = Some(role.clone());
    config.pool_max = 1;
    let attacker = Database::connect(config).await.unwrap();
    // The pool rejects temporary tables, but does not look into a block.
    // Functions and operators that return true for everything, and tables with the names that the
    // triggers use.
    for sql in [
        "CREATE FUNCTION public.yes(numeric, numeric) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'",
        "CREATE OPERATOR public.= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.yes)",
        "CREATE OPERATOR public.>= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.yes)",
        "CREATE FUNCTION public.scale(numeric) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 0'",
        "CREATE FUNCTION public.round(numeric, integer) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION public.pg_has_role(name, oid, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'",
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$SELECT timestamptz '9000-01-01'$$",
        "CREATE TABLE public.pg_class (oid oid, relowner oid)",
        "DO $$BEGIN CREATE TEMPORARY TABLE new_entries (LIKE banking.transactions); END$$",
        "DO $$BEGIN CREATE TEMPORARY TABLE chained (LIKE banking.transactions); END$$",
        "DO $$BEGIN CREATE TEMPORARY TABLE movements (account_id uuid); END$$",
        "DO $$BEGIN CREATE TEMPORARY TABLE accounts (LIKE banking.accounts); END$$",
        "DO $$BEGIN CREATE TEMPORARY TABLE pg_class (oid oid, relowner oid); END$$",
        "CREATE TYPE pg_temp.numeric AS (x integer)",
    ] {
        attacker
            .execute(statement(sql, []))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let path = "SET LOCAL search_path = pg_temp, public, pg_catalog";
    let transfer = |amount: &str| {
        format!(
            "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                 to_entry_number, amount, currency_code, posted_at)
             VALUES ('00000000-0000-7000-8000-000000000001', 'transfer', '{from}', '{to}', 2, 1, {amount}, 'CZK', now())"
        )
    };
    let entries = |amount: &str, balance: &str, credited: &str, payee_balance: &str| {
        format!(
            "INSERT INTO banking.transactions (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
                 currency_code, running_balance, transaction_date)
             VALUES (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', '{from}', 2, 'debit', {amount}, 'CZK', {balance}, now()),
                    (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', '{to}', 1, 'credit', {credited}, 'CZK', {payee_balance}, now())"
        )
    };
    // The owner has the privilege to insert; the attacker's objects in his search path change
    // nothing either.
    for (sql, sqlstate) in [
        (
            format!(
                "{path}; {}; {}",
                transfer("1"),
                entries("1", "99", "1000", "1000")
            ),
            "NB001",
        ),
        (
            format!(
                "{path}; {}; {}",
                transfer("1"),
                entries("1", "100", "1", "1")
            ),
            "NB002",
        ),
        (
            format!(
                "{path}; {}; {}",
                transfer("0.001"),
                entries("0.001", "99.999", "0.001", "0.001")
            ),
            "NB002",
        ),
        (
            format!(
                "{path}; {}; {}",
                transfer("500"),
                entries("500", "-400", "500", "500")
            ),
            "23514",
        ),
    ] {
        assert_rejected(&bank, &superuser, &sql, sqlstate).await;
    }
    for (sql, sqlstate) in [
        (format!("{path}; {}", transfer("1")), "42501"),
        (format!("{path}; {}", entries("1", "99", "1", "1")), "42501"),
        (format!("{path}; INSERT INTO banking.accounts (account_id, account_type, currency_code, minor_units, overdraft_limit)
            VALUES (gen_random_uuid(), 'system', 'CZK', 2, NULL)"), "42501"),
        (format!("{path}; UPDATE banking.accounts SET current_balance = 1000000 WHERE account_id = '{to}'"), "42501"),
        (format!("{path}; SELECT banking.apply_entries()"), "42501"),
    ] {
        assert_rejected(&bank, &attacker, &sql, sqlstate).await;
    }
    // The attacker's own trigger would run within the depth of the triggers, but has no privilege
    // on a balance there either.
    for sql in [
        "DO $$BEGIN CREATE TEMPORARY TABLE lever (n integer); END$$",
        "CREATE FUNCTION public.pull() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN UPDATE banking.accounts SET current_balance = 1000000; RETURN NULL; END$$",
        "CREATE TRIGGER lever AFTER INSERT ON lever FOR EACH STATEMENT EXECUTE FUNCTION public.pull()",
    ] {
        attacker
            .execute(statement(sql, []))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    assert_rejected(&bank, &attacker, "INSERT INTO lever VALUES (1)", "42501").await;
    // The attack does not affect other callers.
    bank.ledger
        .transfer(TransferRequest::new(from, to, czk("1")))
        .await
        .unwrap();
    bank.assert_sound().await;
    attacker.close();
    for sql in [
        format!("DROP OWNED BY {role} CASCADE"),
        format!("DROP ROLE {role}"),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
}

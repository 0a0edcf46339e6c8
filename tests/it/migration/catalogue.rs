//! Differences from the shipped schema: each tampering, and the objects that `migrate status` and
//! `neobank audit` name.

use neobank_db::{Database, DatabaseConfig, Executor, Transaction, statement};
use neobank_migration::{
    CatalogueStatus, MigrationStatus, ObjectState, ObjectStatus, Rollout, RolloutOptions, Status,
    Verdict, status_within,
};
use serde_json::Value;

use super::bank;
use crate::cli::program::run;
use crate::harness::EmptyDatabase;

/// A tampering, and the named objects with a substring of each message. A line is a statement.
type Tampering = (&'static str, &'static [&'static str]);

const FUNCTIONS: &[Tampering] = &[
    (
        "CREATE OR REPLACE FUNCTION banking.reject_journal_change() RETURNS trigger LANGUAGE plpgsql
             SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
        &["function banking.reject_journal_change() is not as shipped: another body"],
    ),
    (
        "ALTER FUNCTION banking.open_system_accounts(text) SECURITY INVOKER",
        &["function banking.open_system_accounts(text) is not as shipped: rights: of its caller (shipped: of its owner)"],
    ),
    (
        "ALTER FUNCTION banking.reject_journal_change() RESET search_path",
        &[
            "function banking.reject_journal_change() is not as shipped: settings: nothing (shipped: search_path=pg_catalog, pg_temp)",
        ],
    ),
    (
        "ALTER FUNCTION banking.reject_journal_change() SET search_path = public, pg_catalog",
        &[
            "function banking.reject_journal_change() is not as shipped: settings: search_path=public, pg_catalog (shipped: search_path=pg_catalog, pg_temp)",
        ],
    ),
    (
        "ALTER FUNCTION banking.uuid_v7() IMMUTABLE",
        &["function banking.uuid_v7() is not as shipped: properties: immutable"],
    ),
    (
        "ALTER FUNCTION banking.audit() OWNER TO neobank_read",
        &["function banking.audit() is not as shipped: owner: neobank_read (shipped: the owner)"],
    ),
    (
        "GRANT EXECUTE ON FUNCTION banking.open_system_accounts(text) TO PUBLIC",
        &["function banking.open_system_accounts(text) is not as shipped: privileges of PUBLIC: EXECUTE (shipped: nothing)"],
    ),
    (
        "DROP FUNCTION concurrency.release_lease(text, text, uuid, bigint)",
        &["function concurrency.release_lease(text, text, uuid, bigint) is missing"],
    ),
    (
        "CREATE FUNCTION banking.uuid_v7(text) RETURNS uuid LANGUAGE sql AS 'SELECT pg_catalog.gen_random_uuid()'",
        &["function banking.uuid_v7(text) was not shipped"],
    ),
    (
        "CREATE FUNCTION banking.equal(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'
         CREATE OPERATOR banking.= (FUNCTION = banking.equal, LEFTARG = text, RIGHTARG = text)",
        &["function banking.equal(text, text) was not shipped", "operator banking.=(pg_catalog.text,pg_catalog.text) was not shipped"],
    ),
];

const TRIGGERS: &[Tampering] = &[
    (
        "DROP TRIGGER transfers_append_only ON banking.transfers",
        &["trigger transfers_append_only on banking.transfers is missing"],
    ),
    (
        "ALTER TABLE banking.transactions DISABLE TRIGGER transactions_append_only",
        &[
            "trigger transactions_append_only on banking.transactions is not as shipped: fires: never (shipped: always)",
        ],
    ),
    (
        "ALTER TABLE banking.transactions ENABLE TRIGGER transactions_append_only",
        &[
            "trigger transactions_append_only on banking.transactions is not as shipped: fires: unless replicating",
        ],
    ),
    (
        "CREATE OR REPLACE TRIGGER transfers_append_only BEFORE DELETE ON banking.transfers
             FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()
         ALTER TABLE banking.transfers ENABLE ALWAYS TRIGGER transfers_append_only",
        &["trigger transfers_append_only on banking.transfers is not as shipped: definition: "],
    ),
    (
        "CREATE OR REPLACE TRIGGER transactions_apply_entries AFTER INSERT ON banking.transactions
             REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT WHEN (false)
             EXECUTE FUNCTION banking.apply_entries()",
        &[
            "trigger transactions_apply_entries on banking.transactions is not as shipped: definition: ",
        ],
    ),
    (
        "ALTER TYPE banking.new_transfer ADD ATTRIBUTE note text",
        &["type banking.new_transfer is not as shipped: fields: "],
    ),
    (
        "GRANT USAGE ON TYPE banking.new_transfer TO PUBLIC",
        &["type banking.new_transfer is not as shipped: privileges of PUBLIC: "],
    ),
    (
        "CREATE TRIGGER mine BEFORE INSERT ON banking.transfers FOR EACH ROW
             EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        &["trigger mine on banking.transfers was not shipped"],
    ),
    (
        "ALTER TABLE banking.customers DISABLE TRIGGER customers_touch",
        &["trigger customers_touch on banking.customers is not as shipped: fires: never"],
    ),
    // As pg_restore --disable-triggers does, also for the triggers of foreign keys.
    (
        "ALTER TABLE concurrency.lock_leases DISABLE TRIGGER ALL",
        &[
            "constraint lock_leases_lock_key_fkey on concurrency.lock_leases is not as shipped: enforced by: 2 disabled triggers, 2 triggers",
        ],
    ),
    (
        "ALTER ROLE neobank_app SET session_replication_role = replica",
        &["setting session_replication_role of neobank_app in every database was not shipped"],
    ),
];

const TABLES: &[Tampering] = &[
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_within_limit",
        &["constraint accounts_within_limit on banking.accounts is missing"],
    ),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_within_limit
         ALTER TABLE banking.accounts ADD CONSTRAINT accounts_within_limit CHECK (true)",
        &["constraint accounts_within_limit on banking.accounts is not as shipped: definition: CHECK (true)"],
    ),
    (
        "ALTER TABLE banking.transfers DROP CONSTRAINT transfers_accounts_differ
         ALTER TABLE banking.transfers ADD CONSTRAINT transfers_accounts_differ CHECK (from_account_id <> to_account_id) NOT VALID",
        &["constraint transfers_accounts_differ on banking.transfers is not as shipped: validated: no (shipped: yes)"],
    ),
    (
        "ALTER DOMAIN banking.amount DROP CONSTRAINT amount_is_valid",
        &["constraint amount_is_valid on banking.amount is missing"],
    ),
    (
        "ALTER TABLE banking.accounts DROP CONSTRAINT accounts_customer_id_fkey",
        &["constraint accounts_customer_id_fkey on banking.accounts is missing"],
    ),
    (
        "ALTER TABLE banking.transfers ADD CONSTRAINT mine CHECK (amount < 1000)",
        &["constraint mine on banking.transfers was not shipped"],
    ),
    (
        "DROP INDEX banking.transfers_idempotency_key_key",
        &["index transfers_idempotency_key_key on banking.transfers is missing"],
    ),
    (
        "DROP INDEX banking.transfers_idempotency_key_key
         CREATE INDEX transfers_idempotency_key_key ON banking.transfers (idempotency_key) WHERE idempotency_key IS NOT NULL",
        &["index transfers_idempotency_key_key on banking.transfers is not as shipped: definition: CREATE INDEX"],
    ),
    (
        "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'banking.customers_email_key'::regclass",
        &["index customers_email_key on banking.customers is not as shipped: usable: no (shipped: yes)"],
    ),
    (
        "CREATE UNIQUE INDEX mine ON banking.transfers (from_account_id)",
        &["index mine on banking.transfers was not shipped"],
    ),
    (
        "CREATE FUNCTION public.spy(uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS 'SELECT $1'
         CREATE INDEX mine ON banking.transfers (public.spy(from_account_id))",
        &["index mine on banking.transfers was not shipped"],
    ),
    (
        "CREATE RULE mine AS ON INSERT TO banking.transactions DO INSTEAD NOTHING",
        &["rule mine on banking.transactions was not shipped"],
    ),
    (
        "ALTER TABLE banking.transactions ENABLE ROW LEVEL SECURITY
         CREATE POLICY mine ON banking.transactions USING (false)",
        &[
            "policy mine on banking.transactions was not shipped",
            "table banking.transactions is not as shipped: row security: on (shipped: nothing)",
        ],
    ),
    (
        "ALTER TABLE banking.transactions FORCE ROW LEVEL SECURITY",
        &["table banking.transactions is not as shipped: row security: forced"],
    ),
    (
        "CREATE TABLE public.more () INHERITS (banking.transactions)",
        &["inheritance public.more from banking.transactions was not shipped"],
    ),
    (
        "ALTER TABLE banking.unfinished_transfers SET UNLOGGED",
        &["table banking.unfinished_transfers is not as shipped: persistence: unlogged (shipped: logged)"],
    ),
    (
        "ALTER TABLE banking.accounts ALTER COLUMN account_status SET DEFAULT 'closed'",
        &["column banking.accounts.account_status is not as shipped: default: 'closed'::text (shipped: 'active'::text)"],
    ),
    (
        "ALTER TABLE banking.transfers ALTER COLUMN posted_at DROP NOT NULL",
        &["column banking.transfers.posted_at is not as shipped: not null: no (shipped: yes)"],
    ),
    (
        "ALTER TABLE pooling.pool_stats ALTER COLUMN client_connections TYPE bigint",
        &["column pooling.pool_stats.client_connections is not as shipped: type: bigint (shipped: integer)"],
    ),
    (
        "ALTER TABLE banking.transfers ALTER COLUMN reference_number DROP EXPRESSION",
        &["column banking.transfers.reference_number is not as shipped: default: nothing"],
    ),
    (
        "ALTER TABLE banking.customers ADD COLUMN mine text",
        &["column banking.customers.mine was not shipped"],
    ),
    (
        "ALTER SEQUENCE banking.account_number_sequence CYCLE",
        &["sequence banking.account_number_sequence is not as shipped: numbers: "],
    ),
    (
        "CREATE OR REPLACE VIEW concurrency.v_held_locks AS
             SELECT * FROM (TABLE concurrency.v_held_locks) AS v WHERE false",
        &["view concurrency.v_held_locks is not as shipped: another query"],
    ),
    (
        "ALTER VIEW concurrency.v_lock_analysis SET (security_barrier)",
        &["view concurrency.v_lock_analysis is not as shipped: options: security_barrier=true (shipped: nothing)"],
    ),
    // A missing table is listed without its columns and constraints.
    (
        "DROP TABLE banking.customer_preferences",
        &["table banking.customer_preferences is missing"],
    ),
    (
        "CREATE TABLE banking.mine (id bigint PRIMARY KEY)",
        &["table banking.mine was not shipped"],
    ),
    (
        "CREATE TYPE banking.mine AS ENUM ('a')",
        &["type banking.mine was not shipped"],
    ),
];

const PRIVILEGES: &[Tampering] = &[
    (
        "GRANT UPDATE ON banking.transactions TO neobank_app",
        &[
            "table banking.transactions is not as shipped: privileges of neobank_app: SELECT, UPDATE (shipped: SELECT)",
        ],
    ),
    (
        "GRANT INSERT (amount) ON banking.transfers TO PUBLIC",
        &[
            "column banking.transfers.amount is not as shipped: privileges of PUBLIC: INSERT (shipped: nothing)",
        ],
    ),
    (
        "GRANT SELECT ON banking.customers TO pg_monitor WITH GRANT OPTION",
        &[
            "table banking.customers is not as shipped: privileges of pg_monitor: SELECT with grant option (shipped: nothing)",
        ],
    ),
    (
        "REVOKE SELECT ON banking.accounts FROM neobank_read",
        &[
            "table banking.accounts is not as shipped: privileges of neobank_read: nothing (shipped: SELECT)",
        ],
    ),
    (
        "GRANT UPDATE ON SEQUENCE banking.account_number_sequence TO neobank_app",
        &[
            "sequence banking.account_number_sequence is not as shipped: privileges of neobank_app: UPDATE, USAGE",
        ],
    ),
    (
        "GRANT CREATE ON SCHEMA banking TO neobank_app",
        &[
            "schema banking is not as shipped: privileges of neobank_app: CREATE, USAGE (shipped: USAGE)",
        ],
    ),
    (
        "ALTER TABLE banking.accounts OWNER TO neobank_read",
        &["table banking.accounts is not as shipped: owner: neobank_read (shipped: the owner)"],
    ),
    (
        "ALTER SCHEMA banking OWNER TO neobank_read",
        &["schema banking is not as shipped: owner: neobank_read (shipped: the owner)"],
    ),
    (
        "GRANT INSERT ON migration.checksums TO neobank_app",
        &[
            "table migration.checksums is not as shipped: privileges of neobank_app: INSERT (shipped: nothing)",
        ],
    ),
    (
        "GRANT pg_write_all_data TO neobank_app",
        &["role neobank_app is not as shipped: member of: pg_write_all_data (shipped: nothing)"],
    ),
    (
        "ALTER ROLE neobank_read LOGIN",
        &["role neobank_read is not as shipped: attributes: login (shipped: no login)"],
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA banking GRANT ALL ON TABLES TO neobank_app",
        &["in schema banking on tables was not shipped"],
    ),
];

/// Changes that a bank makes to its own database, and the notes about them.
const NOTED: &[Tampering] = &[
    (
        "CREATE INDEX mine ON banking.transfers (posted_at) WHERE amount > 1000",
        &["index mine on banking.transfers was not shipped"],
    ),
    (
        "ALTER TABLE banking.transactions SET (fillfactor = 90)
         ALTER INDEX banking.customers_email_key SET (fillfactor = 80)",
        &[
            "index customers_email_key on banking.customers is not as shipped: storage options: fillfactor=80",
            "table banking.transactions is not as shipped: storage options: ",
        ],
    ),
    (
        "CREATE STATISTICS banking.mine ON account_type, account_status FROM banking.accounts",
        &["statistics object banking.mine was not shipped"],
    ),
    (
        "CREATE ROLE neobank_test_member_of_groups ROLE pg_monitor
         GRANT neobank_app TO neobank_test_member_of_groups",
        &["role neobank_app is not as shipped: members: "],
    ),
    // Outside of the shipped schemas, so without a note.
    (
        "CREATE SCHEMA reports
         CREATE TABLE reports.daily (account_id uuid REFERENCES banking.accounts)
         CREATE VIEW reports.balances AS SELECT current_balance FROM banking.accounts
         GRANT SELECT ON reports.balances TO PUBLIC",
        &[],
    ),
];

macro_rules! on_rolled_out_databases {
    ($($test:ident),+ $(,)?) => {
        mod postgres_15 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(super::rolled_out(15).await).await;
                }
            )+
        }

        mod postgres_18 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(super::rolled_out(18).await).await;
                }
            )+
        }
    };
}

on_rolled_out_databases!(
    each_changed_function_is_named,
    each_changed_trigger_is_named,
    each_changed_table_is_named,
    each_changed_privilege_is_named,
    additions_of_a_bank_are_no_violations,
    status_and_audit_report_every_difference,
    pending_objects_are_not_compared,
    every_role_and_setting_sees_the_same_catalogue,
    public_access_is_revoked_and_restored,
    role_of_another_bank_is_reported,
    next_rollout_restores_altered_objects,
);

async fn rolled_out(version: u32) -> EmptyDatabase {
    let database = EmptyDatabase::owned_on(version).await;
    bank(&database).await.up().await.unwrap();
    database
}

async fn each_changed_function_is_named(database: EmptyDatabase) {
    each_is_named(&database, FUNCTIONS).await;
}

async fn each_changed_trigger_is_named(database: EmptyDatabase) {
    each_is_named(&database, TRIGGERS).await;
}

async fn each_changed_table_is_named(database: EmptyDatabase) {
    each_is_named(&database, TABLES).await;
}

async fn each_changed_privilege_is_named(database: EmptyDatabase) {
    each_is_named(&database, PRIVILEGES).await;
}

/// Checks each tampering by itself: exactly the listed objects are named.
async fn each_is_named(database: &EmptyDatabase, list: &[Tampering]) {
    let superuser = database.superuser().await;
    assert_eq!(named(&untouched(&superuser).await), [""; 0]);
    for (change, expected) in list {
        let transaction = superuser.begin().await.unwrap();
        tamper(&transaction, change).await;
        let found = status_within(&transaction).await.unwrap();
        check(change, &named(&found), expected);
        assert_eq!(found.verdict(), Verdict::Wrong, "{change}");
        transaction.rollback().await.unwrap();
    }
    assert_eq!(named(&untouched(&superuser).await), [""; 0]);
}

async fn additions_of_a_bank_are_no_violations(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    for (change, expected) in NOTED {
        let transaction = superuser.begin().await.unwrap();
        tamper(&transaction, change).await;
        let found = status_within(&transaction).await.unwrap();
        let notes: Vec<String> = found.notes().map(ToString::to_string).collect();
        check(change, &notes, expected);
        assert_eq!(named(&found), [""; 0], "{change}");
        assert_eq!(found.verdict(), Verdict::Current, "{change}");
        transaction.rollback().await.unwrap();
    }
}

fn check(change: &str, found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{change}: {found:#?}");
    for part in expected {
        assert!(
            found.iter().any(|found| found.contains(part)),
            "{change}: {part} is not in {found:#?}"
        );
    }
}

async fn tamper(transaction: &Transaction, change: &str) {
    // A statement begins at the list's own indent.
    for sql in change
        .split("\n         ")
        .fold(Vec::new(), whole_statements)
    {
        transaction
            .execute(statement(&sql, []))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Lines with a deeper indent continue the statement.
fn whole_statements(mut statements: Vec<String>, line: &str) -> Vec<String> {
    match statements.last_mut() {
        Some(last) if line.starts_with(' ') => last.push_str(line),
        _ => statements.push(line.to_owned()),
    }
    statements
}

async fn untouched(database: &Database) -> Status {
    let transaction = database.begin().await.unwrap();
    let status = status_within(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert!(matches!(status.catalogue, CatalogueStatus::Compared(_)));
    status
}

fn named(status: &Status) -> Vec<String> {
    status.violations().map(ToString::to_string).collect()
}

async fn status_and_audit_report_every_difference(database: EmptyDatabase) {
    let url = &database.url;
    let current = run(url, &["migrate", "status", "--json"]).await;
    assert_eq!(current.code, 0, "{}", current.out);
    assert_eq!(current.json()["data"]["violations"], Value::Array(vec![]));
    assert_eq!(run(url, &["audit"]).await.code, 0);

    let superuser = database.superuser().await;
    for sql in [
        "CREATE OR REPLACE FUNCTION banking.reject_journal_change() RETURNS trigger LANGUAGE plpgsql
         SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
        "ALTER TABLE banking.transfers DISABLE TRIGGER transfers_append_only",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let status = run(url, &["migrate", "status", "--json"]).await;
    assert_eq!(status.code, 1, "{}", status.out);
    let data = status.json()["data"].clone();
    assert_eq!(data["verdict"], "wrong");
    assert_eq!(data["catalogue"], "compared");
    assert_eq!(data["violations"].as_array().unwrap().len(), 2);
    assert_eq!(
        data["violations"][0]["name"],
        "banking.reject_journal_change()"
    );
    assert_eq!(data["violations"][0]["change"], "changed");
    assert_eq!(data["violations"][1]["properties"][0]["found"], "never");
    let plain = run(url, &["migrate", "status"]).await;
    assert!(
        plain
            .out
            .contains("not as shipped: function banking.reject_journal_change()"),
        "{}",
        plain.out
    );
    let checked = run(url, &["migrate", "status", "--check"]).await;
    assert_eq!(checked.code, 2, "{}", checked.out);

    let audit = run(url, &["audit", "--json"]).await;
    assert_eq!(audit.code, 1, "{}", audit.out);
    let violations = audit.json()["data"]["violations"].clone();
    let subjects: Vec<&str> = violations
        .as_array()
        .unwrap()
        .iter()
        .filter(|violation| violation["invariant"] == "the schema is as shipped")
        .filter_map(|violation| violation["subject"].as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "function banking.reject_journal_change()",
            "trigger transfers_append_only on banking.transfers"
        ]
    );
}

/// Forged records do not hide a tampering: objects that are not compared are reported, and the
/// verdict is never good.
async fn pending_objects_are_not_compared(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    tamper(
        &transaction,
        "ALTER FUNCTION banking.audit() IMMUTABLE
         ALTER FUNCTION banking.uuid_v7() IMMUTABLE
         UPDATE migration.checksums SET sha256 = '' WHERE name = 'banking/function_audit'",
    )
    .await;
    let status = status_within(&transaction).await.unwrap();
    check(
        "one is pending",
        &named(&status),
        &["function banking.uuid_v7()"],
    );
    assert!(!status.is_current());
    tamper(
        &transaction,
        "DELETE FROM migration.seaql_migrations WHERE version LIKE '%_000007%'",
    )
    .await;
    let status = status_within(&transaction).await.unwrap();
    assert_eq!(status.catalogue, CatalogueStatus::NotCompared);
    assert_ne!(status.verdict(), Verdict::Current);
    transaction.rollback().await.unwrap();

    let sql = "DELETE FROM migration.checksums WHERE name = 'banking/function_audit'";
    superuser.execute(statement(sql, [])).await.unwrap();
    let audit = run(&database.url, &["audit", "--json"]).await;
    assert_eq!(audit.code, 1, "{}", audit.out);
    assert_eq!(
        audit.json()["data"]["violations"][0]["subject"],
        "the rollout"
    );
}

async fn every_role_and_setting_sees_the_same_catalogue(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    let sql = "GRANT UPDATE ON banking.transactions TO neobank_app";
    superuser.execute(statement(sql, [])).await.unwrap();
    let name = database.name();
    for setting in [
        "\"TimeZone\" = 'Asia/Tokyo'",
        "\"DateStyle\" = 'SQL, DMY'",
        "search_path = banking, public",
        "quote_all_identifiers = on",
        "bytea_output = 'escape'",
    ] {
        let sql = format!("ALTER DATABASE {name} SET {setting}");
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
    for role in [
        "neobank_app",
        "neobank_read",
        "neobank_import",
        "pg_monitor",
    ] {
        let url = database.superuser_url();
        let config = DatabaseConfig::from_url(&url).unwrap().with_role(role);
        let one = Database::connect(config).await.unwrap();
        check(
            role,
            &named(&untouched(&one).await),
            &["table banking.transactions"],
        );
    }
    let rollout = Rollout::connect(&database.url, RolloutOptions::default());
    let status = rollout.await.unwrap().status().await.unwrap();
    check(
        "the owner",
        &named(&status),
        &["table banking.transactions"],
    );
}

/// Privileges on the database of roles other than its owner.
const DATABASE_PRIVILEGES: &str = "SELECT coalesce(string_agg(format('%s %s',
        CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee) END, acl.privilege_type),
        ', ' ORDER BY acl.grantee, acl.privilege_type), '')
    FROM pg_database AS d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS acl
    WHERE d.datname = current_database() AND acl.grantee <> d.datdba";

async fn public_access_is_revoked_and_restored(closed: EmptyDatabase) {
    let superuser = closed.superuser().await;
    let privileges = async || -> String {
        let read = superuser.fetch_value(statement(DATABASE_PRIVILEGES, []));
        read.await.unwrap()
    };
    let public = "PUBLIC CONNECT, PUBLIC TEMPORARY";
    let groups = [
        "neobank_app CONNECT",
        "neobank_read CONNECT",
        "neobank_import CONNECT",
    ];
    let is_closed =
        |found: &str| !found.contains("PUBLIC") && groups.iter().all(|one| found.contains(one));
    assert!(is_closed(&privileges().await), "{}", privileges().await);
    // Grants by the database's owner are its own decision; grants to PUBLIC are noted.
    let name = closed.name();
    for (sql, notes) in [
        (
            format!("GRANT CONNECT ON DATABASE {name} TO pg_monitor"),
            &[][..],
        ),
        (
            format!("GRANT TEMPORARY ON DATABASE {name} TO PUBLIC"),
            &[
                "database of the bank is not as shipped: privileges of PUBLIC: TEMPORARY (shipped: nothing)",
            ],
        ),
        (
            format!("REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC"),
            &[],
        ),
        (
            format!("REVOKE CONNECT ON DATABASE {name} FROM pg_monitor"),
            &[],
        ),
    ] {
        superuser.execute(statement(&sql, [])).await.unwrap();
        let status = untouched(&superuser).await;
        let found: Vec<String> = status.notes().map(ToString::to_string).collect();
        check(&sql, &found, notes);
        assert_eq!(named(&status), [""; 0]);
    }
    let rollout = bank(&closed).await;
    let migrations = rollout.status().await.unwrap().migrations;
    let closing = |one: &MigrationStatus| one.name.ends_with("_database_privileges");
    let steps = migrations.len() - migrations.iter().position(closing).unwrap();
    rollout.down(steps).await.unwrap();
    assert_eq!(privileges().await, public, "restored");
    rollout.up().await.unwrap();
    rollout.fresh().await.unwrap();
    assert!(is_closed(&privileges().await), "{}", privileges().await);
    rollout.down(migrations.len()).await.unwrap();
    assert_eq!(privileges().await, public, "restored after a recreation");
}

async fn role_of_another_bank_is_reported(database: EmptyDatabase) {
    let warnings = bank(&database).await.warnings().await.unwrap();
    for role in ["neobank_app", "neobank_read", "neobank_import"] {
        let start = format!("the role {role} is used by other databases of this cluster too");
        let warning = warnings.iter().find(|one| one.starts_with(&start));
        assert!(
            warning.is_some_and(|one| one.contains("neobank_template")),
            "{warnings:?}"
        );
    }
    assert!(
        warnings.iter().all(|one| !one.contains(database.name())),
        "{warnings:?}"
    );

    let foreign = EmptyDatabase::on(database.version).await;
    let superuser = foreign.superuser().await;
    let sql = format!(
        "GRANT CREATE ON DATABASE {} TO neobank_owner",
        foreign.name()
    );
    superuser.execute(statement(&sql, [])).await.unwrap();
    let as_owner = database.url.replace(database.name(), foreign.name());
    let rollout = Rollout::connect(&as_owner, RolloutOptions::default())
        .await
        .unwrap();
    let warnings = rollout.warnings().await.unwrap();
    let open = "everyone may connect to the database";
    assert!(
        warnings.iter().any(|one| one.starts_with(open)),
        "{warnings:?}"
    );
    rollout.up().await.unwrap();
    let status = rollout.status().await.unwrap();
    let notes: Vec<String> = status.notes().map(ToString::to_string).collect();
    check(
        "not its database",
        &notes,
        &["privileges of PUBLIC: CONNECT, TEMPORARY (shipped: nothing)"],
    );
    assert_eq!(status.verdict(), Verdict::Current);
}

async fn next_rollout_restores_altered_objects(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    let rollout = bank(&database).await;
    let whole = database.dump();
    for sql in [
        FUNCTIONS[0].0,
        "ALTER FUNCTION banking.open_system_accounts(text) SECURITY INVOKER",
        "ALTER FUNCTION banking.apply_entries() RESET ALL",
        "ALTER TABLE banking.transfers DISABLE TRIGGER transfers_append_only",
        "ALTER TABLE banking.transactions ENABLE REPLICA TRIGGER transactions_apply_entries",
        "DROP TRIGGER accounts_open_empty ON banking.accounts",
        "ALTER VIEW concurrency.v_lock_analysis SET (security_barrier)",
        "REVOKE SELECT ON banking.accounts FROM neobank_read",
        // No file restores it, so it stays a violation.
        "GRANT UPDATE ON banking.transfers TO pg_monitor",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let status = rollout.status().await.unwrap();
    assert_eq!(status.verdict(), Verdict::Wrong);
    let altered = |object: &&ObjectStatus| object.state == ObjectState::Altered;
    assert_eq!(
        status
            .objects
            .iter()
            .filter(altered)
            .filter(|object| !object.name.contains("grants"))
            .count(),
        6
    );
    rollout.up().await.unwrap();
    let status = rollout.status().await.unwrap();
    check(
        "restored",
        &named(&status),
        &["table banking.transfers is not as shipped: privileges of pg_monitor"],
    );
    assert!(status.is_current());
    assert_eq!(
        rollout.up().await.unwrap(),
        Default::default(),
        "there was nothing to do"
    );
    let sql = "REVOKE UPDATE ON banking.transfers FROM pg_monitor";
    superuser.execute(statement(sql, [])).await.unwrap();
    assert_eq!(database.dump(), whole);
}

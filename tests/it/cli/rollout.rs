//! Migrations, completions and manual pages.

use neobank_db::{Executor, statement};
use neobank_domain::{Error, ErrorKind, customers};

use super::contract::document;
use super::program::{data, run};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    schema_migrates_up_and_down,
    destroying_rows_requires_the_database_name,
    manual_pages_and_completion_scripts_are_written,
    commands_before_the_rollout_print_one_json_document,
    every_command_before_the_rollout_names_the_command_to_run,
    schema_of_another_version_is_reported_as_older_or_newer,
);

async fn schema_migrates_up_and_down(database: EmptyDatabase) {
    let url = &database.url;
    let pending = run(url, &["migrate", "status", "--check"]).await;
    assert_eq!(pending.code, 1, "{}", pending.out);
    assert!(
        pending.out.contains("are pending | pending="),
        "{}",
        pending.out
    );
    let plan = data(url, &["migrate", "plan"]).await;
    assert!(plan["steps"].as_array().unwrap().len() > 3);
    let up = data(url, &["migrate", "up"]).await;
    assert!(!up["migrations"].as_array().unwrap().is_empty());
    let status = data(url, &["migrate", "status"]).await;
    assert_eq!(status["verdict"], "current");
    let current = run(url, &["migrate", "status", "--check"]).await;
    assert_eq!(current.code, 0, "{}", current.out);
    let again = run(url, &["migrate", "up"]).await.out;
    assert!(again.starts_with("nothing to do\n"), "{again}");
    assert!(again.contains("is a superuser"), "{again}");
    let down = data(url, &["migrate", "down", "2"]).await;
    assert_eq!(down["migrations"].as_array().unwrap().len(), 2);
    let status = run(url, &["migrate", "status", "--json"]).await;
    assert_eq!(status.code, 1);
    assert_eq!(status.json()["data"]["verdict"], "pending");
    assert_eq!(run(url, &["migrate", "fresh"]).await.code, 0);
    let superuser = database.superuser().await;
    let sql = "UPDATE migration.checksums SET sha256 = 'other' WHERE kind = 'migration'";
    Executor::execute(&superuser, statement(sql, []))
        .await
        .unwrap();
    let wrong = run(url, &["migrate", "status", "--check"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.out);
    let wrong = run(url, &["migrate", "up"]).await;
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("was edited"), "{}", wrong.err);
}

async fn destroying_rows_requires_the_database_name(database: EmptyDatabase) {
    let url = &database.url;
    let name = database.name();
    assert_eq!(run(url, &["migrate", "up"]).await.code, 0);
    database.add_customer().await;
    let before = database.dump();
    for arguments in [
        &["migrate", "down"][..],
        &["migrate", "fresh"],
        &["migrate", "fresh", "--yes-destroy", "another"],
    ] {
        let rejected = run(url, arguments).await;
        assert_eq!(rejected.code, 1, "{}", rejected.err);
        assert!(
            rejected.err.contains("--yes-destroy") && rejected.err.contains(name),
            "{}",
            rejected.err
        );
    }
    assert!(database.dump() == before, "the schema differs");
    assert_eq!(database.customers().await, 1);
    let fresh = run(url, &["migrate", "fresh", "--yes-destroy", name]).await;
    assert_eq!(fresh.code, 0, "{}", fresh.err);
    assert_eq!(database.customers().await, 0);
}

async fn manual_pages_and_completion_scripts_are_written(database: EmptyDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    let written = data(&database.url, &["man", pages.to_str().unwrap()]).await;
    let names = written["pages"].as_array().unwrap();
    for page in ["neobank.1", "neobank-transfer.1", "neobank-account-open.1"] {
        assert!(names.iter().any(|name| name == page), "{names:?}");
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&database.url, &["completions", shell]).await;
        assert_eq!(script.code, 0, "{}", script.err);
        assert!(script.out.contains("statement"), "{shell}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let wrong = run(&database.url, &["man", file.path().to_str().unwrap()]).await;
    assert_eq!(wrong.code, 7);
    assert!(
        wrong.err.contains(file.path().to_str().unwrap()),
        "{}",
        wrong.err
    );
}

async fn commands_before_the_rollout_print_one_json_document(database: EmptyDatabase) {
    // Monitoring skips what is not installed.
    for (command, arguments, is_answered) in [
        ("audit", &["audit"][..], false),
        ("customer find", &["customer", "find"], false),
        ("ops deadlocks", &["ops", "deadlocks"], true),
        ("ops health", &["ops", "health"], true),
        ("migrate status", &["migrate", "status"], false),
    ] {
        let found = run(&database.url, &[arguments, &["--json"]].concat()).await;
        assert_eq!(found.code == 0, is_answered, "{command}: {}", found.code);
        document(&found, command);
    }
}

/// An identifier without a row.
const UNKNOWN_ID: &str = "01a20965-a098-7575-9a06-6fd66fbd3c75";

async fn every_command_before_the_rollout_names_the_command_to_run(database: EmptyDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let customers = file("customers", "customer_id,date_of_birth\n");
    let accounts = file("accounts", "account_id,customer_id,opened_on\n");
    let transactions = file(
        "transactions",
        "transaction_id,account_id,date,movement,balance,operation,purpose\n",
    );
    let import = [
        "import",
        "--source",
        "old",
        "--currency",
        "CZK",
        "--customers",
        customers.as_str(),
        "--accounts",
        &accounts,
        "--transactions",
        &transactions,
    ];
    let commands: &[&[&str]] = &[
        &[
            "customer",
            "create",
            "--first-name",
            "A",
            "--last-name",
            "B",
        ],
        &["customer", "show", UNKNOWN_ID],
        &["customer", "find"],
        &["customer", "update", UNKNOWN_ID, "--first-name", "A"],
        &[
            "account",
            "open",
            "--customer",
            UNKNOWN_ID,
            "--currency",
            "CZK",
        ],
        &["account", "show", "NB000000000001"],
        &["account", "list", UNKNOWN_ID],
        &["account", "freeze", UNKNOWN_ID],
        &["account", "unfreeze", UNKNOWN_ID],
        &["account", "close", UNKNOWN_ID],
        &[
            "transfer", "--from", UNKNOWN_ID, "--to", UNKNOWN_ID, "--amount", "1 CZK",
        ],
        &["deposit", "--account", UNKNOWN_ID, "--amount", "1 CZK"],
        &["withdraw", "--account", UNKNOWN_ID, "--amount", "1 CZK"],
        &["statement", UNKNOWN_ID, "--month", "2026-11"],
        &import,
        &["audit"],
    ];
    for arguments in commands {
        let found = run(&database.url, arguments).await;
        assert_eq!(found.code, 1, "{arguments:?}: {}", found.err);
        let sentence = "does not have the schema yet: run `neobank migrate up`\n";
        assert!(
            found.err.ends_with(sentence),
            "{arguments:?}: {}",
            found.err
        );
    }
    let audit = run(&database.url, &["audit", "--json"]).await;
    assert_eq!(document(&audit, "audit")["error"]["kind"], "schema");
    let check = run(&database.url, &["audit", "--check"]).await;
    assert_eq!(check.code, 3);
    assert!(check.out.contains("neobank migrate up"), "{}", check.out);
    // Monitoring still succeeds, and reports it too.
    let health = data(&database.url, &["ops", "health"]).await;
    let sentence = health["schema"].as_str().unwrap();
    assert!(sentence.contains("run `neobank migrate up`"), "{sentence}");
    // The session's role may be missing as well.
    let absent = as_role(&database, "role_that_does_not_exist").await;
    assert_eq!(absent.code, 1, "{}", absent.err);
    assert!(absent.err.contains("neobank migrate up"), "{}", absent.err);
    assert_eq!(run(&database.url, &["migrate", "up"]).await.code, 0);
    let absent = as_role(&database, "role_that_does_not_exist").await;
    assert_eq!(absent.code, 6, "{}", absent.err);
    assert!(
        absent.err.contains("role_that_does_not_exist"),
        "{}",
        absent.err
    );
    let health = data(&database.url, &["ops", "health"]).await;
    assert!(health["schema"].is_null(), "{health}");
}

async fn as_role(database: &EmptyDatabase, role: &str) -> super::program::Run {
    let mut command = super::program::neobank(&database.url, &["customer", "find"]);
    command.env("DB_ROLE", role);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    output.await.unwrap().into()
}

async fn schema_of_another_version_is_reported_as_older_or_newer(database: EmptyDatabase) {
    let superuser = database.superuser().await;
    let library = customers::find_by_number(&superuser, "C1").await;
    assert_eq!(
        Error::from(library.unwrap_err()).kind(),
        ErrorKind::SchemaMismatch
    );
    assert_eq!(run(&database.url, &["migrate", "up"]).await.code, 0);
    let execute = async |sql: &str| {
        superuser.execute(statement(sql, [])).await.unwrap();
    };
    // The state of an earlier version, which did not have this function.
    execute("DROP FUNCTION banking.audit()").await;
    execute("DELETE FROM migration.checksums WHERE name = 'banking/function_audit'").await;
    let older = run(&database.url, &["audit"]).await;
    assert_eq!(older.code, 1, "{}", older.err);
    for part in ["is older than this neobank", "run `neobank migrate up`"] {
        assert!(older.err.contains(part), "{}", older.err);
    }
    // The state of a later version, which has another migration.
    let later = "INSERT INTO migration.seaql_migrations (version, applied_at) VALUES ('m29990101_000001_later', 0)";
    execute(later).await;
    let newer = run(&database.url, &["audit"]).await;
    assert_eq!(newer.code, 1, "{}", newer.err);
    for part in ["is newer than this neobank", "m29990101_000001_later"] {
        assert!(newer.err.contains(part), "{}", newer.err);
    }
}

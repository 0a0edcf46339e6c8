//! The roll-out, completions and manual pages.

use super::contract::document;
use super::program::{data, run};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    the_schema_goes_up_and_down,
    destroying_rows_wants_the_databases_name,
    pages_and_scripts_are_written,
    commands_before_the_rollout_answer_with_one_document
);

async fn the_schema_goes_up_and_down(database: EmptyDatabase) {
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
    neobank_db::Executor::execute(&superuser, neobank_db::statement(sql, []))
        .await
        .unwrap();
    let wrong = run(url, &["migrate", "status", "--check"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.out);
    let wrong = run(url, &["migrate", "up"]).await;
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("was edited"), "{}", wrong.err);
}

async fn destroying_rows_wants_the_databases_name(database: EmptyDatabase) {
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
        let refused = run(url, arguments).await;
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(
            refused.err.contains("--yes-destroy") && refused.err.contains(name),
            "{}",
            refused.err
        );
    }
    assert!(database.dump() == before, "the schema differs");
    assert_eq!(database.customers().await, 1);
    let fresh = run(url, &["migrate", "fresh", "--yes-destroy", name]).await;
    assert_eq!(fresh.code, 0, "{}", fresh.err);
    assert_eq!(database.customers().await, 0);
}

async fn pages_and_scripts_are_written(database: EmptyDatabase) {
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

async fn commands_before_the_rollout_answer_with_one_document(database: EmptyDatabase) {
    // Monitoring passes over what is not there.
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

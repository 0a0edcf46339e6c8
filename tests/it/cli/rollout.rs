//! The roll-out, completions and manual pages.

use super::contract::document;
use super::program::{data, run};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    the_schema_goes_up_and_down,
    destroying_far_away_asks_first,
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
    assert_eq!(run(url, &["migrate", "up"]).await.out, "nothing to do\n");
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

/// 0.0.0.0 reaches this machine, and is not a loopback address.
async fn destroying_far_away_asks_first(database: EmptyDatabase) {
    let after_host = database.url.rsplit_once(':').unwrap().1;
    let user = database.url.rsplit_once('@').unwrap().0;
    let far = format!("{user}@0.0.0.0:{after_host}?sslmode=disable");
    assert_eq!(run(&far, &["migrate", "up"]).await.code, 0);
    let before = database.dump();
    for arguments in [&["migrate", "down"][..], &["migrate", "fresh"]] {
        let refused = run(&far, arguments).await;
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(refused.err.contains("--yes"), "{}", refused.err);
    }
    assert!(database.dump() == before, "the schema differs");
    assert_eq!(run(&far, &["migrate", "down", "--yes"]).await.code, 0);
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
    for (command, arguments) in [
        ("audit", &["audit"][..]),
        ("customer find", &["customer", "find"]),
        ("ops deadlocks", &["ops", "deadlocks"]),
        ("ops health", &["ops", "health"]),
        ("migrate status", &["migrate", "status"]),
    ] {
        let found = run(&database.url, &[arguments, &["--json"]].concat()).await;
        assert_ne!(found.code, 0, "{command}");
        document(&found, command);
    }
}

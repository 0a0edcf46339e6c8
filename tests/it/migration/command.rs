//! `cargo xtask migrate`, as a process of its own.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::harness::EmptyDatabase;

on_empty_databases!(
    concurrent_processes_apply_migrations_once,
    status_exits_0_1_or_2,
    destroying_rows_requires_the_database_name
);

/// Returns the command's program, built when it does not exist.
fn xtask() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "xtask"])
            .status()
            .unwrap();
        assert!(built.success());
        let tests = std::env::current_exe().unwrap();
        tests.parent().unwrap().parent().unwrap().join("xtask")
    })
}

fn migrate(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(xtask());
    command
        .arg("migrate")
        .args(arguments)
        .env("DATABASE_URL", url)
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn concurrent_processes_apply_migrations_once(database: EmptyDatabase) {
    let children: Vec<_> = (0..2)
        .map(|_| migrate(&database.url, &["up"]).spawn().unwrap())
        .collect();
    let outputs: Vec<_> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect();
    assert!(
        outputs.iter().all(|output| output.status.success()),
        "{}",
        outputs.iter().map(text).collect::<String>()
    );
    let waited = outputs
        .iter()
        .filter(|output| text(output).contains("nothing to do"))
        .count();
    assert_eq!(waited, 1);
    let alone = EmptyDatabase::on(database.version).await;
    assert!(
        migrate(&alone.url, &["up"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(database.dump() == alone.dump(), "the schema differs");
    // Down and up again work from the command line, too.
    assert!(
        migrate(&alone.url, &["down", "4"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(
        migrate(&alone.url, &["up"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(database.dump() == alone.dump(), "the schema differs");
}

async fn status_exits_0_1_or_2(database: EmptyDatabase) {
    let code = |arguments: &[&str]| {
        migrate(&database.url, arguments)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(code(&["status"]), Some(1), "pending");
    assert_eq!(code(&["up"]), Some(0));
    assert_eq!(code(&["status"]), Some(0), "current");
    let superuser = database.superuser().await;
    let sql = "UPDATE migration.checksums SET sha256 = 'other' WHERE kind = 'migration'";
    neobank_db::Executor::execute(&superuser, neobank_db::statement(sql, []))
        .await
        .unwrap();
    assert_eq!(code(&["status"]), Some(2), "edited");
    assert_eq!(code(&["up"]), Some(2), "edited");
}

async fn destroying_rows_requires_the_database_name(database: EmptyDatabase) {
    let url = &database.url;
    let name = database.name();
    let up = migrate(url, &["up"]).output().unwrap();
    assert!(up.status.success(), "{}", text(&up));
    // Without rows there is no prompt.
    let down = migrate(url, &["down"]).output().unwrap();
    assert!(down.status.success(), "{}", text(&down));
    assert!(migrate(url, &["up"]).output().unwrap().status.success());
    database.add_customer().await;
    let before = database.dump();
    for arguments in [
        &["down"][..],
        &["fresh"][..],
        &["fresh", "--yes-destroy", "another"][..],
        &["down", "--yes-destroy", ""][..],
    ] {
        let output = migrate(url, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(
            text(&output).contains("--yes-destroy") && text(&output).contains(name),
            "{}",
            text(&output)
        );
    }
    assert!(database.dump() == before, "the schema differs");
    assert_eq!(database.customers().await, 1);
    let fresh = migrate(url, &["fresh", "--yes-destroy", name])
        .output()
        .unwrap();
    assert!(fresh.status.success(), "{}", text(&fresh));
    assert_eq!(database.customers().await, 0);
    let user = url.rsplit_once('@').unwrap().0;
    let password = user.rsplit_once(':').unwrap().1;
    let output = migrate(&format!("{user}@127.0.0.1:1/nowhere"), &["up"])
        .output()
        .unwrap();
    assert!(!text(&output).contains(password), "{}", text(&output));
}

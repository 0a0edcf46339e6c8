//! The settings of `neobank serve`: the file, the environment, their precedence, and `--check`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use neobank_db::{Executor, statement};

use super::Running;
use crate::cli::program::{Run, neobank};
use crate::harness::TestBank;

on_both_versions!(
    option_precedes_environment_which_precedes_file,
    service_starts_with_the_settings_of_a_file,
    unknown_and_wrong_settings_are_errors_with_their_line,
    check_of_right_settings_says_what_the_service_would_do_without_listening,
    check_names_each_problem,
);

fn file(folder: &Path, text: &str) -> String {
    let path = folder.join("serve.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn finished(mut command: Command) -> Run {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    output.await.unwrap().into()
}

/// Returns the findings of a check that found no problem.
async fn findings(url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let arguments = [&["serve", "--check"], arguments].concat();
    let mut command = neobank(url, &arguments);
    command.envs(variables.iter().copied());
    let run = finished(command).await;
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    run.out
}

/// A login role of the service.
pub(super) struct Application {
    pub(super) url: String,
    role: String,
}

impl Application {
    pub(super) async fn of(bank: &TestBank) -> Self {
        let superuser = bank.superuser().await;
        let role = format!("service_{}", superuser.config().database);
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'canary' IN ROLE neobank_app");
        superuser.execute(statement(&sql, [])).await.unwrap();
        // As in a bank's own cluster: the schema's owner has the database too.
        let database = &superuser.config().database;
        let sql = format!("ALTER DATABASE {database} OWNER TO neobank_owner");
        superuser.execute(statement(&sql, [])).await.unwrap();
        let place = bank.url().rsplit_once('@').unwrap().1;
        let url = format!("postgresql://{role}:canary@{place}");
        Self { url, role }
    }

    pub(super) async fn end(self, bank: &TestBank) {
        let sql = format!("DROP ROLE {}", self.role);
        let superuser = bank.superuser().await;
        superuser.execute(statement(&sql, [])).await.unwrap();
    }
}

async fn option_precedes_environment_which_precedes_file(bank: TestBank) {
    let application = Application::of(&bank).await;
    let folder = tempfile::tempdir().unwrap();
    let text = "listen = \"127.0.0.1:7001\"\nrate-limit = 11\nno-console = true\n\
                drain-delay = \"7s\"\n";
    let path = file(folder.path(), text);
    let by_file = ["--config", path.as_str()];
    let has = |findings: &str, texts: &[&str]| {
        for text in texts {
            assert!(findings.contains(text), "{text}: {findings}");
        }
    };
    let found = findings(&application.url, &[], &[]).await;
    has(
        &found,
        &["127.0.0.1:8080", "any rate of a key", "console", "for 1s"],
    );
    let found = findings(&application.url, &by_file, &[]).await;
    has(
        &found,
        &[
            "the API on 127.0.0.1:7001",
            "11 requests/s",
            "22 at once",
            "for 7s",
        ],
    );
    let variables = [
        ("NEOBANK_CONFIG", path.as_str()),
        ("NEOBANK_LISTEN", "127.0.0.1:7002"),
        ("NEOBANK_RATE_LIMIT", "12"),
        ("NEOBANK_NO_CONSOLE", "false"),
    ];
    let found = findings(&application.url, &[], &variables).await;
    has(
        &found,
        &["console on 127.0.0.1:7002", "12 requests/s", "for 7s"],
    );
    let options = [
        "--listen",
        "127.0.0.1:7003",
        "--no-console",
        "--drain-delay=2s",
    ];
    let found = findings(&application.url, &options, &variables).await;
    has(
        &found,
        &["the API on 127.0.0.1:7003", "12 requests/s", "for 2s"],
    );
    let options = ["--no-console=false"];
    let found = findings(&application.url, &[&by_file[..], &options].concat(), &[]).await;
    has(&found, &["console on 127.0.0.1:7001"]);
    application.end(&bank).await;
}

async fn service_starts_with_the_settings_of_a_file(bank: TestBank) {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "listen = \"127.0.0.1:0\"\nno-console = true\n",
    );
    let command = neobank(bank.url(), &["serve", "--config", &path]).spawn();
    let mut service = Running(command.unwrap());
    let lines = BufReader::new(service.0.stderr.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let line = lines.find(|line| line.contains("listening on http://127.0.0.1:"));
    let line = line.expect("the service listens");
    let (_, address) = line.rsplit_once('/').unwrap();
    let page = super::send(address, "GET", "/console/sign-in", &[], "").await;
    assert_eq!(page.unwrap().status, 404);
}

async fn unknown_and_wrong_settings_are_errors_with_their_line(bank: TestBank) {
    let folder = tempfile::tempdir().unwrap();
    for (text, fault) in [
        (
            "\nlistn = \"127.0.0.1:0\"",
            "line 2: there is no setting \"listn\"",
        ),
        (
            "[server]\nlisten = \"127.0.0.1:0\"",
            "line 1: there is no setting \"server\"",
        ),
        ("check = true", "line 1: there is no setting \"check\""),
        (
            "# a comment\n\nlisten = \"nowhere\"",
            "line 3: listen: \"nowhere\" is no address",
        ),
        ("rate-limit = 0", "line 1: rate-limit: 0 is not in 1"),
        ("rate-limit = -1", "line 1: rate-limit: "),
        ("drain-delay = 5", "line 1: drain-delay: "),
        ("no-console = \"perhaps\"", "line 1: no-console: "),
        ("listen = {}", "line 1: listen is a text"),
        (
            "no-console = true\nno-console = true",
            "line 2: duplicate key",
        ),
        ("listen = ", "line 1: "),
        ("rate-burst = 5", "--rate-burst needs --rate-limit"),
        (
            "tls-certificate = \"x\"",
            "--tls-certificate needs --tls-key",
        ),
    ] {
        let path = file(folder.path(), text);
        let mut command = neobank(bank.url(), &["serve", "--config", &path]);
        command.stdin(std::process::Stdio::null());
        let run = finished(command).await;
        assert_eq!(run.code, 2, "{text}: {}", run.err);
        assert!(run.err.contains(fault), "{text}: {}", run.err);
        assert_eq!(
            run.err.lines().filter(|line| !line.is_empty()).count(),
            1,
            "{}",
            run.err
        );
    }
    let run = finished(neobank(bank.url(), &["serve", "--config", "/nothing"])).await;
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("/nothing: "), "{}", run.err);
    let mut command = neobank(bank.url(), &["serve"]);
    command.env("NEOBANK_LISTEN", "nowhere");
    let run = finished(command).await;
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("\"nowhere\" is no address"), "{}", run.err);
}

async fn check_of_right_settings_says_what_the_service_would_do_without_listening(bank: TestBank) {
    let application = Application::of(&bank).await;
    // The address is in use, which a service that listened would report.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let found = findings(&application.url, &["--listen", &address], &[]).await;
    assert!(found.contains("the service can start"), "{found}");
    assert!(found.contains("neobank_app"), "{found}");
    let run = finished(neobank(&application.url, &["serve", "--check", "--json"])).await;
    assert!(!run.out.contains("canary"), "{}", run.out);
    let data = run.data();
    assert_eq!(data["problems"], 0, "{data}");
    let checks = data["checks"].as_array().unwrap();
    assert!(
        checks.iter().all(|check| check["is_problem"] == false),
        "{data}"
    );
    application.end(&bank).await;
}

async fn check_names_each_problem(bank: TestBank) {
    let application = Application::of(&bank).await;
    let url = application.url.as_str();
    let check = async |url: &str, arguments: &[&str], role: &str| {
        let arguments = [&["serve", "--check"], arguments].concat();
        let mut command = neobank(url, &arguments);
        command.env("DB_ROLE", role);
        let run = finished(command).await;
        assert_eq!(run.code, 1, "{}{}", run.out, run.err);
        run.out
    };
    let wrong = [
        "--listen",
        "0.0.0.0:0",
        "--tls-certificate",
        "/a",
        "--tls-key",
        "/b",
    ];
    let nowhere = "postgresql://u:canary@127.0.0.1:1/bank";
    let found = check(nowhere, &wrong, "").await;
    assert!(found.contains("/a cannot be read"), "{found}");
    assert!(found.contains("2 problems"), "{found}");
    assert!(!found.contains("canary"), "{found}");
    let found = check(url, &wrong[..2], "").await;
    assert!(
        found.contains("can be reached from other machines"),
        "{found}"
    );
    let found = check(bank.url(), &[], "neobank_read").await;
    assert!(found.contains("is no member of neobank_app"), "{found}");
    let found = check(bank.url(), &[], "").await;
    assert!(found.contains("is a superuser"), "{found}");
    let superuser = bank.superuser().await;
    let sql = "REVOKE SELECT ON banking.api_keys FROM neobank_app";
    superuser.execute(statement(sql, [])).await.unwrap();
    let found = check(url, &[], "").await;
    assert!(found.contains("api_keys"), "{found}");
    application.end(&bank).await;
}

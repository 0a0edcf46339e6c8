//! Monitoring from the command line: as text, JSON, a check, an HTML page and metrics.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use neobank_db::{Executor, statement};
use neobank_ops::checks::Subject;
use serde_json::Value;

use super::program::{Run, data, neobank, run};
use crate::harness::{TestBank, czk};
use crate::ops::session::Session;

on_both_versions!(
    blocked_session_is_shown_and_alerts,
    every_subject_runs_with_any_privileges,
    thresholds_are_read_from_a_file,
    report_is_one_html_page,
    prometheus_scrapes_every_metric,
    hostile_table_names_are_accepted,
    advised_commands_work,
    isolation_levels_are_executed,
    pool_sizes_and_pgbouncer_files_are_computed
);

async fn blocked_session_is_shown_and_alerts(bank: TestBank) {
    let account = bank.account(czk("10")).await;
    let sql = "SELECT 1 FROM banking.accounts WHERE account_id = $1 FOR UPDATE";
    let lock = || statement(sql, [account.as_uuid().into()]);
    let mut config = bank.config();
    config.application_name = "the innocent".to_owned();
    config.lock_timeout = Duration::from_secs(120);
    config.statement_timeout = Duration::from_secs(120);
    let database = neobank_db::Database::connect(config).await.unwrap();
    let holder = database.begin().await.unwrap();
    holder.execute(lock()).await.unwrap();
    let waiting = tokio::spawn({
        let (database, lock) = (database.clone(), lock());
        async move {
            let waiter = database.begin().await.unwrap();
            waiter.execute(lock).await.unwrap();
            waiter.rollback().await.unwrap();
        }
    });
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let found = loop {
        let found = data(bank.url(), &["ops", "locks"]).await;
        let mine = found["value"]["participants"].as_array().unwrap().iter();
        let mine = mine.filter(|one| one["application_name"] == "the innocent");
        if mine.count() == 2 {
            break found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never seen: {found}"
        );
    };
    assert!(!found["value"]["roots"].as_array().unwrap().is_empty());
    let shown = run(bank.url(), &["ops", "locks"]).await;
    assert!(shown.out.contains("the innocent"), "{}", shown.out);
    let check = [
        "ops",
        "locks",
        "--check",
        "--warning",
        "~:-1",
        "--critical",
        "1000",
    ];
    let warned = run(bank.url(), &check).await;
    assert_eq!(warned.code, 1, "{}", warned.out);
    assert!(
        warned.out.starts_with("NEOBANK LOCKS WARNING - ")
            && warned.out.contains("| longest_wait="),
        "{}",
        warned.out
    );
    let check = ["ops", "locks", "--check", "--critical", "@0:100000"];
    assert_eq!(run(bank.url(), &check).await.code, 2);
    holder.rollback().await.unwrap();
    waiting.await.unwrap();
}

/// A superuser, a role of `pg_monitor`, and a role without privileges on other sessions.
async fn every_subject_runs_with_any_privileges(bank: TestBank) {
    for role in ["", "pg_monitor", "neobank_read"] {
        for subject in Subject::ALL.map(Subject::name) {
            let as_role = |extra: &[&str]| -> Run {
                let arguments = [&["ops", subject][..], extra].concat();
                let mut command = neobank(bank.url(), &arguments);
                command.env("DB_ROLE", role).output().unwrap().into()
            };
            let plain = as_role(&[]);
            assert!(plain.code <= 1, "{role} {subject}: {}", plain.err);
            assert!(
                plain.code == 0 || plain.out.contains("n/a: "),
                "{role} {subject}: {}{}",
                plain.out,
                plain.err
            );
            let json = as_role(&["--json"]);
            assert_eq!(json.json()["command"], format!("ops {subject}"));
            let check = as_role(&["--check"]);
            assert!(
                check.out.starts_with("NEOBANK ") && check.out.lines().count() == 1,
                "{role} {subject}: {}{}",
                check.out,
                check.err
            );
            assert!((0..=3).contains(&check.code));
            assert_eq!(
                plain.code == 1,
                check.out.contains("n/a") || check.code == 3 || check.out.contains("not available"),
                "{role} {subject}: {}\n{}",
                plain.out,
                check.out
            );
        }
    }
}

async fn thresholds_are_read_from_a_file(bank: TestBank) {
    let printed = run(bank.url(), &["ops", "thresholds"]).await;
    assert_eq!(printed.code, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thresholds.toml");
    let path = file.to_str().unwrap();
    let check = ["ops", "connections", "--check", "--thresholds", path];
    std::fs::write(&file, &printed.out).unwrap();
    assert_eq!(run(bank.url(), &check).await.code, 0);
    std::fs::write(
        &file,
        "[connections]\nusage_warning_percent = 1\nusage_critical_percent = 100\n",
    )
    .unwrap();
    let open: Vec<_> = futures_util::future::join_all((0..8).map(|_| bank.database.begin())).await;
    for transaction in &open {
        let transaction = transaction.as_ref().unwrap();
        transaction
            .execute(statement("SELECT 1", []))
            .await
            .unwrap();
    }
    let warned = run(bank.url(), &check).await;
    assert_eq!(warned.code, 1, "{}", warned.out);
    assert!(warned.out.contains("limits_usage="), "{}", warned.out);
    drop(open);
    std::fs::write(&file, "[connections]\nusage_warning_percent = 1000\n").unwrap();
    let wrong = run(bank.url(), &check[..2]).await;
    assert_eq!(wrong.code, 0);
    let wrong = run(bank.url(), &["ops", "connections", "--thresholds", path]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(
        wrong.err.contains("usage_warning_percent") && wrong.err.contains("1000"),
        "{}",
        wrong.err
    );
    assert_eq!(run(bank.url(), &check).await.code, 3);
}

async fn report_is_one_html_page(bank: TestBank) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let path = file.to_str().unwrap();
    let report = data(bank.url(), &["ops", "report", "--html", path]).await;
    let sections = report["sections"].as_object().unwrap();
    let page = std::fs::read_to_string(&file).unwrap();
    for subject in Subject::ALL.map(Subject::name) {
        assert!(sections.contains_key(subject), "{subject}");
        assert!(page.contains(&format!("id=\"{subject}\"")), "{subject}");
    }
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
    for outside in ["http://", "https://", "<script", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "statements may hold customers' data");
    let nowhere = folder.path().join("none").join("report.html");
    let rejected = run(
        bank.url(),
        &["ops", "report", "--html", nowhere.to_str().unwrap()],
    )
    .await;
    assert_eq!(rejected.code, 7);
    assert!(
        rejected.err.contains(nowhere.to_str().unwrap()),
        "{}",
        rejected.err
    );
}

/// A server that is killed with the test, however that ends.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(url: &str) -> (Self, String) {
        Self::start_with(url, &[])
    }

    /// Starts the server with these options, and returns its address too.
    pub(super) fn start_with(url: &str, options: &[&str]) -> (Self, String) {
        let arguments = [
            "serve-metrics",
            "--listen",
            "127.0.0.1:0",
            "--scrape-timeout",
            "60000",
        ];
        let arguments = [&arguments[..], options].concat();
        let mut child = neobank(url, &arguments).spawn().unwrap();
        let mut line = String::new();
        let errors = child.stderr.take().unwrap();
        let mut errors = BufReader::new(errors);
        errors.read_line(&mut line).unwrap();
        // A full pipe would block the server.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let address = line.trim().rsplit("http://").next().unwrap();
        let address = address.trim_end_matches("/metrics").to_owned();
        (Self(child), address)
    }
}

fn get(address: &str, path: &str) -> String {
    get_as(address, path, "application/openmetrics-text")
}

pub(super) fn get_as(address: &str, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The rules of Prometheus' own linter about names and help texts.
#[track_caller]
fn lint(text: &str) {
    let (mut helps, mut series) = (HashSet::new(), HashSet::new());
    let mut kinds = HashMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            assert!(helps.insert(help), "a help text twice: {line}");
            assert!(!help.is_empty(), "{name}");
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        {
            assert!(kinds.insert(name, kind).is_none(), "a type twice: {line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            for unit in [
                "milli", "kilo", "mega", "percent", "minutes", "hours", "gauge",
            ] {
                assert!(!name.contains(unit), "no base unit: {line}");
            }
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(
                name.starts_with("neobank_") && name.chars().all(plain),
                "{line}"
            );
            let words: Vec<_> = name.split('_').collect();
            assert!(
                words.windows(2).all(|pair| pair[0] != pair[1]),
                "a word twice: {line}"
            );
        } else if !line.is_empty() {
            let (one, value) = line.rsplit_once(' ').unwrap();
            let name = one.split('{').next().unwrap();
            assert!(kinds.contains_key(name), "no type: {line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(one), "a series twice: {line}");
        }
    }
    assert!(kinds.len() > 30 && kinds.len() == helps.len(), "{text}");
}

/// Prometheus' own linter, where it is installed; CI names it in `NEOBANK_PROMTOOL`.
#[track_caller]
fn prometheus_lints(text: &str) {
    let named = std::env::var("NEOBANK_PROMTOOL").ok();
    let program = named.clone().unwrap_or_else(|| "promtool".to_owned());
    let started = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return assert_eq!(named, None, "{error}"),
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

async fn prometheus_scrapes_every_metric(bank: TestBank) {
    let mut sampler = neobank_db::pool::Sampler::new(&bank.database);
    sampler.record().await.unwrap();
    let (_server, address) = Server::start(bank.url());
    for scrape in 1..=2 {
        let text = get(&address, "/metrics");
        for part in [
            "HTTP/1.1 200",
            "application/openmetrics-text",
            "neobank_up 1.0",
            "neobank_connections_usage_ratio ",
            "neobank_build_info{version=",
            "neobank_server_info{version=",
            "neobank_transactions_committed_total ",
            "neobank_sessions{database=",
            "neobank_pool_connections{pool=",
            "neobank_pool_statements_total{pool=",
            "neobank_section_state{section=\"locks\"} ",
            &format!("neobank_scrapes_total {scrape}"),
            "neobank_scrape_failures_total 0",
            "# EOF",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert!(get(&address, "/other").starts_with("HTTP/1.1 404"));
    let plain = get_as(&address, "/metrics", "text/plain; version=0.0.4");
    assert!(plain.contains("text/plain; version=0.0.4"), "{plain}");
    assert!(
        plain.contains("# TYPE neobank_scrapes_total counter"),
        "{plain}"
    );
    assert!(!plain.contains("# EOF"), "{plain}");
    let body = plain.split_once("\r\n\r\n").unwrap().1;
    lint(body);
    prometheus_lints(body);
    // A metric reports an unreachable database, and the server continues.
    let (_server, address) = Server::start("postgresql://nobody:canary@127.0.0.1:1/nowhere");
    let text = get(&address, "/metrics");
    assert!(
        text.contains("HTTP/1.1 200") && text.contains("neobank_up 0.0"),
        "{text}"
    );
    assert!(text.contains("neobank_scrape_failures_total 1"), "{text}");
    assert!(!text.contains("section_state{"), "{text}");
    let taken = run(bank.url(), &["serve-metrics", "--listen", &address]).await;
    assert_eq!(taken.code, 7);
    assert!(taken.err.contains(&address), "{}", taken.err);
}

async fn hostile_table_names_are_accepted(bank: TestBank) {
    let superuser = bank.superuser().await;
    for sql in [
        "CREATE SCHEMA \"a.\"\"b\ng\"",
        "CREATE TABLE \"a.\"\"b\ng\".\"'; DROP TABLE x; --\" AS SELECT 1 AS one",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let arguments = ["ops", "mvcc", "a.\"b\ng", "'; DROP TABLE x; --"];
    let found = data(bank.url(), &arguments).await;
    let versions = found["value"]["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0]["visible"], Value::Bool(true));
    let shown = run(bank.url(), &arguments).await;
    assert_eq!(shown.code, 0, "{}", shown.err);
    let none = run(bank.url(), &["ops", "mvcc", "a", "b"]).await;
    assert_eq!(none.code, 2, "{}", none.err);
    assert!(none.err.contains("a.b"), "{}", none.err);
}

/// Operators copy the last column into psql: it must be a working statement for any name.
async fn advised_commands_work(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    let table = r#""a.""b".";' DROP TABLE x; --""#;
    for sql in [
        r#"CREATE SCHEMA "a.""b""#.to_owned(),
        format!(
            "CREATE TABLE {table} (n bigint PRIMARY KEY, body text NOT NULL) WITH (autovacuum_enabled = false)"
        ),
        format!(
            "INSERT INTO {table} SELECT n, repeat('x', 40) FROM generate_series(1, 80000) AS n"
        ),
        format!(r#"CREATE INDEX "the same" ON {table} (n)"#),
        format!("DELETE FROM {table} WHERE n % 4 > 0"),
        "SELECT pg_stat_force_next_flush()".to_owned(),
    ] {
        session.run(&sql).await;
    }
    let advice = async |subject: &str, start: &str| -> Vec<String> {
        let shown = run(bank.url(), &["ops", subject, "--schema", "a.\"b"]).await;
        assert_eq!(shown.code, 0, "{}", shown.err);
        let lines = shown.out.lines().filter_map(|line| {
            let from = line.find(start)?;
            let to = line.rfind(';')?;
            line.get(from..to).map(str::to_owned)
        });
        let once: std::collections::BTreeSet<String> = lines.collect();
        once.into_iter().collect()
    };
    // No object is large enough to alert, unless the file of thresholds says so.
    session.run(&format!("VACUUM (ANALYZE) {table}")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thresholds.toml");
    let check = [
        "ops",
        "bloat",
        "--check",
        "--thresholds",
        file.to_str().unwrap(),
    ];
    for (text, code) in [
        ("", 0),
        (
            "[bloat]\nsize_min_mebibytes = 1\nshare_warning_percent = 50",
            1,
        ),
        (
            "[bloat]\nsize_min_mebibytes = 1\nshare_warning_percent = 50\nshare_critical_percent = 60",
            2,
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let found = run(bank.url(), &check).await;
        assert_eq!(found.code, code, "{text}: {}", found.out);
    }
    let sql = format!(
        "INSERT INTO {table} SELECT n, '' FROM generate_series(80001, 90000) AS n; DELETE FROM {table} WHERE n > 80000"
    );
    session.run(&sql).await;
    session.run("SELECT pg_stat_force_next_flush()").await;
    // Dead rows first, then the space.
    for (start, is_gone) in [("VACUUM (ANALYZE)", false), ("VACUUM (FULL)", true)] {
        let found = advice("bloat", start).await;
        assert_eq!(found.len(), 1, "{start}: {found:?}");
        session.run(&found[0]).await;
        session.run(&format!("ANALYZE {table}")).await;
        session.run("SELECT pg_stat_force_next_flush()").await;
        assert_eq!(advice("bloat", start).await, Vec::<String>::new());
        assert_eq!(advice("bloat", "VACUUM (FULL)").await.is_empty(), is_gone);
    }
    let same = advice("indexes", "DROP INDEX CONCURRENTLY").await;
    assert_eq!(same, [r#"DROP INDEX CONCURRENTLY "a.""b"."the same""#]);
    session.run(&same[0]).await;
    assert!(advice("indexes", "DROP INDEX").await.is_empty());
    // The index of the constraint is counted, without advice.
    let shown = run(bank.url(), &["ops", "indexes", "--schema", "a.\"b"]).await;
    assert!(
        shown.out.contains("1 index is used by no query"),
        "{}",
        shown.out
    );
    session.run(&format!("INSERT INTO {table} SELECT n, '' FROM generate_series(100000, 300000) AS n; DELETE FROM {table} WHERE n % 5 > 0")).await;
    session.run("SELECT pg_stat_force_next_flush()").await;
    session.run(&format!("VACUUM (ANALYZE) {table}")).await;
    let again = advice("bloat", "REINDEX INDEX CONCURRENTLY").await;
    assert_eq!(again.len(), 1, "{again:?}");
    session.run(&again[0]).await;
    assert!(advice("bloat", "REINDEX").await.is_empty());
}

async fn isolation_levels_are_executed(bank: TestBank) {
    let report = data(bank.url(), &["ops", "isolation"]).await;
    let cells = report["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 40);
    assert!(
        cells
            .iter()
            .all(|cell| cell["observed"] == cell["expected"])
    );
    let mut command = neobank(bank.url(), &["ops", "isolation"]);
    let rejected: Run = command
        .env("DB_ROLE", "neobank_read")
        .output()
        .unwrap()
        .into();
    assert_eq!(rejected.code, 6);
    assert!(rejected.err.contains("neobank_read"), "{}", rejected.err);
}

async fn pool_sizes_and_pgbouncer_files_are_computed(bank: TestBank) {
    let size = [
        "ops",
        "pool-size",
        "--max-connections",
        "100",
        "--mean-hold",
        "5",
        "--transactions-per-second",
        "1000",
        "--cores",
        "8",
    ];
    let computed = data(bank.url(), &size).await;
    assert!(computed["size"].as_u64().unwrap() > 0, "{computed}");
    let shown = run(bank.url(), &size).await;
    assert!(shown.out.contains("the deciding bound"), "{}", shown.out);
    let mut wrong = size;
    wrong[5] = "0";
    let rejected = run(bank.url(), &wrong).await;
    assert_eq!(rejected.code, 2, "{}", rejected.err);
    assert!(rejected.err.contains("mean_hold"), "{}", rejected.err);
    let file = [
        "ops",
        "pgbouncer",
        "--target-version",
        "1.18",
        "--database",
        "bank",
        "--host",
    ];
    let far = [&file[..], &["db.example"]].concat();
    let rejected = run(bank.url(), &far).await;
    assert_eq!(rejected.code, 2, "{}", rejected.out);
    assert!(rejected.err.contains("plain_text"), "{}", rejected.err);
    let written = run(bank.url(), &[&far[..], &["--server-ca", "/ca"]].concat()).await;
    assert!(
        written.out.contains("server_tls_sslmode = verify-full"),
        "{}{}",
        written.out,
        written.err
    );
    let rejected = run(bank.url(), &[&file[..], &["a'\n; evil = 1"]].concat()).await;
    assert_eq!(rejected.code, 2, "{}", rejected.out);
    assert!(!rejected.err.contains("\n; evil"), "{}", rejected.err);
}

//! The verdict of the library equals that of the check, the table, JSON, the page and Prometheus at
//! the same moment, for every subject of the registry.

use std::collections::BTreeMap;
use std::time::Duration;

use neobank_ops::checks::{self, Gap, Measurement, Severity, Subject, Verdict};
use neobank_ops::{Monitor, Thresholds};
use serde_json::Value;

use super::ops::{Server, get_as};
use super::program::{Run, run};
use crate::ops::monitor_of;
use crate::ops::session::Session;

/// The server is the test's own: sessions of other tests would change the figures between two
/// reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_renderer_shows_the_verdict_of_the_library() {
    for version in [15, 18] {
        let server = crate::harness::own_server(
            version,
            &[("shared_preload_libraries", "pg_stat_statements")],
        )
        .await;
        let url = server.url();
        crate::harness::migrate(url).await;
        let sessions = trouble(url).await;
        for thresholds in [Thresholds::default(), strict(), lenient()] {
            every_renderer_shows_each_subject_alike(url, &thresholds).await;
        }
        every_severity_is_reachable(url).await;
        drop(sessions);
        tokio::task::spawn_blocking(move || server.stop().unwrap())
            .await
            .unwrap();
    }
}

/// Creates a session that waits for an idle transaction, an index that failed, logged deadlocks and
/// a table that is mostly empty.
async fn trouble(url: &str) -> [Session; 3] {
    let (observer, holder, waiter) = (
        Session::open(url).await,
        Session::open(url).await,
        Session::open(url).await,
    );
    for sql in [
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        "CREATE TABLE public.twice AS SELECT 1 AS n FROM generate_series(1, 2)",
        "INSERT INTO concurrency.deadlock_log (query_text) SELECT 'q' FROM generate_series(1, 2)",
        "CREATE TABLE public.hollow (n bigint PRIMARY KEY, body text NOT NULL) WITH (autovacuum_enabled = false)",
        "INSERT INTO public.hollow SELECT n, repeat('x', 40) FROM generate_series(1, 80000) AS n",
        "DELETE FROM public.hollow WHERE n % 4 > 0",
        // Otherwise the vacuum may run before the server counts the changes, and the estimate is in
        // doubt.
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (ANALYZE) public.hollow",
    ] {
        observer.run(sql).await;
    }
    let build = "CREATE UNIQUE INDEX CONCURRENTLY twice_n ON public.twice (n)";
    let failed = observer.send(build).await.unwrap();
    assert!(failed.is_err(), "the rows are equal");
    holder.run("BEGIN; SELECT pg_current_xact_id()").await;
    holder.run("LOCK TABLE public.twice").await;
    observer.run("SELECT pg_current_xact_id()").await;
    waiter
        .wait(&observer, "BEGIN; SELECT * FROM public.twice")
        .await;
    [observer, holder, waiter]
}

/// Thresholds at which every figure alerts.
fn strict() -> Thresholds {
    let mut all = Thresholds::default();
    (
        all.bloat.share_warning_percent,
        all.bloat.share_critical_percent,
    ) = (1, 1);
    all.bloat.size_min_mebibytes = 1;
    (
        all.cache.hit_warning_percent,
        all.cache.hit_critical_percent,
    ) = (100, 100);
    all.cache.blocks_min = 1;
    let connections = &mut all.connections;
    (
        connections.usage_warning_percent,
        connections.usage_critical_percent,
    ) = (1, 100);
    (
        all.locks.wait_warning_milliseconds,
        all.locks.wait_critical_milliseconds,
    ) = (0, 0);
    (
        all.locks.deadlocks_warning_count,
        all.locks.deadlocks_critical_count,
    ) = (2, 3);
    let statements = &mut all.statements;
    (
        statements.mean_warning_milliseconds,
        statements.mean_critical_milliseconds,
    ) = (0, 0);
    let transactions = &mut all.transactions;
    (
        transactions.long_warning_seconds,
        transactions.long_critical_seconds,
    ) = (0, 0);
    (
        transactions.idle_warning_seconds,
        transactions.idle_critical_seconds,
    ) = (0, 0);
    (
        all.vacuum.held_warning_transactions,
        all.vacuum.held_critical_transactions,
    ) = (1, 1);
    (
        all.sealing.record_warning_seconds,
        all.sealing.record_critical_seconds,
    ) = (0, 0);
    all
}

/// Thresholds at which no figure alerts.
fn lenient() -> Thresholds {
    const MONTH_SECONDS: u64 = 31 * 24 * 3600;
    let mut all = Thresholds::default();
    (
        all.bloat.share_warning_percent,
        all.bloat.share_critical_percent,
    ) = (100, 100);
    (
        all.cache.hit_warning_percent,
        all.cache.hit_critical_percent,
    ) = (0, 0);
    let connections = &mut all.connections;
    (
        connections.usage_warning_percent,
        connections.usage_critical_percent,
    ) = (100, 100);
    all.locks.wait_warning_milliseconds = MONTH_SECONDS * 1000;
    all.locks.wait_critical_milliseconds = MONTH_SECONDS * 1000;
    (
        all.locks.deadlocks_warning_count,
        all.locks.deadlocks_critical_count,
    ) = (1000, 1000);
    all.statements.mean_warning_milliseconds = MONTH_SECONDS * 1000;
    all.statements.mean_critical_milliseconds = MONTH_SECONDS * 1000;
    let transactions = &mut all.transactions;
    transactions.long_warning_seconds = MONTH_SECONDS;
    transactions.long_critical_seconds = MONTH_SECONDS;
    transactions.idle_warning_seconds = MONTH_SECONDS;
    transactions.idle_critical_seconds = MONTH_SECONDS;
    all
}

async fn every_severity_is_reachable(url: &str) {
    let of = async |thresholds: Thresholds| {
        let verdicts = monitor_of(url).await.check_all(&thresholds).await.unwrap();
        assert_eq!(verdicts.len(), Subject::ALL.len());
        let by_subject = |verdict: Verdict| (verdict.subject, verdict.severity);
        verdicts
            .into_iter()
            .map(by_subject)
            .collect::<BTreeMap<_, _>>()
    };
    let (strict, lenient) = (of(strict()).await, of(lenient()).await);
    for subject in Subject::ALL {
        let expected = match subject {
            Subject::Connections | Subject::Deadlocks | Subject::Indexes => {
                (Severity::Warning, Severity::Ok)
            }
            _ => (Severity::Critical, Severity::Ok),
        };
        // The tests' server is not durable, and an invalid index has no threshold.
        let expected = match subject {
            Subject::Health => (Severity::Critical, Severity::Critical),
            Subject::Indexes => (Severity::Warning, Severity::Warning),
            _ => expected,
        };
        assert_eq!((strict[&subject], lenient[&subject]), expected, "{subject}");
    }
}

/// The outputs of the program about one subject.
struct Shown {
    check: Run,
    table: Run,
    json: Run,
}

/// Reads until the figures before and after are equal, so that a moving figure is no difference
/// between renderers.
async fn every_renderer_shows_each_subject_alike(url: &str, thresholds: &Thresholds) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thresholds.toml");
    std::fs::write(&file, thresholds.to_toml()).unwrap();
    let options = ["--thresholds", file.to_str().unwrap()];
    let (_server, address) = Server::start_with(url, &options);
    for subject in Subject::ALL {
        until_equal(subject.name(), async || {
            let before = look(url, subject, thresholds).await;
            let shown = Shown::of(url, subject, &options).await;
            let page = scraped(&address).await;
            let after = look(url, subject, thresholds).await;
            difference_of_the_check(&before, &after, &shown.check)
                .or_else(|| difference_of_the_table(&before, &shown.table))
                .or_else(|| difference_of_json(&before, &shown))
                .or_else(|| difference_of_prometheus(&before, &after, &page))
        })
        .await;
    }
    until_equal("report", async || {
        let monitor = monitor_of(url).await;
        let verdicts = monitor.check_all(thresholds).await.unwrap();
        drop(monitor);
        difference_of_the_report(&verdicts, url, &options).await
    })
    .await;
}

/// A monitor for this read alone, so that the program finds the same number of connections.
async fn look(url: &str, subject: Subject, thresholds: &Thresholds) -> Verdict {
    let monitor: Monitor = monitor_of(url).await;
    monitor.check(subject, thresholds).await.unwrap()
}

async fn until_equal(what: &str, mut difference: impl AsyncFnMut() -> Option<String>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while let Some(found) = difference().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} never agreed: {found}"
        );
    }
}

impl Shown {
    async fn of(url: &str, subject: Subject, options: &[&str]) -> Self {
        let with = |more: &[&'static str]| {
            let command = ["ops", subject.name()].map(str::to_owned);
            let options = options.iter().map(|one| (*one).to_owned());
            let more = more.iter().map(|one| (*one).to_owned());
            command
                .into_iter()
                .chain(options)
                .chain(more)
                .collect::<Vec<String>>()
        };
        let of = async |more: &[&'static str]| {
            let arguments = with(more);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(url, &arguments).await
        };
        Self {
            check: of(&["--check"]).await,
            table: of(&["--color", "always"]).await,
            json: of(&["--json"]).await,
        }
    }
}

async fn scraped(address: &str) -> BTreeMap<String, f64> {
    let address = address.to_owned();
    let page = tokio::task::spawn_blocking(move || get_as(&address, "/metrics", "text/plain"))
        .await
        .unwrap();
    let series = page.lines().filter_map(|line| line.rsplit_once(' '));
    series
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

/// Returns a difference, unless both are the same.
fn unless_equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    library: T,
    shown: T,
) -> Option<String> {
    (library != shown).then(|| format!("{what}: {library:?} in the library, {shown:?} shown"))
}

/// Numbers in a message move with time; its words do not.
fn words(text: &str) -> String {
    let is_word = |character: &char| !character.is_ascii_digit() && *character != '.';
    text.chars().filter(is_word).collect()
}

/// Returns true for a value between two reads of the library, to a thousandth.
fn is_between(value: f64, one: f64, other: f64) -> bool {
    let margin = 0.002 + one.abs() / 1000.0;
    (one.min(other) - margin..=one.max(other) + margin).contains(&value)
}

fn difference_of_the_check(before: &Verdict, after: &Verdict, check: &Run) -> Option<String> {
    let start = format!(
        "NEOBANK {} {} - ",
        before.subject.name().to_uppercase(),
        before.severity.word()
    );
    let (line, data) = check
        .out
        .trim_end()
        .rsplit_once(" | ")
        .unwrap_or((&check.out, ""));
    let reason = before.reason().unwrap_or_default();
    unless_equal("exit code", i32::from(before.severity.code()), check.code)
        .or_else(|| unless_equal("start", true, line.starts_with(&start)))
        .or_else(|| {
            let message = words(&before.message);
            let is_there = words(line).contains(&message);
            (!is_there).then(|| format!("{message:?} is not in {line:?}"))
        })
        .or_else(|| (!line.contains(&reason)).then(|| format!("{reason} is not in {line}")))
        .or_else(|| difference_of_performance_data(before, after, data))
}

/// Compares `label=value[unit];[warning];[critical];…`, one after another.
fn difference_of_performance_data(before: &Verdict, after: &Verdict, data: &str) -> Option<String> {
    let shown: Vec<&str> = data.split_whitespace().collect();
    let pairs = before.measurements().zip(after.measurements());
    unless_equal("figures", before.measurements().count(), shown.len()).or_else(|| {
        pairs
            .zip(shown)
            .find_map(|((one, other), shown)| difference_of_one(one, other, shown))
    })
}

fn difference_of_one(one: &Measurement, other: &Measurement, shown: &str) -> Option<String> {
    let (label, rest) = shown.split_once('=').unwrap();
    let mut fields = rest.split(';');
    let value = fields.next().unwrap().trim_end_matches(['s', '%']);
    let value: f64 = value.parse().unwrap();
    let mut range = || fields.next().unwrap_or_default().to_owned();
    let text = |range: Option<checks::Threshold>| range.map_or_else(String::new, |r| r.to_string());
    unless_equal("label", one.metric.name, label)
        .or_else(|| unless_equal("warning", text(one.warning), range()))
        .or_else(|| unless_equal("critical", text(one.critical), range()))
        .or_else(|| {
            let is_equal = is_between(value, one.value, other.value);
            (!is_equal).then(|| format!("{shown}: {} and {}", one.value, other.value))
        })
}

fn difference_of_the_table(verdict: &Verdict, table: &Run) -> Option<String> {
    let titles = verdict.sections.iter().filter_map(|section| {
        let is_named = !verdict.subject.sections().is_empty();
        is_named.then_some(section.title)
    });
    let gaps = verdict.sections.iter().flat_map(|section| &section.gaps);
    let notes = gaps.filter_map(|gap| match gap {
        Gap::NotAvailable { reason } => Some(format!("n/a: {reason}")),
        _ => None,
    });
    let code = i32::from(verdict.reason().is_some());
    unless_equal("exit code of the table", code, table.code)
        .or_else(|| {
            titles
                .map(str::to_owned)
                .chain(notes)
                .find(|text| !table.out.contains(text))
                .map(|text| format!("{text:?} is not in {}", table.out))
        })
        .or_else(|| difference_of_colour(verdict, table))
}

/// The figure of connections has the colour of its severity.
fn difference_of_colour(verdict: &Verdict, table: &Run) -> Option<String> {
    if verdict.subject != Subject::Connections {
        return None;
    }
    let usage = verdict.measurements().next()?;
    let code = match usage.severity() {
        Severity::Critical => "31",
        Severity::Warning => "33",
        _ => "32",
    };
    let line = table.out.lines().find(|line| line.starts_with("usage"))?;
    let is_there = line.contains(&format!("\u{1b}[{code}m"));
    (!is_there).then(|| format!("no colour {code} in {line:?}"))
}

/// A section is available in the contract where the verdict has no reason against it.
fn difference_of_json(verdict: &Verdict, shown: &Shown) -> Option<String> {
    let document = shown.json.json();
    let data = &document["data"];
    let is_named = !verdict.subject.sections().is_empty();
    let difference = verdict.sections.iter().find_map(|section| {
        let json: &Value = if is_named { &data[section.name] } else { data };
        let is_missing = |gap: &Gap| matches!(gap, Gap::NotAvailable { .. });
        let status = if section.gaps.iter().any(is_missing) {
            "not_available"
        } else {
            "available"
        };
        unless_equal(section.name, status, json["status"].as_str().unwrap())
    });
    unless_equal("exit code of JSON", shown.table.code, shown.json.code).or(difference)
}

fn difference_of_prometheus(
    before: &Verdict,
    after: &Verdict,
    page: &BTreeMap<String, f64>,
) -> Option<String> {
    let of = |name: &str| {
        let series = format!("neobank_section_{name}{{section=\"{}\"}}", before.subject);
        page.get(&series).copied()
    };
    let is_available = f64::from(u8::from(before.reason().is_none()));
    let state = f64::from(before.severity.code());
    unless_equal("state", Some(state), of("state"))
        .or_else(|| unless_equal("available", Some(is_available), of("available")))
        .or_else(|| {
            let mut metrics = before.subject.metrics().iter();
            metrics.find_map(|metric| {
                let value = page.get(&format!("neobank_{}", metric.exported_name));
                let of = |verdict: &Verdict| {
                    let mut measurements = verdict.measurements();
                    let found = measurements.find(|one| one.metric == *metric)?;
                    Some(found.value_in_base_units())
                };
                match (of(before), of(after), value) {
                    (None, None, None) => None,
                    (Some(one), Some(other), Some(value)) if is_between(*value, one, other) => None,
                    (one, other, value) => Some(format!(
                        "{}: {one:?} and {other:?} in the library, {value:?} scraped",
                        metric.exported_name
                    )),
                }
            })
        })
}

async fn difference_of_the_report(
    verdicts: &[Verdict],
    url: &str,
    options: &[&str],
) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let path = file.to_str().unwrap();
    let with = |more: &[&'static str]| [&["ops", "report"], options, more].concat();
    let check = run(url, &with(&["--check"])).await;
    let report = run(url, &[&with(&["--json"])[..], &["--html", path]].concat()).await;
    let page = std::fs::read_to_string(&file).unwrap();
    let document = report.json();
    let sections = document["data"]["sections"].as_object().unwrap();
    let names: Vec<&str> = Subject::ALL.map(Subject::name).to_vec();
    let shown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| sections.contains_key(*name))
        .collect();
    let worst = checks::worst(verdicts).unwrap();
    let start = format!("worst is {} (", worst.subject);
    let code = i32::from(checks::severity(verdicts).code());
    unless_equal("exit code of the report", code, check.code)
        .or_else(|| (!check.out.contains(&start)).then(|| format!("{start}: {}", check.out)))
        .or_else(|| unless_equal("sections", names.len(), sections.len()))
        .or_else(|| unless_equal("names", names, shown))
        .or_else(|| {
            verdicts.iter().find_map(|verdict| {
                let badge = match verdict.severity {
                    Severity::Ok => "ok",
                    Severity::Warning => "warning",
                    Severity::Critical => "critical",
                    Severity::Unknown => "n/a",
                };
                let section = page.split_once(&format!("<section id=\"{}\">", verdict.subject))?;
                let heading = section.1.split("</h2>").next()?;
                let is_there = heading.ends_with(&format!(">{badge}</span>"));
                (!is_there).then(|| format!("{} is not {badge}: {heading}", verdict.subject))
            })
        })
}

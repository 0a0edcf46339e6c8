//! `neobank bench` at a small scale: that it measures, audits and cleans up. No test judges speed.

use std::time::Duration;

use neobank_db::{
    Database, DatabaseConfig, DatabaseError, Executor, IsolationLevel, Transaction,
    TransactionOptions, statement,
};

use super::program::{Run, data, neobank, run};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    every_way_moves_money_and_the_run_is_audited,
    rounds_alternate_and_bulk_ways_come_last,
    other_requests_are_compared_with_transfers,
    rate_limits_callers_and_group_size_limits_groups,
    growth_and_knee_are_measured_and_plotted,
    instances_do_not_share_an_account_cache,
    costs_has_a_line_for_each_subject,
    help_explains_every_option,
    soak_without_growth_succeeds,
    soak_beside_an_old_snapshot_fails,
    soak_with_a_failed_audit_fails_and_prints_its_samples,
    invalid_option_is_rejected_before_a_server_starts,
    server_url_in_the_environment_is_ignored,
);

const SMALL: [&str; 8] = [
    "--accounts",
    "20",
    "--seconds",
    "1",
    "--warm-up",
    "0",
    "--batch-size",
    "50",
];

async fn every_way_moves_money_and_the_run_is_audited(database: EmptyDatabase) {
    let url = &database.url;
    let bench = [&["bench", "--url", url, "--callers", "1,4"][..], &SMALL].concat();
    let report = data(url, &bench).await;
    let lines = report["lines"].as_array().unwrap();
    // Batches and COPY have one caller.
    assert_eq!(lines.len(), 4 * 2 * 2 + 2 + 2, "{report}");
    for line in lines {
        assert!(line["throughput"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["wal_bytes"].as_f64().unwrap() > 100.0, "{line}");
        let latency = &line["latency"];
        let at = |name: &str| latency[name].as_u64().unwrap();
        assert!(
            at("p50") > 0 && at("p50") <= at("p99") && at("p99") <= at("max"),
            "{line}"
        );
    }
    let trips = |way: &str, callers: u64| {
        let is_it = |line: &&serde_json::Value| line["way"] == way && line["callers"] == callers;
        lines.iter().find(is_it).unwrap()["round_trips"]
            .as_f64()
            .unwrap()
    };
    let counted = [trips("classic", 1), trips("single", 1)];
    assert_eq!(counted, [5.0, 1.0]);
    let locks = ["--ways", "single", "--account-cache", "0"];
    let locks = data(url, &[&bench[..], &locks].concat()).await;
    let line = &locks["lines"][0];
    assert_eq!(
        (line["round_trips"].as_f64(), line["optimistic"].as_f64()),
        (Some(2.0), Some(0.0))
    );
    assert!(trips("group-commit", 4) < 2.0);
    // Each of 20 accounts has a deposit, and each transfer has two entries.
    assert!(report["entries"].as_u64().unwrap() > 40);
}

/// Bulk ways come first in the option, and are measured last.
async fn rounds_alternate_and_bulk_ways_come_last(database: EmptyDatabase) {
    let url = &database.url;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ways.svg").to_str().unwrap().to_owned();
    let bench = [
        &["bench", "--url", url, "--callers", "2", "--rounds", "2"][..],
        &["--ways", "copy,batch,group-commit,classic", "--svg", &file],
        &["--accounts-chosen", "zipf", "--reads", "20", "--page", "3"],
        &SMALL,
    ]
    .concat();
    let report = data(url, &bench).await;
    let ways: Vec<&str> = report["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["way"].as_str().unwrap())
        .collect();
    assert_eq!(ways, ["group-commit", "classic", "copy", "batch"]);
    assert_eq!(report["rounds"], 2);
    let compared = report["comparisons"].as_array().unwrap();
    let compared: Vec<&str> = compared
        .iter()
        .map(|comparison| comparison["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        compared,
        [
            "zipf, 2 callers: group-commit to classic",
            "zipf, 2 callers: group-commit to classic's best",
            "zipf: batch to COPY of the same rows",
        ]
    );
    let reads = report["lines"][0]["pages"]["count"].as_u64().unwrap();
    assert!(reads > 0, "{report}");
    let drawn = std::fs::read_to_string(&file).unwrap();
    for text in ["group-commit", "classic", "2 callers", "×"] {
        assert!(drawn.contains(text), "{text} is not in {drawn}");
    }
}

async fn other_requests_are_compared_with_transfers(database: EmptyDatabase) {
    let url = &database.url;
    let ways = ["--ways", "group-commit,holds,groups,mixture"];
    let bench = [
        &["bench", "--url", url, "--callers", "4", "--reads", "20"][..],
        &["--accounts-chosen", "zipf"],
        &ways,
        &SMALL,
    ]
    .concat();
    let report = data(url, &bench).await;
    let compared = report["comparisons"].as_array().unwrap();
    let compared: Vec<_> = compared
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let expected =
        ["holds", "groups", "mixture"].map(|way| format!("zipf, 4 callers: {way} to group-commit"));
    assert_eq!(compared, expected);
    for line in report["lines"].as_array().unwrap() {
        assert!(line["throughput"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["latency"]["count"].as_u64().unwrap() > 0, "{line}");
    }
    // Each call of the way `groups` counts ten times.
    let groups = &report["lines"][2];
    let seconds = groups["latency"]["count"].as_f64().unwrap() * 10.0
        / groups["throughput"].as_f64().unwrap();
    assert!((0.5..5.0).contains(&seconds), "{groups}");
}

async fn soak_without_growth_succeeds(database: EmptyDatabase) {
    let url = &database.url;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("soak.svg").to_str().unwrap().to_owned();
    // A shared machine may slow down by any factor during the run, so the test checks figures but
    // no limit.
    let soak = [
        &["bench", "soak", "--url", url, "--callers", "4"][..],
        &["--tolerance", "1000000", "--svg", &file],
        &["--accounts", "20", "--seconds", "3", "--warm-up", "0"],
    ]
    .concat();
    let soak = data(url, &soak).await;
    assert_eq!(soak["grows"], false, "{soak}");
    let samples = soak["samples"].as_array().unwrap();
    assert!((3..=7).contains(&samples.len()), "{soak}");
    for sample in samples {
        assert!(sample["client_memory"].as_u64().unwrap() > 1_000_000);
        assert!(sample["table_bytes"].as_u64().unwrap() >= 8192);
        assert!(sample["index_bytes"].as_u64().unwrap() >= 8192);
    }
    let sum = |name: &str| samples.iter().map(|one| one[name].as_f64().unwrap()).sum();
    let throughput: f64 = sum("throughput");
    assert!(throughput > 0.0, "{soak}");
    assert!(
        samples.iter().any(|one| one["heap_only"].is_number()),
        "{soak}"
    );
    let trends = soak["trends"].as_array().unwrap();
    let limited = |name: &str| {
        let trend = trends.iter().find(|trend| trend["name"] == name).unwrap();
        trend["limit"].is_number()
    };
    assert!(limited("accounts table") && limited("client's memory") && limited("latency, p99"));
    assert!(!limited("throughput"));
    let drawn = std::fs::read_to_string(&file).unwrap();
    assert!(drawn.contains("Dead rows of accounts"), "{drawn}");
}

/// A transaction with an old snapshot keeps every version of every account, so the table grows.
async fn soak_beside_an_old_snapshot_fails(database: EmptyDatabase) {
    let url = database.url.clone();
    let soak = [
        &["bench", "soak", "--url", &url, "--callers", "32"][..],
        &["--accounts", "20", "--seconds", "8", "--warm-up", "0"],
    ]
    .concat();
    let (run, _holder) = run_and_meanwhile(&url, &soak, hold_snapshot).await;
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    let grows = run
        .out
        .lines()
        .find(|line| line.starts_with("grows by more than 20 %: "));
    assert!(
        grows.is_some_and(|line| line.contains("accounts table")),
        "{}",
        run.out
    );
    assert!(run.out.contains("every invariant holds"), "{}", run.out);
}

/// The samples of a long run are printed although the audit fails.
async fn soak_with_a_failed_audit_fails_and_prints_its_samples(database: EmptyDatabase) {
    let url = database.url.clone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("soak.svg").to_str().unwrap().to_owned();
    let soak = [
        &["bench", "soak", "--url", &url, "--callers", "4"][..],
        &["--tolerance", "1000000", "--svg", &file],
        &["--accounts", "20", "--seconds", "3", "--warm-up", "0"],
    ]
    .concat();
    let (run, ()) = run_and_meanwhile(&url, &soak, disable_append_only_trigger).await;
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    for text in [
        "nothing grows by more than 1000000 %",
        "THE AUDIT DID NOT PASS",
        "transfers_append_only",
    ] {
        assert!(run.out.contains(text), "{text} is not in {}", run.out);
    }
    assert!(std::fs::exists(&file).unwrap());
}

/// Runs the command, and calls `meanwhile` with the configuration of its database once that has
/// transfers.
async fn run_and_meanwhile<T>(
    url: &str,
    arguments: &[&str],
    meanwhile: impl AsyncFn(DatabaseConfig) -> Result<T, DatabaseError>,
) -> (Run, T) {
    let mut child = neobank(url, arguments).spawn().unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let own = format!("{server}/neobank_bench_{}", child.id());
    let done = loop {
        // The command takes time to create its database, or ends with an error.
        match meanwhile(DatabaseConfig::from_url(&own).unwrap()).await {
            Ok(done) => break done,
            Err(error) => assert!(child.try_wait().unwrap().is_none(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    (Run::from(output.await.unwrap()), done)
}

async fn disable_append_only_trigger(config: DatabaseConfig) -> Result<(), DatabaseError> {
    let database = Database::connect(config).await?;
    let sql = "SELECT 1 / count(*) FROM banking.transfers";
    database.execute(statement(sql, [])).await?;
    let sql = "ALTER TABLE banking.transfers DISABLE TRIGGER transfers_append_only";
    database.execute(statement(sql, [])).await?;
    Ok(())
}

async fn hold_snapshot(config: DatabaseConfig) -> Result<Transaction, DatabaseError> {
    let database = Database::connect(config).await?;
    let options = TransactionOptions::default().with_isolation(IsolationLevel::RepeatableRead);
    let holder = database.begin_with(options).await?;
    let sql = "SELECT 1 / count(*) FROM banking.transfers";
    holder.execute(statement(sql, [])).await?;
    Ok(holder)
}

async fn invalid_option_is_rejected_before_a_server_starts(database: EmptyDatabase) {
    let url = &database.url;
    let set = run(url, &["bench", "--set", "shared_buffers"]).await;
    assert_eq!(set.code, 2, "{}", set.err);
    let set = [
        "bench",
        "--postgres",
        "15",
        "--set",
        "shared_buffers=nonsense",
    ];
    let set = run(url, &set).await;
    assert_eq!(set.code, 7, "{}", set.err);
    assert!(set.err.contains("shared_buffers"), "{}", set.err);
    for (arguments, wanted) in [
        (&["--rounds", "0"][..], "--rounds cannot be 0"),
        (&["soak", "--seconds", "2"], "--seconds cannot be 2"),
        (
            &["soak", "--tolerance", "2000000"],
            "--tolerance cannot be 2000000",
        ),
        (&["--reads", "100"], "--reads cannot be 100"),
        (&["--callers", "0"], "--callers cannot be 0"),
        (&["--rate", "0"], "--rate cannot be 0"),
        (&["--page", "0"], "--page cannot be 0"),
        (&["--batch-size", "0"], "--batch-size cannot be 0"),
        (&["--instances", "0"], "--instances cannot be 0"),
        (&["--connections", "0"], "--connections cannot be 0"),
        (&["knee", "--loads", "0"], "--loads cannot be 0"),
        (
            &["growth", "--journals", "2000000000"],
            "--journals cannot be 2000000000",
        ),
    ] {
        let wrong = run(url, &[&["bench", "--url", url][..], arguments].concat()).await;
        assert_eq!(wrong.code, 2, "{arguments:?}: {}", wrong.err);
        assert!(wrong.err.contains(wanted), "{arguments:?}: {}", wrong.err);
    }
}

async fn rate_limits_callers_and_group_size_limits_groups(database: EmptyDatabase) {
    let url = &database.url;
    let bench = [
        &[
            "bench",
            "--url",
            url,
            "--callers",
            "8",
            "--ways",
            "group-commit",
        ][..],
        &["--accounts-chosen", "random", "--journal", "20000"],
        &["--no-keys", "--workers", "1", "--group-size", "2"],
        &["--connections", "3", "--quiet"],
        &SMALL,
    ]
    .concat();
    let report = data(url, &bench).await;
    let line = &report["lines"][0];
    let size = line["group_size"].as_f64().unwrap();
    assert!(size > 1.0 && size <= 2.0, "{line}");
    assert!(report["entries"].as_u64().unwrap() > 20_040, "{report}");
    let rated = [&bench[..], &["--rate", "40"]].concat();
    let report = data(url, &rated).await;
    let throughput = report["lines"][0]["throughput"].as_f64().unwrap();
    // A fast machine gets no more than the rate, and a slow one may serve fewer.
    assert!(throughput > 0.0 && throughput <= 60.0, "{report}");
}

/// Each ledger posts to the accounts that the others have cached, as several processes do.
async fn instances_do_not_share_an_account_cache(database: EmptyDatabase) {
    let url = &database.url;
    let bench = [
        &["bench", "--url", url, "--callers", "8"][..],
        &["--ways", "group-commit", "--accounts-chosen", "hot"],
        &SMALL,
    ]
    .concat();
    let optimistic = async |instances| {
        let report = data(url, &[&bench[..], &["--instances", instances]].concat()).await;
        report["lines"][0]["optimistic"].as_f64().unwrap()
    };
    let (alone, beside) = (optimistic("1").await, optimistic("2").await);
    assert!(alone > 0.8 && beside < 0.5, "{alone} and {beside}");
}

async fn costs_has_a_line_for_each_subject(database: EmptyDatabase) {
    let url = &database.url;
    let costs = [
        &["bench", "costs", "--url", url, "--callers", "4"][..],
        &["--rounds", "1"],
        &SMALL,
    ]
    .concat();
    let costs = data(url, &costs).await;
    assert_eq!(costs["rounds"], 1);
    let parts = costs["parts"].as_array().unwrap();
    assert!(parts.len() > 10, "{costs}");
    assert_eq!(parts[0]["throughput_ratio"], 1.0);
    for part in parts {
        assert!(part["throughput_ratio"].as_f64().unwrap() > 0.0, "{part}");
        assert!(part["wal_bytes"].as_f64().unwrap() > 100.0, "{part}");
    }
}

async fn help_explains_every_option(database: EmptyDatabase) {
    let help = run(&database.url, &["bench", "--help"]).await;
    assert_eq!(help.code, 0, "{}", help.err);
    let lines: Vec<&str> = help.out.lines().collect();
    for option in [
        "--postgres",
        "--instances",
        "--set",
        "--accounts",
        "--journal",
        "--callers",
        "--seconds",
        "--warm-up",
        "--accounts-chosen",
        "--ways",
        "--reads",
        "--rate",
        "--no-keys",
        "--connections",
        "--workers",
        "--group-size",
        "--batch-size",
        "--rounds",
        "--journals",
        "--loads",
        "--tolerance",
        "--page",
        "--svg",
        "--quiet",
    ] {
        let place = lines.iter().position(|line| {
            line.trim_start()
                .strip_prefix(option)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let place = place.unwrap_or_else(|| panic!("{option} is not in {}", help.out));
        let explained = lines[place + 1].trim();
        assert!(
            explained.len() > 10 && !explained.starts_with("--"),
            "{option}: {explained}"
        );
    }
    for subject in ["ways", "costs", "growth", "knee", "soak"] {
        assert!(help.out.contains(&format!("- {subject}:")), "{subject}");
    }
}

async fn growth_and_knee_are_measured_and_plotted(database: EmptyDatabase) {
    let url = &database.url;
    let folder = tempfile::tempdir().unwrap();
    let drawn = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (growth_file, knee_file) = (drawn("growth.svg"), drawn("knee.svg"));
    let growth = [
        &[
            "bench",
            "growth",
            "--url",
            url,
            "--callers",
            "4",
            "--journals",
            "20000,0",
            "--rounds",
            "1",
        ][..],
        &["--svg", &growth_file],
        &SMALL,
    ]
    .concat();
    let growth = data(url, &growth).await;
    let sizes = growth["sizes"].as_array().unwrap();
    assert_eq!(sizes[0]["throughput_ratio"], 1.0);
    assert_eq!(sizes[1]["journal"], 20_000);
    // Each of 20 accounts has a deposit, and each transfer has two entries.
    assert_eq!([&sizes[0]["entries"], &sizes[1]["entries"]], [40, 20_040]);
    assert!(growth["entries"].as_u64().unwrap() > 20_000);

    let knee = [
        &[
            "bench",
            "knee",
            "--url",
            url,
            "--callers",
            "4",
            "--loads",
            "10,400",
        ][..],
        &["--svg", &knee_file],
        &SMALL,
    ]
    .concat();
    let knee = data(url, &knee).await;
    let steps = knee["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    let offered = |step: usize| steps[step]["offered"].as_f64().unwrap();
    assert!(offered(1) > 30.0 * offered(0), "{knee}");
    for file in [growth_file, knee_file] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            text.starts_with("<svg") && text.contains("</svg>"),
            "{text}"
        );
    }
}

/// The environment names a database of the bank; a benchmark on it would be an accident.
async fn server_url_in_the_environment_is_ignored(database: EmptyDatabase) {
    let url = &database.url;
    let wrong = run(url, &["bench", "--accounts", "1"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(
        wrong.err.contains("--accounts cannot be 1"),
        "{}",
        wrong.err
    );
    let own = [
        &[
            "bench",
            "--postgres",
            "15",
            "--callers",
            "1",
            "--ways",
            "single",
            "--set",
            "shared_buffers=16MB",
        ][..],
        &SMALL,
    ]
    .concat();
    let report = data(url, &own).await;
    assert_eq!(report["machine"]["postgres"], 15);
    let origin = report["machine"]["origin"].as_str().unwrap();
    assert!(!origin.contains("the server at"), "{origin}");
}

//! `neobank bench`, on a small scale: that it measures, checks and cleans up, not how fast anything is.

use super::program::{data, run};
use crate::harness::EmptyDatabase;

on_empty_databases!(
    every_way_moves_money_and_the_books_are_checked,
    growth_and_the_knee_are_measured_and_drawn,
    a_server_is_never_taken_from_the_environment,
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

async fn every_way_moves_money_and_the_books_are_checked(database: EmptyDatabase) {
    let url = &database.url;
    let bench = [&["bench", "--url", url, "--callers", "1,4"][..], &SMALL].concat();
    let report = data(url, &bench).await;
    let lines = report["lines"].as_array().unwrap();
    // Batches have one caller, and COPY no choice of accounts either.
    assert_eq!(lines.len(), 4 * 2 * 2 + 2 + 1, "{report}");
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
    assert_eq!(counted, [6.0, 2.0]);
    assert!(trips("gathered", 4) < 2.0);
    // 20 accounts were paid into, and each transfer has two entries.
    assert!(report["entries"].as_u64().unwrap() > 40);
}

async fn growth_and_the_knee_are_measured_and_drawn(database: EmptyDatabase) {
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
            "0,20000",
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

/// The environment names a database of the bank here; a benchmark on it would be an accident.
async fn a_server_is_never_taken_from_the_environment(database: EmptyDatabase) {
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
        ][..],
        &SMALL,
    ]
    .concat();
    let report = data(url, &own).await;
    assert_eq!(report["machine"]["postgres"], 15);
    let origin = report["machine"]["origin"].as_str().unwrap();
    assert!(!origin.contains("the server at"), "{origin}");
}

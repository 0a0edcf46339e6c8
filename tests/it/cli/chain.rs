//! The hash chain and its events from the command line.
//!
//! `NEOBANK_CONSUMER_KILLS` is the number of times that a consumer is killed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use neobank_db::{Executor, statement};
use neobank_domain::TransferRequest;
use serde_json::Value;

use super::program::{data, neobank, run};
use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};
use crate::pool::until;

on_both_versions!(
    seal_prints_the_end_of_the_chain_and_audit_compares_it,
    lag_is_a_check,
    altered_record_fails_the_audit_and_its_check,
    events_are_a_page_or_lines,
    closed_output_is_a_clean_end,
    killed_consumer_sees_every_event_in_order_without_a_gap,
    second_process_with_a_consumers_name_fails,
);

async fn pay(bank: &TestBank, transfers: usize) {
    let (a, b) = (
        bank.account(czk("1000")).await,
        bank.account(czk("0")).await,
    );
    for _ in 0..transfers {
        let request = TransferRequest::new(a, b, czk("1")).with_description("Rent");
        bank.ledger.transfer(request).await.unwrap();
    }
}

async fn seal_prints_the_end_of_the_chain_and_audit_compares_it(bank: TestBank) {
    let url = bank.url();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        run(url, &["seal", "--head"]).await.out,
        "nothing is sealed\n"
    );
    assert_eq!(data(url, &["seal"]).await["head"], Value::Null);
    pay(&bank, 3).await;
    let sealed = data(url, &["seal"]).await;
    assert_eq!(sealed["records"], 4);
    assert_eq!(sealed["head"]["position"], 4);
    let files = [folder.path().join("text"), folder.path().join("json")];
    std::fs::write(&files[0], run(url, &["seal", "--head"]).await.out).unwrap();
    std::fs::write(&files[1], run(url, &["seal", "--head", "--json"]).await.out).unwrap();
    pay(&bank, 2).await;
    let again = run(url, &["seal"]).await;
    assert!(
        again
            .out
            .contains("sealed 3 records; the chain ends with seal 2 at position 7"),
        "{}",
        again.out
    );
    for file in &files {
        let file = file.to_str().unwrap();
        let audit = data(url, &["audit", "--chain", "--head", file]).await;
        assert_eq!(audit["chain"]["head"]["position"], 7, "{audit}");
        assert_eq!(audit["violations"], Value::Array(Vec::new()));
    }
    // The head of another chain.
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let other = text.replace("position 4", "position 5");
    std::fs::write(&files[0], other).unwrap();
    let audit = run(
        url,
        &["audit", "--chain", "--head", files[0].to_str().unwrap()],
    )
    .await;
    assert_eq!(audit.code, 1, "{}", audit.out);
    assert!(
        audit.out.contains("kept head is in the chain"),
        "{}",
        audit.out
    );
    for (arguments, code) in [
        (&["audit", "--head", "x"][..], 2),
        (&["audit", "--chain", "--head", "/no/file"], 7),
        (&["seal", "--head", "--follow"], 2),
        (&["seal", "--lag", "--head"], 2),
        (&["seal", "--check", "--follow"], 3),
        (&["seal", "--records-max", "0"], 2),
        (&["events", "--limit", "0"], 2),
        (&["events", "--from", "0"], 2),
        (&["events", "--from", "1", "--consumer", "x"], 2),
        (&["events", "--consumer", ""], 2),
    ] {
        assert_eq!(run(url, arguments).await.code, code, "{arguments:?}");
    }
}

async fn lag_is_a_check(bank: TestBank) {
    let url = bank.url();
    assert_eq!(run(url, &["seal", "--check"]).await.code, 0);
    pay(&bank, 3).await;
    let lag = data(url, &["seal", "--lag"]).await["lag"].clone();
    assert_eq!(lag["waiting_records"], 4, "{lag}");
    assert!(lag["waiting_seconds"].as_f64().unwrap() > 0.0, "{lag}");
    let check = run(url, &["seal", "--check", "-w", "1000", "-c", "~:0"]).await;
    assert_eq!(check.code, 2, "{}", check.out);
    assert!(check.out.contains("waiting_records=4"), "{}", check.out);
    assert_eq!(
        bank.count("banking.seals").await,
        0,
        "a check seals nothing"
    );
    data(url, &["seal"]).await;
    let check = run(url, &["seal", "--check", "-w", "1000", "-c", "~:0"]).await;
    assert_eq!(check.code, 0, "{}", check.out);
}

async fn altered_record_fails_the_audit_and_its_check(bank: TestBank) {
    pay(&bank, 3).await;
    data(bank.url(), &["seal"]).await;
    let superuser = bank.superuser().await;
    for sql in [
        GUARDS_OFF,
        "UPDATE banking.transfers SET description = 'Loan' WHERE from_entry_number = 2 AND description <> ''",
        GUARDS_ON,
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    assert_eq!(
        run(bank.url(), &["audit"]).await.code,
        0,
        "the rows agree with each other"
    );
    let audit = run(bank.url(), &["audit", "--chain", "--json"]).await;
    assert_eq!(audit.code, 1, "{}", audit.out);
    let finding = &audit.json()["data"]["chain"]["findings"][0];
    assert_eq!(finding["record_kind"], "transfer", "{finding}");
    assert_eq!(finding["record_position"], 2, "{finding}");
    assert_eq!(
        run(bank.url(), &["audit", "--chain", "--check"]).await.code,
        2
    );
}

async fn events_are_a_page_or_lines(bank: TestBank) {
    let url = bank.url();
    pay(&bank, 5).await;
    data(url, &["seal"]).await;
    let page = data(url, &["events", "--from", "2", "--limit", "2"]).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 2);
    assert_eq!(page["events"][0]["position"], 2);
    assert_eq!(page["events"][0]["kind"], "transfer");
    assert_eq!(page["next"], 4);
    let table = run(url, &["events"]).await;
    assert!(
        table.out.contains("deposit") && table.out.contains("--from 7"),
        "{}",
        table.out
    );
    let lines = run(url, &["events", "--follow", "--limit", "3", "--json"]).await;
    assert_eq!(positions(&lines.out), [1, 2, 3]);
    let text = run(url, &["events", "--from", "6", "--follow", "--limit", "1"]).await;
    assert!(
        text.out.starts_with("6 ") && text.out.lines().count() == 1,
        "{}",
        text.out
    );
    // A consumer goes on where it was.
    let consume = ["events", "--consumer", "mail", "--limit", "4", "--json"];
    assert_eq!(positions(&run(url, &consume).await.out), [1, 2, 3, 4]);
    assert_eq!(positions(&run(url, &consume).await.out), [5, 6]);
    assert_eq!(run(url, &consume).await.out, "");
}

#[track_caller]
fn positions(lines: &str) -> Vec<i64> {
    let position = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["position"].as_i64().unwrap()
    };
    lines.lines().map(position).collect()
}

async fn closed_output_is_a_clean_end(bank: TestBank) {
    pay(&bank, 3).await;
    data(bank.url(), &["seal"]).await;
    let mut command = neobank(
        bank.url(),
        &["events", "--follow", "--json", "--consumer", "pipe"],
    );
    let mut child = Killed(command.spawn().unwrap());
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(positions(&line), [1]);
    drop(output);
    // The next events find the output closed.
    pay(&bank, 3).await;
    data(bank.url(), &["seal"]).await;
    let status = ended(&mut child).await;
    let mut errors = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(status.code(), Some(0), "{errors}");
    // The test's server has settings that every service warns of.
    let warns = |line: &str| line.contains(" WARN neobank_db::database::open: ");
    assert!(errors.lines().all(warns), "{errors}");
}

/// A child that is killed when the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits until the child has ended.
async fn ended(child: &mut Killed) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the command goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn killed_consumer_sees_every_event_in_order_without_a_gap(bank: TestBank) {
    let kills: usize =
        std::env::var("NEOBANK_CONSUMER_KILLS").map_or(6, |number| number.parse().unwrap());
    let (a, b) = (
        bank.account(czk("100000")).await,
        bank.account(czk("0")).await,
    );
    let mut seen: Vec<i64> = Vec::new();
    let mut repeated = 0;
    for round in 0..kills {
        for _ in 0..12 {
            bank.ledger
                .transfer(TransferRequest::new(a, b, czk("1")))
                .await
                .unwrap();
        }
        while bank.ledger.seal().await.unwrap().sealed_records > 0 {}
        let mut command = neobank(
            bank.url(),
            &["events", "--consumer", "killed", "--follow", "--json"],
        );
        let lines = tokio::task::spawn_blocking(move || {
            let mut child = Killed(command.spawn().unwrap());
            let mut output = BufReader::new(child.0.stdout.take().unwrap());
            // One line at least, so that every round can go forward. The rest that was written
            // before the signal arrived is read too.
            let mut text = String::new();
            output.read_line(&mut text).unwrap();
            std::thread::sleep(Duration::from_millis((round as u64 * 7) % 23));
            child.0.kill().unwrap();
            output.read_to_string(&mut text).unwrap();
            text
        })
        .await
        .unwrap();
        // The killed process's last statement may still have moved the consumer, which this one
        // then finds at another place.
        let (lines, error) = match lines.find("{\n") {
            Some(start) => lines.split_at(start),
            None => (lines.as_str(), ""),
        };
        assert!(
            error.is_empty() || error.contains("consumer_moved"),
            "{error}"
        );
        // A line that the kill has cut is not an event.
        let whole = lines.rfind('\n').map_or("", |end| &lines[..=end]);
        for position in positions(whole) {
            let last = seen.last().copied().unwrap_or(0);
            assert!(position <= last + 1, "{position} follows {last}");
            if position == last + 1 {
                seen.push(position);
            } else {
                repeated += 1;
            }
        }
    }
    while bank.ledger.seal().await.unwrap().sealed_records > 0 {}
    let consume = [
        "events",
        "--consumer",
        "killed",
        "--limit",
        "10000",
        "--json",
    ];
    let rest = loop {
        let rest = run(bank.url(), &consume).await;
        if rest.code == 0 {
            break rest;
        }
        // As above.
        assert!(rest.out.contains("consumer_moved"), "{}", rest.out);
    };
    for position in positions(&rest.out) {
        let last = seen.last().copied().unwrap_or(0);
        assert!(position <= last + 1, "{position} follows {last}");
        if position == last + 1 {
            seen.push(position);
        }
    }
    let sealed = bank.count("banking.transfers").await;
    assert_eq!(seen, (1..=sealed).collect::<Vec<_>>());
    println!(
        "PostgreSQL {}: {kills} kills, {repeated} events came again",
        bank.version
    );
}

async fn second_process_with_a_consumers_name_fails(bank: TestBank) {
    pay(&bank, 3).await;
    data(bank.url(), &["seal"]).await;
    let mut command = neobank(
        bank.url(),
        &["events", "--consumer", "twice", "--follow", "--json"],
    );
    let mut first = Killed(command.spawn().unwrap());
    let mut output = BufReader::new(first.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    // The first process has stored its position when it waits for more.
    let sql = "SELECT coalesce(max(last_position), 0)::bigint FROM banking.event_consumers";
    until("the position is stored", async || {
        bank.database
            .fetch_value::<i64>(statement(sql, []))
            .await
            .unwrap()
            == 4
    })
    .await;
    let superuser = bank.superuser().await;
    let transaction = superuser.begin().await.unwrap();
    let lock = "SELECT last_position FROM banking.event_consumers FOR UPDATE";
    let position: i64 = transaction.fetch_value(statement(lock, [])).await.unwrap();
    assert_eq!(position, 4);
    pay(&bank, 3).await;
    data(bank.url(), &["seal"]).await;
    // Both have read behind position 4, and this one stores first.
    let moved = "SELECT banking.advance_consumer('twice', 4, 5)";
    assert!(
        transaction
            .fetch_value::<bool>(statement(moved, []))
            .await
            .unwrap()
    );
    transaction.commit().await.unwrap();
    let status = ended(&mut first).await;
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("consumer_moved"), "{text}");
}

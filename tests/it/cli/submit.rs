//! Files of requests: each line has its outcome, in the file's order, and a repeated run moves
//! nothing twice.

use std::io::Write;
use std::process::Stdio;

use neobank_domain::Ledger;
use serde_json::{Value, json};

use super::program::{Run, data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    each_line_of_a_json_file_has_its_outcome_in_order,
    csv_file_is_executed_and_a_repeated_run_replays_it,
    lines_take_effect_in_their_order,
    many_lines_are_executed_once_however_often_the_run_is_cut_off,
    stop_on_error_executes_no_line_after_the_first_wrong_one,
    standard_input_is_answered_while_it_is_open,
    wrong_files_and_lost_servers_have_their_exit_codes,
    lines_and_keys_are_those_of_an_editor_in_every_form_of_a_file,
    members_that_occur_twice_are_invalid_at_every_depth,
    damaged_file_is_an_error_after_the_outcomes_of_its_whole_lines,
    holds_groups_and_exchanges_are_lines_too,
    groups_have_conditions_and_steps_that_may_move_nothing,
    the_guides_group_with_a_condition_is_posted,
    groups_of_more_steps_than_one_call_takes_are_all_posted,
);

/// Runs `submit` on a file of this text, in a folder of its own.
async fn submit(url: &str, name: &str, text: &str, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let all = [&["submit", path.to_str().unwrap()], arguments].concat();
    run(url, &all).await
}

#[track_caller]
fn outcomes(run: &Run) -> Vec<Value> {
    let lines = run.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the number and the outcome of each line.
#[track_caller]
fn results(run: &Run) -> Vec<(u64, String)> {
    let outcomes = outcomes(run);
    let result = |one: &Value| {
        (
            one["line"].as_u64().unwrap(),
            one["outcome"].as_str().unwrap().to_owned(),
        )
    };
    outcomes.iter().map(result).collect()
}

async fn each_line_of_a_json_file_has_its_outcome_in_order(bank: TestBank) {
    let (one, two) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let number = bank.find(two).await.account_number;
    let version = bank.find(one).await.version;
    let lines = [
        json!({"kind": "adjustment", "account": one, "balance": "120 CZK", "expected_version": version}),
        json!({"kind": "transfer", "from": one, "to": number, "amount": "30.50 CZK", "key": "a", "description": "Rent"}),
        json!({"kind": "deposit", "account": one, "amount": {"amount": "5.00", "currency": "CZK"}, "key": "b"}),
        json!({"kind": "withdrawal", "account": one, "amount": "1 CZK", "key": "c"}),
        json!({"kind": "interest", "account": number, "amount": "2 CZK", "key": "d"}),
        json!({"kind": "fee", "account": number, "amount": "1 CZK", "key": "e"}),
        json!({"kind": "withdrawal", "account": two, "amount": "999 CZK", "key": "f"}),
        json!({"kind": "deposit", "account": "NB999999999999", "amount": "1 CZK", "key": "g"}),
        json!({"kind": "deposit", "account": one, "amount": "1.005 CZK", "key": "h"}),
        json!({"kind": "deposit", "account": one, "amount": "1 CZK"}),
        json!({"kind": "deposit", "account": one, "amount": "1 CZK", "key": "i", "amout": 1}),
        json!({"kind": "deposit", "account": one, "amount": "5.00 CZK", "key": "b"}),
        json!({"kind": "deposit", "account": one, "amount": "6 CZK", "key": "b"}),
    ];
    let mut text = lines.map(|line| line.to_string()).join("\n");
    // An empty line, and one that is no JSON.
    text.push_str("\n\n{broken\n");
    let found = submit(bank.url(), "requests", &text, &[]).await;
    assert_eq!(found.code, 1, "{}{}", found.out, found.err);
    let expected = [
        (1, "posted"),
        (2, "posted"),
        (3, "posted"),
        (4, "posted"),
        (5, "posted"),
        (6, "posted"),
        (7, "rejected"),
        (8, "rejected"),
        (9, "invalid"),
        (10, "invalid"),
        (11, "invalid"),
        (12, "replayed"),
        (13, "rejected"),
        (15, "invalid"),
    ];
    assert_eq!(
        results(&found),
        expected.map(|(line, outcome)| (line, outcome.to_owned()))
    );
    let outcomes = outcomes(&found);
    assert_eq!(outcomes[1]["amount"]["amount"], "30.50");
    assert_eq!(
        (&outcomes[0]["key"], &outcomes[1]["key"]),
        (&Value::Null, &json!("a"))
    );
    assert_eq!(
        outcomes[11]["reference_number"],
        outcomes[2]["reference_number"]
    );
    assert_eq!(outcomes[6]["kind"], "insufficient_funds");
    assert_eq!(outcomes[7]["kind"], "unknown_account");
    assert_eq!(
        (&outcomes[8]["field"], &outcomes[9]["field"]),
        (&json!("amount"), &json!("key"))
    );
    assert!(
        outcomes[10]["message"].as_str().unwrap().contains("amout"),
        "{}",
        outcomes[10]
    );
    assert_eq!(outcomes[12]["kind"], "key_reused");
    let summary = "14 lines: 6 posted, 1 replayed, 3 rejected, 4 invalid\n";
    assert_eq!(found.err, summary);
    assert_eq!(bank.balance(one).await, czk("93.50"));
    assert_eq!(bank.balance(two).await, czk("31.50"));
    bank.assert_sound().await;

    // A transfer of an earlier batch is reversed by its key.
    let reversals = [
        json!({"kind": "reversal", "transfer": "a", "amount": "0.50 CZK", "key": "r"}),
        json!({"kind": "reversal", "transfer": "no such key", "key": "s"}),
    ];
    let reversals = reversals.map(|line| line.to_string()).join("\n");
    let reversed = submit(bank.url(), "reversals", &reversals, &["--actor", "batch:7"]).await;
    let expected = [(1, "posted".to_owned()), (2, "rejected".to_owned())];
    assert_eq!(results(&reversed), expected, "{}", reversed.err);
    assert_eq!(bank.balance(two).await, czk("31"));
    let by = data(bank.url(), &["transfers", "list", "--posted-by", "batch:7"]).await;
    assert_eq!(by["transfers"][0]["idempotency_key"], "r");

    // With --json the same is one document.
    let again = submit(bank.url(), "requests", &text, &["--json"]).await;
    assert_eq!((again.code, again.err.as_str()), (1, ""));
    let data = &again.json()["data"];
    assert_eq!(data["summary"]["replayed"], 6);
    assert_eq!(data["outcomes"][1]["outcome"], "replayed");
    assert_eq!(data["outcomes"][0]["kind"], "stale_version");
}

async fn csv_file_is_executed_and_a_repeated_run_replays_it(bank: TestBank) {
    let (one, two) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let number = bank.find(one).await.account_number;
    let text = format!(
        "\u{feff}kind,account,from,to,amount,side,description\n\
         deposit,{number},,,10 CZK,,\n\
         transfer,,{one},{two},4.50 CZK,,\"Rent, and more\"\n\
         fee,{one},,,2 CZK,credit,\n\
         fee,{one},,,2 CZK\n\
         gift,{one},,,2 CZK,,\"two\nlines\"\n\
         deposit,{one},,,2,,\n"
    );
    let expected = |outcome: &str| {
        let outcome = || outcome.to_owned();
        vec![
            (2, outcome()),
            (3, outcome()),
            (4, outcome()),
            (5, "invalid".to_owned()),
            (6, "invalid".to_owned()),
            (8, "invalid".to_owned()),
        ]
    };
    let without = submit(bank.url(), "requests.csv", &text, &[]).await;
    assert!(
        results(&without)
            .iter()
            .all(|(_, outcome)| outcome == "invalid"),
        "{}",
        without.out
    );
    for outcome in ["posted", "replayed"] {
        let found = submit(
            bank.url(),
            "requests.csv",
            &text,
            &["--key-prefix", "payroll-"],
        )
        .await;
        assert_eq!(found.code, 1, "{}{}", found.out, found.err);
        assert_eq!(results(&found), expected(outcome));
        assert_eq!(outcomes(&found)[1]["key"], "payroll-3");
        assert_eq!(outcomes(&found)[4]["field"], "kind");
        assert_eq!(outcomes(&found)[5]["field"], "amount");
        assert_eq!(bank.balance(one).await, czk("107.50"));
    }
    let key = "SELECT description FROM banking.transfers WHERE idempotency_key = 'payroll-3'";
    let description: String =
        neobank_db::Executor::fetch_value(&bank.database, neobank_db::statement(key, []))
            .await
            .unwrap();
    assert_eq!(description, "Rent, and more");
    bank.assert_sound().await;
}

async fn lines_take_effect_in_their_order(bank: TestBank) {
    let (one, two) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let mut text = String::new();
    // Each pair of lines is possible only after the one before.
    for number in 0..1_500 {
        let (from, to) = if number % 2 == 0 {
            (one, two)
        } else {
            (two, one)
        };
        if number == 0 {
            text.push_str(
                &json!({"kind": "deposit", "account": one, "amount": "1 CZK"}).to_string(),
            );
            text.push('\n');
        }
        let line = json!({"kind": "transfer", "from": from, "to": to, "amount": "1 CZK"});
        text.push_str(&format!("{line}\n"));
    }
    let found = submit(bank.url(), "requests", &text, &["--key-prefix", "k"]).await;
    assert_eq!(found.code, 0, "{}", found.err);
    assert_eq!(
        found.err,
        "1501 lines: 1501 posted, 0 replayed, 0 rejected, 0 invalid\n"
    );
    let lines: Vec<u64> = results(&found).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, (1..=1_501).collect::<Vec<_>>());
    bank.assert_sound().await;
}

async fn many_lines_are_executed_once_however_often_the_run_is_cut_off(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let lines = 3_000;
    let mut text = String::new();
    for number in 1..=lines {
        let key = format!("line {number}");
        let line = json!({"kind": "deposit", "account": account, "amount": "0.01 CZK", "key": key});
        text.push_str(&format!("{line}\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests");
    std::fs::write(&path, &text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    // Cut off as soon as the first outcomes are there.
    let mut child = neobank(bank.url(), &["submit", &path]).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut out, &mut first).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.contains("\"posted\""), "{first}");
    let whole = run(bank.url(), &["submit", &path]).await;
    assert_eq!(whole.code, 0, "{}", whole.err);
    assert_eq!(results(&whole).len(), lines);
    assert!(
        whole.err.contains("replayed") && !whole.err.contains(" 0 replayed"),
        "{}",
        whole.err
    );
    let again = run(bank.url(), &["submit", &path]).await;
    assert_eq!(
        again.err,
        "3000 lines: 0 posted, 3000 replayed, 0 rejected, 0 invalid\n"
    );
    assert_eq!(bank.balance(account).await, czk("30"));
    bank.assert_sound().await;
}

async fn stop_on_error_executes_no_line_after_the_first_wrong_one(bank: TestBank) {
    let account = bank.account(czk("5")).await;
    let deposit = |amount: &str, key: &str| {
        json!({"kind": "deposit", "account": account, "amount": amount, "key": key}).to_string()
    };
    for (wrong, outcome) in [
        (deposit("0 CZK", "zero"), "rejected"),
        (deposit("x", "x"), "invalid"),
    ] {
        let text = [deposit("1 CZK", "first"), wrong, deposit("1 CZK", "last")].join("\n");
        let found = submit(bank.url(), "requests", &text, &["--stop-on-error"]).await;
        assert_eq!(found.code, 1, "{}", found.err);
        assert_eq!(results(&found)[1..], [(2, outcome.to_owned())]);
        assert_eq!(bank.balance(account).await, czk("6"));
    }
    bank.assert_sound().await;
}

async fn standard_input_is_answered_while_it_is_open(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let mut command = neobank(bank.url(), &["submit", "-", "--key-prefix", "k"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    for number in 1..=3 {
        let line = json!({"kind": "deposit", "account": account, "amount": "1 CZK"});
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        std::io::BufRead::read_line(&mut out, &mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (&answer["line"], &answer["outcome"]),
            (&json!(number), &json!("posted"))
        );
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(bank.balance(account).await, czk("3"));
}

async fn wrong_files_and_lost_servers_have_their_exit_codes(bank: TestBank) {
    let missing = run(bank.url(), &["submit", "/no/such/file", "--json"]).await;
    assert_eq!(
        (missing.code, &missing.json()["error"]["kind"]),
        (7, &json!("file"))
    );
    for (text, part) in [
        ("kind,acount\n", "acount"),
        ("kind,account,account\n", "twice"),
        ("account,amount\n", "kind"),
        ("hello\n", "hello"),
    ] {
        let wrong = submit(bank.url(), "requests.csv", text, &["--json"]).await;
        let error = &wrong.json()["error"];
        assert_eq!(
            (wrong.code, &error["kind"]),
            (2, &json!("submit_file")),
            "{text}"
        );
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    for text in ["", "\n\n", "kind,account\n"] {
        let empty = submit(bank.url(), "requests", text, &[]).await;
        assert_eq!(empty.code, 0, "{text:?}: {}", empty.err);
        assert!(empty.err.starts_with("0 lines"), "{text:?}: {}", empty.err);
    }
    let line =
        json!({"kind": "deposit", "account": bank.account(czk("0")).await, "amount": "1 CZK"});
    let nowhere = "postgresql://teller:canary@127.0.0.1:1/nowhere";
    let lost = submit(
        nowhere,
        "requests",
        &line.to_string(),
        &["--key-prefix", "k", "--json"],
    )
    .await;
    assert_eq!(
        (lost.code, &lost.json()["error"]["kind"]),
        (5, &json!("connection"))
    );
}

/// Returns the forms of a text that an editor or a transfer may make of it: they have the same lines.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for line_break in ["\n", "\r\n"] {
        for mark in ["", "\u{feff}"] {
            for end in ["", line_break] {
                let form = format!("{mark}{}{end}", text.replace('\n', line_break));
                forms.push(compressed(form.as_bytes()));
                forms.push(form.into_bytes());
            }
        }
    }
    forms
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Runs `submit` on a file of these bytes.
async fn submit_bytes(url: &str, bytes: &[u8], arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests");
    std::fs::write(&path, bytes).unwrap();
    run(
        url,
        &[&["submit", path.to_str().unwrap()], arguments].concat(),
    )
    .await
}

async fn lines_and_keys_are_those_of_an_editor_in_every_form_of_a_file(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let line = json!({"kind": "deposit", "account": account, "amount": "1 CZK"});
    let json = format!("\n\n{line}\n \n{line}\n\n\n{line}\n{{\n");
    let json_lines = [(3, "posted"), (5, "posted"), (8, "posted"), (9, "invalid")];
    let record = |description: &str| format!("deposit,{account},1 CZK,{description}");
    let csv = [
        "\nkind,account,amount,description\n".to_owned(),
        record("a"),
        "\n".to_owned(),
        record("\"two\n\nlines\""),
        record("\"\"\"quoted\"\"\""),
        "  \n".to_owned(),
        record("d"),
        "gift".to_owned(),
    ]
    .join("\n");
    let csv_lines = [
        (4, "posted"),
        // No description has a line break.
        (7, "rejected"),
        (10, "posted"),
        (13, "posted"),
        (14, "invalid"),
    ];
    for (text, lines, prefix) in [(json, &json_lines[..], "j"), (csv, &csv_lines[..], "c")] {
        for (number, form) in forms(&text).into_iter().enumerate() {
            let found = submit_bytes(bank.url(), &form, &["--key-prefix", prefix]).await;
            assert_eq!(found.code, 1, "{}{}", found.out, found.err);
            // The first form is posted, and each other one has the same keys.
            let result = |(line, outcome): &(u64, &str)| match *outcome {
                "posted" if number > 0 => (*line, "replayed".to_owned()),
                outcome => (*line, outcome.to_owned()),
            };
            let expected: Vec<_> = lines.iter().map(result).collect();
            assert_eq!(
                results(&found),
                expected,
                "{:?}",
                String::from_utf8_lossy(&form)
            );
            for outcome in outcomes(&found)
                .iter()
                .filter(|one| one["outcome"] != "invalid")
            {
                assert_eq!(outcome["key"], format!("{prefix}{}", outcome["line"]));
            }
        }
    }
    assert_eq!(bank.balance(account).await, czk("6"));
    // Empty lines that arrive before the first request do not decide what the file is.
    let mut command = neobank(bank.url(), &["submit", "-", "--key-prefix", "c"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'\n'; 100_000]).unwrap();
    writeln!(input, "kind,account,amount\ndeposit,{account},1 CZK").unwrap();
    drop(input);
    let found = Run::from(child.wait_with_output().unwrap());
    assert_eq!(
        results(&found),
        [(100_002, "posted".to_owned())],
        "{}",
        found.err
    );
}

async fn members_that_occur_twice_are_invalid_at_every_depth(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    let deposit = format!(r#""kind": "deposit", "account": "{account}", "key": "k""#);
    let lines = [
        format!(r#"{{{deposit}, "amount": "1 CZK", "amount": "100 CZK"}}"#),
        format!(r#"{{{deposit}, "amount": "1 CZK", "am\u006funt": "1 CZK"}}"#),
        format!(r#"{{{deposit}, "amount": {{"amount": "1", "amount": "2", "currency": "CZK"}}}}"#),
    ];
    let found = submit(bank.url(), "requests", &lines.join("\n"), &[]).await;
    assert_eq!(found.code, 1, "{}", found.err);
    let outcomes = outcomes(&found);
    for (outcome, path) in outcomes.iter().zip(["amount", "amount", "amount.amount"]) {
        assert_eq!(outcome["outcome"], "invalid", "{outcome}");
        assert_eq!(outcome["field"], "amount", "{outcome}");
        let message = format!("the member {path:?} occurs twice");
        assert_eq!(outcome["message"], message, "{outcome}");
    }
    assert_eq!(bank.balance(account).await, czk("0"));
}

async fn damaged_file_is_an_error_after_the_outcomes_of_its_whole_lines(bank: TestBank) {
    let account = bank.account(czk("0")).await;
    // Without a pattern that the compression could shorten, so that the cut hits the last lines.
    let keys: Vec<String> = (0..200).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    let line = |key: &String| {
        json!({"kind": "deposit", "account": account, "amount": "1 CZK", "key": key}).to_string()
    };
    let json = keys.iter().map(line).collect::<Vec<_>>().join("\n");
    let record = |key: &String| format!("deposit,{account},1 CZK,{key}\n");
    let csv: String = keys.iter().map(record).collect();
    let csv = format!("kind,account,amount,key\n{csv}");
    for (number, text) in [json, csv.clone()].iter().enumerate() {
        let whole = compressed(text.as_bytes());
        let cut = &whole[..whole.len() / 2];
        let mut altered = whole.clone();
        let last = altered.len() - 6;
        altered[last] ^= 1;
        for (bytes, least) in [(cut, 40), (&altered[..], 199)] {
            let found = submit_bytes(bank.url(), bytes, &[]).await;
            assert_eq!(found.code, 7, "{}", found.err);
            assert!(found.err.contains("cannot be read"), "{}", found.err);
            let results = results(&found);
            assert!(results.len() >= least, "{number}: {}", results.len());
            assert!(results.iter().all(|(_, outcome)| outcome != "invalid"));
            let document = submit_bytes(bank.url(), bytes, &["--json"]).await;
            assert_eq!(document.code, 7);
            let document = document.json();
            assert_eq!(document["error"]["kind"], "file");
            let data = &document["data"];
            assert_eq!(data["summary"]["replayed"], results.len());
            assert_eq!(data["outcomes"].as_array().unwrap().len(), results.len());
        }
    }
    assert!(bank.balance(account).await <= czk("200"));
    // A quotation mark without a second takes no later records for its text.
    let before = bank.balance(account).await;
    let open = csv.replacen(",1 CZK,", ",1 CZK,\"x", 1);
    let found = submit_bytes(bank.url(), open.as_bytes(), &[]).await;
    assert_eq!((found.code, found.out.as_str()), (7, ""), "{}", found.err);
    assert!(found.err.contains("line 2"), "{}", found.err);
    // Nothing else of a compressed file than its begin.
    let nothing = submit_bytes(bank.url(), &[0x1f, 0x8b, 8], &["--json"]).await;
    let kind = nothing.json()["error"]["kind"].clone();
    assert_eq!((nothing.code, kind), (7, json!("file")));
    assert_eq!(bank.balance(account).await, before);
    // A line that is too long is wrong, and the lines after it are read.
    let long = format!(
        "{{\"kind\": \"{}\"}}\n{}\n",
        "x".repeat(2_000_000),
        line(&keys[0])
    );
    let found = submit_bytes(bank.url(), long.as_bytes(), &[]).await;
    let expected = [(1, "invalid".to_owned()), (2, "replayed".to_owned())];
    assert_eq!(results(&found), expected, "{}", found.err);
}

async fn holds_groups_and_exchanges_are_lines_too(bank: TestBank) {
    let (one, two) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let euro = bank.account("0 EUR".parse().unwrap()).await;
    let number = bank.find(two).await.account_number;
    let deposit = json!({"kind": "deposit", "account": two, "amount": "5 CZK"});
    let too_much = json!({"kind": "withdrawal", "account": two, "amount": "999 CZK"});
    let order = json!({"order": 7});
    let lines = [
        json!({"kind": "hold", "account": one, "to": number, "amount": "40 CZK", "key": "h",
               "expires_at": "2100-01-01", "description": "Two nights", "metadata": order}),
        // The hold of the line before, and the transfer of this one.
        json!({"kind": "capture", "hold": "h", "amount": "10 CZK", "keep_rest": true, "key": "c",
               "value_date": chrono::Utc::now().date_naive()}),
        json!({"kind": "reversal", "transfer": "c", "amount": "1 CZK", "key": "r", "metadata": order}),
        json!({"kind": "release", "hold": "h", "key": "end", "metadata": order}),
        json!({"kind": "group", "key": "g", "description": "Both", "steps": [deposit,
               {"kind": "transfer", "from": two, "to": one, "amount": "100 CZK", "up_to": true,
                "description": "All"}]}),
        json!({"kind": "group", "key": "none", "steps": [deposit, too_much]}),
        json!({"kind": "journal_entry", "key": "j",
               "debits": [{"account": one, "amount": "3 CZK", "description": "Out"}],
               "credits": [{"account": two, "amount": "1 CZK"}, {"account": number, "amount": "2 CZK"}]}),
        json!({"kind": "journal_entry", "key": "odd",
               "debits": [{"account": one, "amount": "3 CZK"}], "credits": []}),
        json!({"kind": "exchange", "from": one, "to": euro, "sold": "50 CZK", "currency": "EUR",
               "rate": "0.04", "key": "x"}),
        json!({"kind": "exchange", "from": one, "to": euro, "sold": "50 CZK", "currency": "EUR",
               "rate": "0", "key": "y"}),
        json!({"kind": "capture", "hold": "none", "key": "z"}),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    for outcome in ["posted", "replayed"] {
        let found = submit(bank.url(), "requests", &text, &[]).await;
        assert_eq!(found.code, 1, "{}{}", found.out, found.err);
        let expected: Vec<_> = (1..=11)
            .map(|line| match line {
                6 | 8 | 10 | 11 => (line, "rejected".to_owned()),
                line => (line, outcome.to_owned()),
            })
            .collect();
        assert_eq!(results(&found), expected, "{}", found.out);
        let outcomes = outcomes(&found);
        let hold = &outcomes[0]["hold_id"];
        assert_eq!(outcomes[0]["event_type"], "authorised");
        assert_eq!(outcomes[0]["remaining"]["amount"], "40.00");
        assert_eq!(&outcomes[1]["hold_id"], hold);
        assert_eq!(outcomes[3]["event_type"], "released");
        assert_eq!(outcomes[3]["amount"]["amount"], "30.00");
        let steps = outcomes[4]["transfers"].as_array().unwrap();
        assert_eq!(steps[1]["amount"]["amount"], "14.00");
        assert!(outcomes[4]["group_id"].is_string());
        assert_eq!(outcomes[5]["kind"], "group_step");
        assert_eq!(outcomes[6]["transfers"].as_array().unwrap().len(), 3);
        assert_eq!(outcomes[7]["kind"], "unbalanced");
        assert_eq!(outcomes[8]["transfers"][1]["amount"]["amount"], "2.00");
        assert_eq!(
            (&outcomes[9]["kind"], &outcomes[10]["kind"]),
            (&json!("rate"), &json!("unknown_hold"))
        );
        assert_eq!(bank.balance(one).await, czk("52"));
        assert_eq!(bank.balance(two).await, czk("3"));
    }
    // Holds and releases are steps of a group.
    let with_holds = json!({"kind": "group", "key": "held", "steps": [
        {"kind": "hold", "account": one, "amount": "5 CZK"},
        {"kind": "capture", "hold_step": 0, "to": two, "amount": "2 CZK", "keep_rest": true},
        {"kind": "release", "hold_step": 0, "if_open": true},
        {"kind": "transfer", "from": two, "to": one, "amount": "2 CZK"}]});
    for outcome in ["posted", "replayed"] {
        let found = submit(bank.url(), "held", &with_holds.to_string(), &[]).await;
        assert_eq!(results(&found), [(1, outcome.to_owned())], "{}", found.out);
        let posted = &outcomes(&found)[0];
        assert_eq!(posted["holds"][0]["event_type"], "authorised");
        assert_eq!(posted["holds"][2]["amount"]["amount"], "3.00");
        assert_eq!(
            (&posted["holds"][1], &posted["transfers"][0]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(
            posted["transfers"][1]["hold_id"],
            posted["holds"][0]["hold_id"]
        );
    }
    for key in ["r", "c", "g"] {
        let shown = data(bank.url(), &["transfers", "show", key]).await["transfer"].clone();
        match key {
            "r" => assert_eq!(shown["metadata"], order),
            "c" => assert!(shown["value_date"].is_string()),
            _ => assert_eq!(shown["description"], "Both"),
        }
    }
    // CSV has the same columns.
    let csv = format!(
        "kind,account,from,to,hold,amount,sold,currency,rate,keep_rest,metadata,value_date,expires_at\n\
         hold,{one},,,,5 CZK,,,,,\"{{\"\"a\"\": 1}}\",,2100-01-01\n\
         capture,,,{two},csv-2,2 CZK,,,,true,,2026-11-30,\n\
         exchange,,{one},{euro},,,1 CZK,EUR,0.04,,,,\n\
         release,,,,csv-2,,,,,,,,\n\
         deposit,{one},,,,1 CZK,,,,,\"{{\"\"a\"\": 1, \"\"a\"\": 2}}\",,\n"
    );
    let found = submit(bank.url(), "requests.csv", &csv, &["--key-prefix", "csv-"]).await;
    let expected = [
        (2, "posted"),
        (3, "posted"),
        (4, "posted"),
        (5, "posted"),
        (6, "invalid"),
    ];
    let expected = expected.map(|(line, outcome)| (line, outcome.to_owned()));
    assert_eq!(results(&found), expected, "{}", found.out);
    assert_eq!(outcomes(&found)[4]["field"], "metadata");
    bank.assert_sound().await;
}

async fn groups_have_conditions_and_steps_that_may_move_nothing(bank: TestBank) {
    let (one, two) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    // An account that no step moves.
    let other = bank.account(czk("7")).await;
    let number = bank.find(other).await.account_number;
    let version = bank.find(other).await.version;
    let pay = json!({"kind": "transfer", "from": one, "to": two, "amount": "10 CZK"});
    let sweep = json!({"kind": "transfer", "from": two, "to": one, "amount": "1 CZK", "up_to": "or_nothing"});
    let group = |key: &str, steps: Value, conditions: Value| json!({"kind": "group", "key": key, "steps": steps, "conditions": conditions});
    let lines = [
        group(
            "holds",
            json!([sweep, pay, pay]),
            json!([
                {"account": one, "step": 1, "balance": {"eq": "90 CZK"}},
                {"account": one, "available": {"ge": "80 CZK"}},
                {"account": number, "version": version},
            ]),
        ),
        group(
            "poor",
            json!([pay]),
            json!([{"account": one, "available": {"gt": "70 CZK"}}]),
        ),
        group(
            "changed",
            json!([pay]),
            json!([{"account": number, "version": version + 1}]),
        ),
        group(
            "unknown",
            json!([pay]),
            json!([{"account": one, "balanc": {"ge": "1 CZK"}}]),
        ),
        json!({"kind": "journal_entry", "key": "entry",
               "debits": [{"account": one, "amount": "5 CZK"}],
               "credits": [{"account": other, "amount": "5 CZK"}],
               "conditions": [{"account": other, "balance": {"le": "11 CZK"}}]}),
        json!({"kind": "transfer", "from": one, "to": two, "amount": "999 CZK", "up_to": true, "key": "all"}),
        json!({"kind": "deposit", "account": one, "amount": "1 CZK", "key": "future",
               "event_time": "2100-01-01"}),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    let found = submit(bank.url(), "requests", &text, &[]).await;
    let expected = [
        (1, "posted"),
        (2, "rejected"),
        (3, "rejected"),
        (4, "invalid"),
        (5, "rejected"),
        (6, "posted"),
        (7, "rejected"),
    ];
    let expected = expected.map(|(line, outcome)| (line, outcome.to_owned()));
    assert_eq!(results(&found), expected, "{}", found.out);
    let outcomes = outcomes(&found);
    let transfers = outcomes[0]["transfers"].as_array().unwrap();
    assert_eq!((&transfers[0], transfers.len()), (&Value::Null, 3));
    for (place, part) in [
        (1, "available balance above 70.00 CZK"),
        (2, "version"),
        (4, "balance at most 11.00 CZK"),
    ] {
        assert_eq!(outcomes[place]["kind"], "group_step");
        let message = outcomes[place]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(outcomes[3]["field"], "conditions");
    let message = outcomes[3]["message"].as_str().unwrap();
    assert!(message.starts_with("conditions[0]"), "{message}");
    assert_eq!(outcomes[5]["amount"]["amount"], "80.00");
    assert_eq!(outcomes[6]["kind"], "event_time", "{}", outcomes[6]);
    let balances = [bank.balance(one).await, bank.balance(other).await];
    assert_eq!(balances, [czk("0"), czk("7")]);
    bank.assert_sound().await;
}

/// The example of the operator's guide.
async fn the_guides_group_with_a_condition_is_posted(bank: TestBank) {
    let payer = bank.find(bank.account(czk("300")).await).await;
    let shop = bank.find(bank.account(czk("0")).await).await;
    let page = include_str!("../../../docs/operators-guide.md");
    let example = page.split("```json\n{\"kind\":\"group\"").nth(1).unwrap();
    let example = example.split("\n```").next().unwrap();
    let line = format!("{{\"kind\":\"group\"{example}")
        .replace("NB000000000001", &payer.account_number)
        .replace("NB000000000002", &shop.account_number);
    let found = submit(bank.url(), "requests", &line.replace('\n', " "), &[]).await;
    assert_eq!(found.code, 0, "{}{}", found.out, found.err);
    assert_eq!(bank.balance(shop.account_id).await, czk("250"));
    assert_eq!(bank.balance(payer.account_id).await, czk("47.50"));
}

async fn groups_of_more_steps_than_one_call_takes_are_all_posted(bank: TestBank) {
    let (empty, full) = (
        bank.account(czk("0")).await,
        bank.account(czk("1000")).await,
    );
    let nothing = json!({"kind": "transfer", "from": empty, "to": full, "amount": "1 CZK",
                         "up_to": "or_nothing"});
    let mut steps = vec![nothing; 999];
    steps.insert(
        0,
        json!({"kind": "fee", "account": full, "amount": "1 CZK"}),
    );
    // The program reads one line at least before it executes the first.
    let groups = 2 * Ledger::REQUESTS_MAX / steps.len() + 1;
    let lines = (0..groups).map(|group| {
        json!({"kind": "group", "key": format!("g{group}"), "steps": steps}).to_string()
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let found = submit(bank.url(), "requests", &text, &[]).await;
    assert_eq!(found.code, 0, "{}", found.err);
    assert_eq!(outcomes(&found).len(), groups);
    assert_eq!(bank.balance(full).await, czk("899"));
    bank.assert_sound().await;
}

//! `neobank import`: a bank's history from files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use neobank_db::{Executor as _, statement};
use neobank_domain::import;
use serde_json::json;

use super::program::{Run, data, neobank, run};
use crate::harness::{TestBank, czk};

on_both_versions!(
    history_is_imported_continued_and_found_by_source_numbers,
    files_may_be_compressed_and_one_may_be_standard_input,
    import_check_lists_every_invalid_line_and_changes_nothing,
    failed_import_names_the_line_and_rolls_back,
    import_without_the_role_names_the_grant,
    lines_are_those_of_an_editor_and_a_damaged_file_is_a_file_error,
);

const CUSTOMERS: &str = "customer_id,date_of_birth,first_name,last_name,email,customer_number,shoe_size\n\
    7,1985-12-10,Ada,Lovelace,ada@example.org,K-7,38\n8,,,,,,\n";
const ACCOUNTS: &str = "account_id,customer_id,opened_on,account_number,time_zone\n\
    1,7,1993-01-01,19-2000145399/0800,Europe/Prague\n2,8,1993-01-01,,\n";
const HEADER: &str = "transaction_id,account_id,date,movement,balance,operation,purpose\n";
const FIRST: &str =
    "a,1,1993-01-02,100.00,100.00,cash deposit,\nb,2,1993-01-03,5.00,5.00,,interest\n";

/// Three files in a folder of their own.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(transactions: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Self { folder };
        files.write("customers.csv", CUSTOMERS);
        files.write("accounts.csv", ACCOUNTS);
        files.write("transactions.csv", &format!("{HEADER}{transactions}"));
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self) -> Vec<String> {
        arguments(
            &self.path("customers.csv"),
            &self.path("accounts.csv"),
            &self.path("transactions.csv"),
        )
    }
}

fn arguments(customers: &Path, accounts: &Path, transactions: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments: Vec<String> = ["import", "--source", "old", "--currency", "CZK"]
        .map(str::to_owned)
        .into();
    for (name, path) in [
        ("--customers", customers),
        ("--accounts", accounts),
        ("--transactions", transactions),
    ] {
        arguments.extend([name.to_owned(), text(path)]);
    }
    arguments
}

async fn import(bank: &TestBank, files: &Files, more: &[&str]) -> Run {
    let arguments = files.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(bank.url(), &[&arguments[..], more].concat()).await
}

async fn history_is_imported_continued_and_found_by_source_numbers(bank: TestBank) {
    let files = Files::new(FIRST);
    let imported = import(&bank, &files, &["--json"]).await;
    assert_eq!(imported.err, "");
    let imported = imported.data();
    assert_eq!(
        imported["warnings"],
        json!(["customers: the column \"shoe_size\" is not used"])
    );
    assert_eq!(imported["transactions_posted"], 2);
    assert_eq!(imported["balances_equal"], 2);
    assert_eq!(imported["accounts"][0]["number"], "19-2000145399/0800");
    let made = imported["accounts"][1]["number"].as_str().unwrap();
    assert!(made.starts_with("NB"), "{made}");
    let identifier = import::account_id("old", "1").to_string();
    for named in ["19-2000145399/0800", "old/1", &identifier] {
        let shown = data(bank.url(), &["account", "show", named]).await;
        assert_eq!(shown["account"]["account_id"], identifier, "{named}");
        assert_eq!(shown["account"]["opened_at"], "1992-12-31T23:00:00Z");
    }
    for named in ["K-7", "old/7", "ADA@example.org"] {
        let shown = data(bank.url(), &["customer", "show", named]).await;
        assert_eq!(shown["customer"]["first_name"], "Ada", "{named}");
        assert_eq!(shown["customer"]["customer_number"], "K-7");
    }
    // A longer file of the same source continues the import, and its overdraft raises the limit.
    let longer = format!("{HEADER}{FIRST}c,1,1993-01-04,-150.00,-50.00,cash withdrawal,\n");
    files.write("transactions.csv", &longer);
    let shown = import(&bank, &files, &[]).await;
    assert_eq!(shown.code, 0, "{}{}", shown.out, shown.err);
    for part in ["3 of 3 equal", "shoe_size", "19-2000145399/0800"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let again = import(&bank, &files, &["--json"]).await.data();
    assert_eq!(again["transactions_imported_before"], 3);
    assert_eq!(again["transactions_posted"], 0);
    let account = import::account_id("old", "1");
    assert_eq!(bank.balance(account).await, czk("-50"));
    bank.assert_sound().await;
}

async fn files_may_be_compressed_and_one_may_be_standard_input(bank: TestBank) {
    let files = Files::new("");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(CUSTOMERS.as_bytes()).unwrap();
    std::fs::write(files.path("customers.csv"), encoder.finish().unwrap()).unwrap();
    let arguments = arguments(
        &files.path("customers.csv"),
        &files.path("accounts.csv"),
        Path::new("-"),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(format!("{HEADER}{FIRST}").as_bytes())
        .unwrap();
    let input = encoder.finish().unwrap();
    let mut command = neobank(bank.url(), &[&arguments[..], &["--json"]].concat());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        child.wait_with_output().unwrap()
    });
    let imported = Run::from(output.await.unwrap()).data();
    assert_eq!(imported["transactions_posted"], 2);
    // Standard input cannot be two files.
    let mut both = arguments.clone();
    let accounts = both.iter().position(|one| *one == "--accounts").unwrap();
    both[accounts + 1] = "-";
    assert_eq!(run(bank.url(), &both).await.code, 2);
    bank.assert_sound().await;
}

async fn import_check_lists_every_invalid_line_and_changes_nothing(bank: TestBank) {
    let files = Files::new(
        "a,1,1993-01-02,1.005,1.00,,\nb,1,1993-13-02,1.00,1.00,,\nc,1,1993-01-02,1.00,1.00,barter,\n",
    );
    let check = import(&bank, &files, &["--check", "--json"]).await;
    assert_eq!(check.code, 1, "{}", check.out);
    let problems = check.json()["data"]["problems"].clone();
    for (line, field) in [(2, "movement"), (3, "date"), (4, "operation")] {
        let start = format!("transactions, line {line}, field {field}: ");
        let problem = problems[line - 2].as_str().unwrap();
        assert!(problem.starts_with(&start), "{problem}");
    }
    // Without --check, the error names the first line and counts the others.
    let rejected = import(&bank, &files, &["--json"]).await;
    assert_eq!(rejected.code, 2, "{}", rejected.out);
    assert_eq!(rejected.json()["error"]["kind"], "import_file");
    assert!(
        rejected.out.contains("3 lines are wrong"),
        "{}",
        rejected.out
    );
    // Contradictions between lines are found too: balances, openings, numbers.
    files.write(
        "transactions.csv",
        &format!("{HEADER}{FIRST}c,1,1993-01-04,1.00,102.00,,\n"),
    );
    let check = import(&bank, &files, &["--check"]).await;
    assert_eq!(check.code, 1);
    assert!(check.out.contains("transactions, line 4"), "{}", check.out);
    files.write(
        "transactions.csv",
        &format!("{HEADER}a,1,1992-12-31,1.00,1.00,,\n"),
    );
    let check = import(&bank, &files, &["--check"]).await;
    assert!(
        check.out.contains("was opened on 1993-01-01"),
        "{}",
        check.out
    );
    files.write("transactions.csv", &format!("{HEADER}{FIRST}"));
    let well = import(&bank, &files, &["--check", "--json"]).await.data();
    assert_eq!(well["problems"], json!([]));
    assert_eq!(bank.count("banking.customers").await, 0);
}

async fn failed_import_names_the_line_and_rolls_back(bank: TestBank) {
    let differs = format!("{FIRST}c,1,1993-01-04,1.00,102.00,,\n");
    let files = Files::new(&differs);
    let failed = import(&bank, &files, &["--json"]).await;
    assert_eq!(failed.code, 1, "{}", failed.out);
    assert_eq!(failed.json()["error"]["kind"], "balance_differs");
    assert!(
        failed.out.contains("transactions, line 4"),
        "{}",
        failed.out
    );
    // The database generates numbers of this form itself.
    let accounts = ACCOUNTS.replace("19-2000145399/0800", "NB000000000099");
    files.write("accounts.csv", &accounts);
    let failed = import(&bank, &files, &["--json"]).await;
    assert_eq!(failed.code, 2, "{}", failed.out);
    assert_eq!(failed.json()["error"]["kind"], "import_account");
    assert!(failed.out.contains("accounts, line 2"), "{}", failed.out);
    assert_eq!(import(&bank, &files, &["--source"]).await.code, 2);
    files.write(
        "accounts.csv",
        "account_id,customer_id,opened_on,opened_on\n",
    );
    let failed = import(&bank, &files, &[]).await;
    assert!(failed.err.contains("opened_on"), "{}", failed.err);
    std::fs::remove_file(files.path("accounts.csv")).unwrap();
    assert_eq!(import(&bank, &files, &[]).await.code, 7);
    bank.assert_sound().await;
    assert_eq!(bank.count("banking.transfers").await, 0);
}

async fn import_without_the_role_names_the_grant(bank: TestBank) {
    let files = Files::new(FIRST);
    let superuser = bank.superuser().await;
    let role = format!("clerk_{}", superuser.config().database);
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'of a clerk' IN ROLE neobank_app");
    superuser.execute(statement(&create, [])).await.unwrap();
    let place = bank.url().rsplit_once('@').unwrap().1;
    let url = format!("postgresql://{role}:of%20a%20clerk@{place}");
    let arguments = files.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let denied = run(&url, &arguments).await;
    assert_eq!(denied.code, 6, "{}", denied.err);
    let hint = format!("GRANT neobank_import TO \"{role}\"");
    assert!(denied.err.contains(&hint), "{}", denied.err);
    let mut command = neobank(&url, &arguments);
    command.env("DB_ROLE", "neobank_app");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let denied = Run::from(output.await.unwrap());
    assert_eq!(denied.code, 6, "{}", denied.err);
    let drop = format!("DROP ROLE {role}");
    superuser.execute(statement(&drop, [])).await.unwrap();
    assert_eq!(bank.count("banking.customers").await, 0);
}

async fn lines_are_those_of_an_editor_and_a_damaged_file_is_a_file_error(bank: TestBank) {
    let wrong =
        "a,1,1993-01-02,100.00,100.00,cash deposit,\n\nb,9,1993-01-03,5.00,5.00,,interest\n";
    let files = Files::new(wrong);
    let text = format!("{HEADER}{wrong}");
    for form in [
        text.clone(),
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
    ] {
        files.write("transactions.csv", &form);
        let found = import(&bank, &files, &[]).await;
        assert_eq!(found.code, 2, "{}", found.err);
        assert!(found.err.contains("transactions, line 4,"), "{}", found.err);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(format!("{HEADER}{FIRST}").as_bytes())
        .unwrap();
    let whole = encoder.finish().unwrap();
    let path = files.path("transactions.csv");
    let open = format!("{HEADER}{}", FIRST.replacen("cash", "\"cash", 1));
    for bytes in [&whole[..whole.len() - 4], &whole[..40], open.as_bytes()] {
        std::fs::write(&path, bytes).unwrap();
        for more in [&["--json"][..], &["--json", "--check"]] {
            let found = import(&bank, &files, more).await;
            assert_eq!(found.code, 7, "{}{}", found.out, found.err);
            assert_eq!(found.json()["error"]["kind"], "file");
        }
    }
    assert_eq!(bank.count("banking.transfers").await, 0);
}

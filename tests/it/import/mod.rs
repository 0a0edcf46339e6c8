//! The import of a bank's history from CSV files, which is atomic.

use std::io::Read;

use neobank_db::{Executor, statement};
use neobank_domain::accounts::AccountType;
use neobank_domain::import::{self, History, ImportError, ImportOptions, Sources};
use neobank_domain::{Currency, Rejection, accounts, customers};

use crate::harness::{TestBank, czk};

on_both_versions!(
    real_bank_history_is_imported_with_its_balances,
    repeated_import_changes_nothing,
    differing_balance_rolls_back_the_import,
    rejected_line_is_named_and_rolls_back_the_import,
    malformed_files_are_rejected_before_any_write,
    longer_file_of_a_source_continues_and_raises_a_limit,
    optional_columns_are_stored_and_days_use_the_account_zone,
    every_malformed_line_column_and_operation_is_reported,
);

const CUSTOMERS: &str = "customer_id,date_of_birth\n7,1970-01-01\n8,\n";
const ACCOUNTS: &str = "account_id,customer_id,opened_on\n1,7,1993-01-01\n2,8,1993-01-01\n";
const HEADER: &str = "transaction_id,account_id,date,movement,balance,operation,purpose\n";

fn koruna() -> Currency {
    Currency::from_code("CZK").unwrap()
}

fn history(transactions: &str) -> Result<History, ImportError> {
    let transactions = format!("{HEADER}{transactions}");
    let sources = Sources::new(
        CUSTOMERS.as_bytes(),
        ACCOUNTS.as_bytes(),
        transactions.as_bytes(),
    );
    History::read(sources, "test", koruna())
}

/// Returns the repository's data with only the first transactions.
fn real(transactions: usize) -> History {
    let read = |name: &str| {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/czech-bank-1999");
        let mut text = String::new();
        let file = std::fs::File::open(folder.join(name)).unwrap();
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    let lines = read("transactions-1993.csv.gz");
    let lines: String = lines
        .lines()
        .take(transactions + 1)
        .map(|line| format!("{line}\n"))
        .collect();
    let (customers, accounts) = (read("customers.csv.gz"), read("accounts.csv.gz"));
    let sources = Sources::new(customers.as_bytes(), accounts.as_bytes(), lines.as_bytes());
    History::read(sources, "czech-bank-1999", koruna()).unwrap()
}

async fn real_bank_history_is_imported_with_its_balances(bank: TestBank) {
    let history = real(2_000);
    let mut progress = Vec::new();
    let report = import::run(&bank.importer().await, &history, |done| progress.push(done))
        .await
        .unwrap();
    assert_eq!(
        (
            report.customers,
            report.accounts,
            report.posted,
            report.replayed
        ),
        (1_229, 1_229, 2_000, 0)
    );
    assert_eq!(progress, [500, 1_000, 1_500, 2_000]);
    let comparison = import::compare(&bank.database, &history).await.unwrap();
    assert_eq!((comparison.equal, comparison.different.len()), (2_000, 0));
    // The control: compared with other recorded balances, the comparison finds differences.
    let mut other = history.clone();
    other.transactions[5].recorded_balance = czk("1.23");
    let comparison = import::compare(&bank.database, &other).await.unwrap();
    assert_eq!((comparison.equal, comparison.different[0].line), (1_999, 7));
    bank.assert_sound().await;
}

async fn repeated_import_changes_nothing(bank: TestBank) {
    let history = history(
        "a,1,1993-01-02,100.00,100.00,cash deposit,\nb,1,1993-01-03,-30.50,69.50,,interest\n",
    )
    .unwrap();
    import::run(&bank.importer().await, &history, |_| ())
        .await
        .unwrap();
    let before = bank.fingerprint().await;
    let report = import::run(&bank.importer().await, &history, |_| ())
        .await
        .unwrap();
    assert_eq!(
        (
            report.customers,
            report.accounts,
            report.posted,
            report.replayed
        ),
        (0, 0, 0, 2)
    );
    assert_eq!(bank.fingerprint().await, before);
    bank.assert_sound().await;
}

async fn differing_balance_rolls_back_the_import(bank: TestBank) {
    let history = history("a,1,1993-01-02,100.00,100.00,,\nb,2,1993-01-03,5.00,5.01,,\n").unwrap();
    let error = import::run(&bank.importer().await, &history, |_| ())
        .await
        .unwrap_err();
    let ImportError::BalanceDiffers {
        line,
        recorded,
        running,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((line, recorded, running), (3, czk("5.01"), czk("5")));
    assert_nothing(&bank).await;
}

async fn rejected_line_is_named_and_rolls_back_the_import(bank: TestBank) {
    // The recorded balance is above zero, so the import sets no overdraft limit, and the ledger
    // rejects the movement.
    let history =
        history("a,1,1993-01-02,100.00,100.00,,\nb,1,1993-01-03,-200.00,10.00,,\n").unwrap();
    let error = import::run(&bank.importer().await, &history, |_| ())
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            ImportError::Rejected { line: 3, rejection, .. }
                if matches!(**rejection, Rejection::InsufficientFunds { .. })
        ),
        "{error:?}"
    );
    assert_nothing(&bank).await;
}

async fn assert_nothing(bank: &TestBank) {
    for table in [
        "banking.customers",
        "banking.accounts",
        "banking.transfers",
        "banking.transactions",
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        let mut rows = -1;
        // The connection rolls the dropped transaction back asynchronously.
        for _ in 0..200 {
            rows = bank
                .database
                .fetch_value::<i64>(statement(&sql, []))
                .await
                .unwrap();
            if rows == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(rows, 0, "{table}");
    }
}

async fn malformed_files_are_rejected_before_any_write(bank: TestBank) {
    for (line, message) in [
        (
            "a,1,1993-01-02,1.005,1.00,,",
            "transactions, line 2, field movement: \"1.005\"",
        ),
        (
            "a,1,1993-01-02,0.00,0.00,,",
            "transactions, line 2, field movement: \"0.00\"",
        ),
        (
            "a,1,1993-01-02,NaN,0.00,,",
            "transactions, line 2, field movement: \"NaN\"",
        ),
        (
            "a,1,1993-01-02,1.00,,,",
            "transactions, line 2, field balance: \"\"",
        ),
        (
            "a,1,1993-02-30,1.00,1.00,,",
            "transactions, line 2, field date: \"1993-02-30\"",
        ),
        (
            "a,1,93-1-1,1.00,1.00,,",
            "transactions, line 2, field date: \"93-1-1\"",
        ),
        (
            "a,9,1993-01-02,1.00,1.00,,",
            "transactions, line 2, field account_id: \"9\"",
        ),
        (
            ",1,1993-01-02,1.00,1.00,,",
            "transactions, line 2, field transaction_id: \"\"",
        ),
        (
            "a,1,1993-01-02,1.00,1.00,,\na,1,1993-01-02,1.00,2.00,,",
            "transactions, line 3, field transaction_id: \"a\"",
        ),
        (
            "a,1,1993-01-02,1.00,1.00,,\nb,1,1993-01-01,1.00,2.00,,",
            "transactions, line 3, field date: \"1993-01-01\"",
        ),
        ("a,1,1993-01-02", "transactions, line 2"),
    ] {
        let error = history(&format!("{line}\n")).unwrap_err();
        assert!(error.to_string().starts_with(message), "{line}: {error}");
    }
    let missing = Sources::new(
        "customer_id\n".as_bytes(),
        ACCOUNTS.as_bytes(),
        HEADER.as_bytes(),
    );
    let error = History::read(missing, "test", koruna()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "customers: the column date_of_birth is missing"
    );
    assert_eq!(bank.count("banking.customers").await, 0);
}

async fn longer_file_of_a_source_continues_and_raises_a_limit(bank: TestBank) {
    let first = "a,1,1993-01-02,100.00,100.00,,\nb,1,1993-01-03,-150.00,-50.00,,\n";
    import::run(&bank.importer().await, &history(first).unwrap(), |_| ())
        .await
        .unwrap();
    let longer = format!("{first}c,1,1993-01-04,-250.00,-300.00,,\n");
    let report = import::run(&bank.importer().await, &history(&longer).unwrap(), |_| ())
        .await
        .unwrap();
    assert_eq!((report.posted, report.replayed), (1, 2));
    let account = bank.find(import::account_id("test", "1")).await;
    assert_eq!(account.current_balance, czk("-300"));
    assert_eq!(account.overdraft_limit, Some(czk("300")));
    // A rejection names the account by its identifier in the file.
    let wrong = format!("{longer}d,1,1993-01-05,-1.00,5.00,,\n");
    let error = import::run(&bank.importer().await, &history(&wrong).unwrap(), |_| ())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("transactions, line 5, account \"1\": "),
        "{error}"
    );
    bank.assert_sound().await;
}

fn files(customers: &str, accounts: &str, transactions: &str) -> Result<History, Vec<ImportError>> {
    let sources = Sources::new(
        customers.as_bytes(),
        accounts.as_bytes(),
        transactions.as_bytes(),
    );
    History::read_all(sources, &ImportOptions::new("zones", koruna()))
}

async fn optional_columns_are_stored_and_days_use_the_account_zone(bank: TestBank) {
    let read = |transactions: &str| {
        files(
            "customer_id,date_of_birth,first_name,last_name,email,sex\n7,1985-12-10,Ada,Lovelace,ada@example.org,F\n",
            "account_id,customer_id,opened_on,account_type,currency,time_zone\n\
             1,7,1993-01-01,savings,EUR,America/New_York\n2,7,1993-01-01,,EUR,Asia/Tokyo\n3,7,1993-01-01,,,\n",
            &format!("{HEADER}{transactions}"),
        )
        .unwrap()
    };
    // The file is in the order of the days, which differs from the order of their first moments.
    let history = read(
        "a,1,1993-01-02,1.00,1.00,,\nb,2,1993-01-02,2.00,2.00,,\nc,3,1993-01-02,3.00,3.00,,\n",
    );
    assert_eq!(
        history.warnings,
        ["customers: the column \"sex\" is not used"]
    );
    for _ in 0..2 {
        import::run(&bank.importer().await, &history, |_| ())
            .await
            .unwrap();
    }
    let customer = customers::find_by_email(&bank.database, "ada@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(customer.first_name, "Ada");
    assert_eq!(customer.customer_id, import::customer_id("zones", "7"));
    let account = bank.find(import::account_id("zones", "1")).await;
    assert_eq!(account.account_type, AccountType::Savings);
    assert_eq!(account.current_balance.to_string(), "1.00 EUR");
    assert_eq!(account.opened_at.to_rfc3339(), "1993-01-01T05:00:00+00:00");
    for (source_id, posted_at) in [
        ("1", "1993-01-02T05:00:00+00:00"),
        ("2", "1993-01-01T15:00:00+00:00"),
        ("3", "1993-01-02T00:00:00+00:00"),
    ] {
        let account = import::account_id("zones", source_id);
        let sql = "SELECT transaction_date FROM banking.transactions WHERE account_id = $1";
        let found: chrono::DateTime<chrono::Utc> = bank
            .database
            .fetch_value(statement(sql, [account.as_uuid().into()]))
            .await
            .unwrap();
        assert_eq!(found.to_rfc3339(), posted_at, "{source_id}");
    }
    let listed = accounts::list_by_customer(&bank.database, customer.customer_id).await;
    assert_eq!(listed.unwrap().len(), 3);
    bank.assert_sound().await;
}

async fn every_malformed_line_column_and_operation_is_reported(bank: TestBank) {
    let wrong = format!(
        "{HEADER}a,1,1993-01-02,1.005,1.00,,\nb,1,1993-13-02,1.00,1.00,,\nc,1,1993-01-02,1.00,1.00,barter,\n"
    );
    let problems = files(CUSTOMERS, ACCOUNTS, &wrong).unwrap_err();
    let progress: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(progress.len(), 3, "{progress:?}");
    for (line, field) in [(2, "movement"), (3, "date"), (4, "operation")] {
        let start = format!("transactions, line {line}, field {field}: ");
        assert!(progress[line - 2].starts_with(&start), "{progress:?}");
    }
    let doubled = "customer_id,date_of_birth,customer_id\n7,,8\n";
    let problems = files(doubled, ACCOUNTS, HEADER).unwrap_err();
    assert!(
        matches!(&problems[0], ImportError::DoubledColumn { column, .. } if column == "customer_id"),
        "{problems:?}"
    );
    // The error repeats only the beginning of a long field.
    let long = format!("{HEADER}a,1,1993-01-02,{},1.00,,\n", "9".repeat(5_000_000));
    let problems = files(CUSTOMERS, ACCOUNTS, &long).unwrap_err();
    assert!(problems[0].to_string().len() < 500);
    assert_eq!(bank.count("banking.customers").await, 0);
}

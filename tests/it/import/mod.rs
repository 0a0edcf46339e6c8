//! The importer: a bank's history from CSV files, all or nothing.

use std::io::Read;

use neobank_db::{Executor, statement};
use neobank_domain::import::{self, History, ImportError, ImportReport, Sources};
use neobank_domain::{Currency, Refusal};

use crate::harness::{TestBank, czk};

on_both_versions!(
    the_first_weeks_of_a_real_bank_s_year,
    the_same_files_again_change_nothing,
    a_balance_that_differs_undoes_the_whole_file,
    a_refused_line_is_named_and_undoes_the_whole_file,
    bad_files_are_refused_before_anything_is_written,
);

const CUSTOMERS: &str = "customer_id,date_of_birth\n7,1970-01-01\n8,\n";
const ACCOUNTS: &str = "account_id,customer_id,opened_on\n1,7,1993-01-01\n2,8,1993-01-01\n";
const HEADER: &str = "transaction_id,account_id,date,movement,balance,operation,purpose\n";

fn koruna() -> Currency {
    Currency::from_code("CZK").unwrap()
}

fn history(transactions: &str) -> Result<History, ImportError> {
    let transactions = format!("{HEADER}{transactions}");
    let sources = Sources {
        customers: CUSTOMERS.as_bytes(),
        accounts: ACCOUNTS.as_bytes(),
        transactions: transactions.as_bytes(),
    };
    History::read(sources, "test", koruna())
}

/// The repository's data, its transactions cut off after some.
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
    let sources = Sources {
        customers: customers.as_bytes(),
        accounts: accounts.as_bytes(),
        transactions: lines.as_bytes(),
    };
    History::read(sources, "czech-bank-1999", koruna()).unwrap()
}

async fn the_first_weeks_of_a_real_bank_s_year(bank: TestBank) {
    let history = real(2_000);
    let mut told = Vec::new();
    let report = import::run(&bank.database, &history, |done| told.push(done))
        .await
        .unwrap();
    assert_eq!(
        report,
        ImportReport {
            customers: 1_229,
            accounts: 1_229,
            posted: 2_000,
            replayed: 0
        }
    );
    assert_eq!(told, [500, 1_000, 1_500, 2_000]);
    let comparison = import::compare(&bank.database, &history).await.unwrap();
    assert_eq!((comparison.equal, comparison.different.len()), (2_000, 0));
    // The comparison can fail: against other recorded balances it does.
    let mut other = history.clone();
    other.transactions[5].recorded_balance = czk("1.23");
    let comparison = import::compare(&bank.database, &other).await.unwrap();
    assert_eq!((comparison.equal, comparison.different[0].line), (1_999, 7));
    bank.assert_sound().await;
}

async fn the_same_files_again_change_nothing(bank: TestBank) {
    let history = history(
        "a,1,1993-01-02,100.00,100.00,cash deposit,\nb,1,1993-01-03,-30.50,69.50,,interest\n",
    )
    .unwrap();
    import::run(&bank.database, &history, |_| ()).await.unwrap();
    let before = bank.fingerprint().await;
    let report = import::run(&bank.database, &history, |_| ()).await.unwrap();
    assert_eq!(
        report,
        ImportReport {
            replayed: 2,
            ..ImportReport::default()
        }
    );
    assert_eq!(bank.fingerprint().await, before);
    bank.assert_sound().await;
}

async fn a_balance_that_differs_undoes_the_whole_file(bank: TestBank) {
    let history = history("a,1,1993-01-02,100.00,100.00,,\nb,2,1993-01-03,5.00,5.01,,\n").unwrap();
    let error = import::run(&bank.database, &history, |_| ())
        .await
        .unwrap_err();
    let ImportError::BalanceDiffers {
        line,
        recorded,
        running,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((line, recorded, running), (3, czk("5.01"), czk("5")));
    assert_nothing(&bank).await;
}

async fn a_refused_line_is_named_and_undoes_the_whole_file(bank: TestBank) {
    // The recorded balance is above zero, so no overdraft is agreed, and the movement cannot be.
    let history =
        history("a,1,1993-01-02,100.00,100.00,,\nb,1,1993-01-03,-200.00,10.00,,\n").unwrap();
    let error = import::run(&bank.database, &history, |_| ())
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            ImportError::Refused {
                line: 3,
                refusal: Refusal::InsufficientFunds { .. }
            }
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
        // The rollback of the dropped transaction happens behind the caller's back.
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

async fn bad_files_are_refused_before_anything_is_written(bank: TestBank) {
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
    let missing = Sources {
        customers: "customer_id\n".as_bytes(),
        accounts: ACCOUNTS.as_bytes(),
        transactions: HEADER.as_bytes(),
    };
    let error = History::read(missing, "test", koruna()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "customers: the column date_of_birth is missing"
    );
    assert_eq!(bank.count("banking.customers").await, 0);
}

//! What each index, constraint, trigger and column of the money tables costs: each is dropped in a copy of the database, and
//! the same load is measured with it and without it in turn.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;
use neobank_db::{Executor, statement};
use serde::Serialize;

use crate::books::Books;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::median::median;
use crate::options::Options;
use crate::way::{self, Way};

/// A part of the schema, and what takes it away; or one that was there before, and what brings it back.
const PARTS: &[(&str, &str)] = &[
    ("nothing: everything is there", ""),
    ("the triggers of the journal, which pass the ledger over", "DROP TRIGGER transactions_apply_entries ON banking.transactions;
        DROP TRIGGER transfers_name_accounts ON banking.transfers"),
    ("the primary key of the entries", "ALTER TABLE banking.transactions DROP CONSTRAINT transactions_pkey"),
    ("the index of account and date", "DROP INDEX banking.transactions_account_and_date_key"),
    ("the index of the callers' keys", "DROP INDEX banking.transfers_idempotency_key_key"),
    ("the reference numbers that are stored", "ALTER TABLE banking.transactions DROP COLUMN reference_number;
        ALTER TABLE banking.transfers DROP COLUMN reference_number"),
    ("the column created_at of transfers and entries", "ALTER TABLE banking.transactions DROP COLUMN created_at;
        ALTER TABLE banking.transfers DROP COLUMN created_at"),
    ("the checks of transfers and entries", "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS on_table, conname FROM pg_constraint
        WHERE contype = 'c' AND conrelid IN ('banking.transfers'::regclass, 'banking.transactions'::regclass)
        LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.on_table, c.conname); END LOOP; END $$"),
    ("the checks of accounts", "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname FROM pg_constraint
        WHERE contype = 'c' AND conrelid = 'banking.accounts'::regclass
        LOOP EXECUTE format('ALTER TABLE banking.accounts DROP CONSTRAINT %I', c.conname); END LOOP; END $$"),
    ("the room for new versions in the pages of accounts", "ALTER TABLE banking.accounts SET (fillfactor = 100);
VACUUM (FULL, ANALYZE) banking.accounts"),
    ("the domains around numeric", "ALTER TABLE banking.transactions ALTER amount TYPE numeric, ALTER running_balance TYPE numeric;
        ALTER TABLE banking.transfers ALTER amount TYPE numeric"),
    ("nothing, but with the two foreign keys of the entries that were dropped", "ALTER TABLE banking.transactions
        ADD FOREIGN KEY (transfer_id) REFERENCES banking.transfers (transfer_id),
        ADD FOREIGN KEY (account_id) REFERENCES banking.accounts (account_id)"),
    ("nothing, but with all four foreign keys that were dropped", "ALTER TABLE banking.transfers ADD FOREIGN KEY (from_account_id) REFERENCES banking.accounts (account_id),
        ADD FOREIGN KEY (to_account_id) REFERENCES banking.accounts (account_id);
        ALTER TABLE banking.transactions ADD FOREIGN KEY (transfer_id) REFERENCES banking.transfers (transfer_id),
        ADD FOREIGN KEY (account_id) REFERENCES banking.accounts (account_id)"),
];

/// Without [`Options::rounds`].
const ROUNDS: usize = 3;

/// What each part costs.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Costs {
    /// The server's major version.
    pub postgres: u32,
    /// Callers at once, on random accounts.
    pub callers: usize,
    /// How often each part was measured.
    pub rounds: usize,
    /// A line for each part.
    pub parts: Vec<Cost>,
}

/// What is measured without a part; medians of the rounds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Cost {
    /// What is taken away.
    pub without: String,
    /// Transfers each second, to those with everything in the same round.
    pub throughput_ratio: f64,
    /// The server's processor time for each transfer, in microseconds; steadier than throughput where others use the machine.
    pub server_microseconds: f64,
    /// Bytes of WAL for each transfer.
    pub wal_bytes: f64,
}

struct Sample {
    throughput: f64,
    server_microseconds: f64,
    wal_bytes: f64,
}

/// Measures what each part of the schema costs the gathered ledger, with the greatest number of callers in the options.
///
/// # Errors
///
/// As [`run`](crate::run).
pub async fn costs(options: &Options) -> Result<Costs, BenchError> {
    crate::on_host(options, async |host, progress| {
        Ok(Costs {
            postgres: host.version(),
            callers: options.most_callers(),
            rounds: options.rounds_or(ROUNDS),
            parts: measure_parts(options, host, progress).await?,
        })
    })
    .await
}

async fn measure_parts(
    options: &Options,
    host: &Host,
    progress: &ProgressBar,
) -> Result<Vec<Cost>, BenchError> {
    let books = Books::open(options, host, progress).await?;
    // A database is copied only when nobody is connected to it.
    books.database.close();
    host.superuser.close();
    let mut samples: Vec<Vec<Sample>> = PARTS.iter().map(|_| Vec::new()).collect();
    let rounds = options.rounds_or(ROUNDS);
    for round in 1..=rounds {
        for ((name, sql), samples) in PARTS.iter().zip(&mut samples) {
            progress.set_message(format!("round {round} of {rounds}, without: {name}"));
            let copy = host.copy().await?;
            let sample = without(sql, options, &copy, &books).await;
            copy.drop_database().await?;
            samples.push(sample?);
        }
    }
    let everything: Vec<f64> = samples
        .first()
        .map(|samples| samples.iter().map(|one| one.throughput).collect())
        .unwrap_or_default();
    Ok(PARTS
        .iter()
        .zip(&samples)
        .map(|((name, _), samples)| {
            let ratios = samples.iter().zip(&everything);
            Cost {
                without: (*name).to_owned(),
                throughput_ratio: median(ratios.map(|(one, all)| one.throughput / all)),
                server_microseconds: median(samples.iter().map(|one| one.server_microseconds)),
                wal_bytes: median(samples.iter().map(|one| one.wal_bytes)),
            }
        })
        .collect())
}

async fn without(
    sql: &str,
    options: &Options,
    host: &Host,
    books: &Books,
) -> Result<Sample, BenchError> {
    for part in sql.split(";\n").filter(|part| !part.is_empty()) {
        host.superuser.execute(statement(part, [])).await?;
    }
    let mut books = books.copied(options, host).await?;
    let callers = options.most_callers();
    let line = way::measure(
        Way::Gathered,
        Choice::Random,
        callers,
        options,
        host,
        &mut books,
    )
    .await?;
    books.database.close();
    Ok(Sample {
        throughput: line.throughput,
        server_microseconds: 1e6 * line.server_cpu.unwrap_or(0.0) / line.throughput.max(1.0),
        wal_bytes: line.wal_bytes,
    })
}

impl fmt::Display for Costs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "without",
            "throughput, with everything = 1",
            "server CPU, µs a transfer",
            "WAL, bytes a transfer",
        ]);
        for part in &self.parts {
            table.add_row([
                part.without.clone(),
                format!("{:.2}", part.throughput_ratio),
                format!("{:.1}", part.server_microseconds),
                format!("{:.0}", part.wal_bytes),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(
            formatter,
            "PostgreSQL {}, gathered, {} callers, random accounts; rounds in turns: {}, of which these are medians",
            self.postgres, self.callers, self.rounds
        )?;
        write!(formatter, "{table}")
    }
}

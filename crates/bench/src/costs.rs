//! The cost of each index, constraint, trigger and column of the money tables: each is dropped in a
//! copy of the database, and the same load runs with it and without it, alternately.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;
use neobank_db::{Executor, statement};
use serde::Serialize;

use crate::bank::Bank;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::median::median;
use crate::options::Options;
use crate::way::{self, Way};

/// Each subject with the SQL that drops it, or that creates an object which an earlier version had.
const SUBJECTS: &[(&str, &str)] = &[
    ("nothing", ""),
    ("the triggers of the journal, which skip rows of the ledger", "DROP TRIGGER transactions_apply_entries ON banking.transactions;
        DROP TRIGGER transfers_name_accounts ON banking.transfers"),
    ("the primary key of the entries", "ALTER TABLE banking.transactions DROP CONSTRAINT transactions_pkey"),
    ("the index of account and date", "DROP INDEX banking.transactions_account_and_date_key"),
    ("the index of idempotency keys", "DROP INDEX banking.transfers_idempotency_key_key"),
    ("the stored reference numbers", "ALTER TABLE banking.transactions DROP COLUMN reference_number;
        ALTER TABLE banking.transfers DROP COLUMN reference_number"),
    ("the column created_at of transfers and entries", "ALTER TABLE banking.transactions DROP COLUMN created_at;
        ALTER TABLE banking.transfers DROP COLUMN created_at"),
    ("the checks of transfers and entries", "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS on_table, conname FROM pg_constraint
        WHERE contype = 'c' AND conrelid IN ('banking.transfers'::regclass, 'banking.transactions'::regclass)
        LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.on_table, c.conname); END LOOP; END $$"),
    ("the checks of accounts", "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname FROM pg_constraint
        WHERE contype = 'c' AND conrelid = 'banking.accounts'::regclass
        LOOP EXECUTE format('ALTER TABLE banking.accounts DROP CONSTRAINT %I', c.conname); END LOOP; END $$"),
    ("the free space in the pages of accounts (fillfactor)", "ALTER TABLE banking.accounts SET (fillfactor = 100);
VACUUM (FULL, ANALYZE) banking.accounts"),
    ("the domains around numeric", "ALTER TABLE banking.transactions ALTER amount TYPE numeric, ALTER running_balance TYPE numeric;
        ALTER TABLE banking.transfers ALTER amount TYPE numeric"),
    ("nothing; with the two former foreign keys of the entries", "ALTER TABLE banking.transactions
        ADD FOREIGN KEY (transfer_id) REFERENCES banking.transfers (transfer_id),
        ADD FOREIGN KEY (account_id) REFERENCES banking.accounts (account_id)"),
    ("nothing; with all four former foreign keys", "ALTER TABLE banking.transfers ADD FOREIGN KEY (from_account_id) REFERENCES banking.accounts (account_id),
        ADD FOREIGN KEY (to_account_id) REFERENCES banking.accounts (account_id);
        ALTER TABLE banking.transactions ADD FOREIGN KEY (transfer_id) REFERENCES banking.transfers (transfer_id),
        ADD FOREIGN KEY (account_id) REFERENCES banking.accounts (account_id)"),
];

/// The number of rounds without [`Options::rounds`].
const ROUNDS: usize = 3;

/// The cost of each subject of the schema.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Costs {
    /// The server's major version.
    pub postgres: u32,
    /// Concurrent callers, on random accounts.
    pub callers: usize,
    /// The number of rounds.
    pub rounds: usize,
    /// A line for each subject.
    pub parts: Vec<Cost>,
}

/// Figures without one subject; medians of the rounds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Cost {
    /// The subject that was dropped.
    pub without: String,
    /// Transfers per second, divided by those of the complete schema in the same round.
    pub throughput_ratio: f64,
    /// The server's processor time for each transfer, in microseconds; it varies less than
    /// throughput where other programs use the machine.
    pub server_microseconds: f64,
    /// Bytes of WAL for each transfer.
    pub wal_bytes: f64,
}

struct Sample {
    throughput: f64,
    server_microseconds: f64,
    wal_bytes: f64,
}

/// Measures what each index, constraint, trigger and column costs the ledger with group commit,
/// with the greatest number of callers in the options.
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
            parts: measure_subjects(options, host, progress).await?,
        })
    })
    .await
}

async fn measure_subjects(
    options: &Options,
    host: &Host,
    progress: &ProgressBar,
) -> Result<Vec<Cost>, BenchError> {
    let bank = Bank::open(options, host, progress).await?;
    // PostgreSQL copies a database only while no session is connected to it.
    bank.database.close();
    host.superuser.close();
    let mut samples: Vec<Vec<Sample>> = SUBJECTS.iter().map(|_| Vec::new()).collect();
    let rounds = options.rounds_or(ROUNDS);
    for round in 1..=rounds {
        for ((name, sql), samples) in SUBJECTS.iter().zip(&mut samples) {
            progress.set_message(format!("round {round} of {rounds}, without: {name}"));
            let copy = host.copy().await?;
            let sample = without(sql, options, &copy, &bank).await;
            copy.drop_database().await?;
            samples.push(sample?);
        }
    }
    let everything: Vec<f64> = samples
        .first()
        .map(|samples| samples.iter().map(|one| one.throughput).collect())
        .unwrap_or_default();
    Ok(SUBJECTS
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
    bank: &Bank,
) -> Result<Sample, BenchError> {
    for command in sql.split(";\n").filter(|command| !command.is_empty()) {
        host.superuser.execute(statement(command, [])).await?;
    }
    let mut bank = bank.copied(options, host).await?;
    let callers = options.most_callers();
    let line = way::measure(
        Way::GroupCommit,
        Choice::Random,
        callers,
        options,
        host,
        &mut bank,
    )
    .await?;
    bank.database.close();
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
            "throughput, complete = 1",
            "server CPU, µs a transfer",
            "WAL, bytes a transfer",
        ]);
        for cost in &self.parts {
            table.add_row([
                cost.without.clone(),
                format!("{:.2}", cost.throughput_ratio),
                format!("{:.1}", cost.server_microseconds),
                format!("{:.0}", cost.wal_bytes),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(
            formatter,
            "PostgreSQL {}, group commit, {} callers, random accounts; medians of {} alternating \
             rounds",
            self.postgres, self.callers, self.rounds
        )?;
        write!(formatter, "{table}")
    }
}

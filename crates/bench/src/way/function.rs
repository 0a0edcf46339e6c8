//! A stored function that posts a transfer in the server, called by pgbench: one round trip for
//! each transfer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use neobank_db::{Executor, statement};
use tokio::process::Command;

use crate::bank::Bank;
use crate::choice::Choice;
use crate::error::BenchError;
use crate::host::Host;
use crate::latency::Latencies;
use crate::measured::Moment;
use crate::options::Options;
use crate::report::Line;
use crate::way::Way;

const FUNCTION: &str = include_str!("function.sql");

pub(crate) async fn measure(
    choice: Choice,
    callers: usize,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<Line, BenchError> {
    let program = host.program("pgbench")?;
    install(host).await?;
    let folder = tempfile::tempdir().map_err(|error| BenchError::other("function", error))?;
    let script = folder.path().join("transfer.sql");
    std::fs::write(&script, text(choice, options))
        .map_err(|error| BenchError::other("function", error))?;
    let before: i64 = transfers(bank).await?;
    let pgbench = |seconds: u64, log: bool| {
        let mut command = Command::new(&program);
        command
            .current_dir(folder.path())
            .args(["--no-vacuum", "--protocol", "prepared", "--jobs", "2"])
            .args(["--client", &callers.min(options.connections).to_string()])
            .args(["--time", &seconds.to_string()])
            .arg("--file")
            .arg(&script)
            .arg(&host.url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if log {
            command.args(["--log", "--log-prefix", "latency"]);
        }
        command
    };
    run(pgbench(options.warm_up.max(1), false)).await?;
    let warmed: i64 = transfers(bank).await?;
    let moment = Moment::now(host).await?;
    run(pgbench(options.seconds, true)).await?;
    let used = moment.used_since(host).await?;
    let after = transfers(bank).await?;
    bank.transfers += u64::try_from(after - before).unwrap_or(0);
    let moved = u64::try_from(after - warmed).unwrap_or(0);
    let latencies =
        latencies(folder.path()).map_err(|error| BenchError::other("function", error))?;
    Ok(Line::new(Way::Function, choice, callers, moved, &used).with_latency(latencies.summary()))
}

async fn install(host: &Host) -> Result<(), BenchError> {
    // PostgreSQL 18 has a function for time-ordered identifiers; a version in SQL would cost more
    // than it gains.
    let identifier = if host.version() >= 18 {
        "uuidv7()"
    } else {
        "gen_random_uuid()"
    };
    for part in FUNCTION
        .replace("new_identifier()", identifier)
        .split("---\n")
    {
        host.superuser.execute(statement(part, [])).await?;
    }
    Ok(())
}

fn text(choice: Choice, options: &Options) -> String {
    let last = options.accounts - 1;
    let accounts = match choice {
        Choice::Random => format!("\\set a random(0, {last})\n\\set b random(0, {last})\n"),
        Choice::Hot => format!("\\set a random(1, {last})\n\\set b 0\n"),
        // pgbench takes only exponents above 1.
        Choice::Zipf => format!(
            "\\set a random_zipfian(1, {0}, 1.001) - 1\n\\set b random_zipfian(1, {0}, 1.001) - 1\n",
            options.accounts
        ),
    };
    format!(
        "{accounts}\\set b case when :a = :b then mod(:b + 1, {}) else :b end\nSELECT bench.transfer(:a, :b, {});\n",
        options.accounts, !options.no_keys
    )
}

async fn run(mut command: Command) -> Result<(), BenchError> {
    let output = command
        .output()
        .await
        .map_err(|error| BenchError::other("pgbench", error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(BenchError::other(
        "pgbench",
        String::from_utf8_lossy(&output.stderr),
    ))
}

async fn transfers(bank: &Bank) -> Result<i64, BenchError> {
    let sql = "SELECT count(*) FROM banking.transfers";
    Ok(bank.database.fetch_value(statement(sql, [])).await?)
}

/// The third column of pgbench's log is a transaction's time in microseconds.
fn latencies(folder: &Path) -> std::io::Result<Latencies> {
    let latencies = Latencies::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_log = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("latency"));
        if !is_log {
            continue;
        }
        for line in BufReader::new(std::fs::File::open(path)?).lines() {
            let line = line?;
            if let Some(microseconds) = line.split(' ').nth(2).and_then(|text| text.parse().ok()) {
                latencies.record(0, Duration::from_micros(microseconds));
            }
        }
    }
    Ok(latencies)
}

//! The command `neobank submit`.
//!
//! A thread reads lines from the file. Meanwhile the ledger executes the lines that were read
//! before as one batch: in the file's order, in one transaction, each with its own outcome. A slow
//! reader gets small batches, a fast one gets full ones.

mod conditions;
mod fields;
mod line;
mod outcome;
mod read;
mod request;
mod run;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, cell};
use outcome::{LineOutcome, Summary};
use run::Run;

/// The most lines in one transaction, and the most steps of their groups. A single call for many
/// lines costs the server less for each of them, and locks their accounts for longer.
const BATCH_SIZE_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct SubmitArguments {
    /// A file of requests, plain or compressed by gzip; - is standard input
    ///
    /// A file that begins with { has a JSON object in each line; any other file is CSV with a
    /// header. Each line has a kind, and the fields of its kind: transfer (from, to, amount, up_to:
    /// true, false or or_nothing), deposit and withdrawal (account, amount, event_time), interest and
    /// fee (the same, and side: credit or debit), reversal (transfer, amount), adjustment (account,
    /// balance, expected_version), hold (account, to, amount, expires_at), capture (hold, to, amount,
    /// keep_rest), release (hold, if_open) and expiry (hold), in a group hold_step instead of hold for
    /// the hold of an earlier step, exchange (from, to, sold or bought, currency of the
    /// other side, rate, rounding, quote and quote_expires_at, spread); in JSON also journal_entry
    /// (debits and credits, each a list of account, amount, description) and group (steps, a list of
    /// such objects), both with expires_at and conditions (each an account, a step, and one of
    /// balance, available and version). Besides, each has a key, except adjustments, expiries and
    /// steps, a description and metadata, and, where it moves money, a value_date.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The beginning of the idempotency keys of lines without one, which end with the number of the
    /// line; without it every line needs a key, except an adjustment or an expiry
    #[arg(long, value_name = "TEXT")]
    key_prefix: Option<String>,
    /// Stop at the first line that is rejected or invalid; each line then has a transaction of its
    /// own, which is slower
    #[arg(long)]
    stop_on_error: bool,
}

pub(crate) async fn run(
    arguments: &SubmitArguments,
    connection: &Connection,
    wants_json: bool,
) -> Result<Output, CommandError> {
    let lines = read::lines(&arguments.file)?;
    let database = connection.open("submit").await?;
    let mut run = Run::new(connection.ledger(&database)?, arguments.key_prefix.clone());
    let size = if arguments.stop_on_error {
        1
    } else {
        BATCH_SIZE_MAX
    };
    let bar = progress(wants_json);
    let mut summary = Summary::default();
    let mut kept = Vec::new();
    let mut lines = lines;
    let mut failure = None;
    loop {
        let mut batch = Vec::new();
        if lines.recv_many(&mut batch, size).await == 0 {
            break;
        }
        // The lines before the end of a file that cannot be read further are executed.
        let mut whole = Vec::with_capacity(batch.len());
        let mut broken = None;
        for line in batch {
            match line {
                Ok(line) => whole.push(line),
                Err(error) => broken = Some(error),
            }
        }
        let (outcomes, error) = run.execute(whole).await;
        for outcome in &outcomes {
            summary.count(outcome);
        }
        bar.set_position(summary.lines());
        if wants_json {
            kept.extend(outcomes.iter().map(LineOutcome::document));
        } else {
            bar.suspend(|| print(&outcomes))?;
        }
        failure = error.or(broken);
        if failure.is_some() || (arguments.stop_on_error && summary.has_wrong()) {
            break;
        }
    }
    bar.finish_and_clear();
    if let Some(error) = failure {
        return Err(stopped(error, &summary, &kept));
    }
    output(&summary, &kept, wants_json)
}

/// Prints the outcomes, one JSON object in each line.
fn print(outcomes: &[LineOutcome]) -> Result<(), CommandError> {
    let mut text = String::new();
    for outcome in outcomes {
        text.push_str(&outcome.document().to_string());
        text.push('\n');
    }
    let mut stream = std::io::stdout().lock();
    let printed = stream.write_all(text.as_bytes());
    printed.and_then(|()| stream.flush()).map_err(|error| {
        let message = format!(
            "the outcomes cannot be printed: {error}; submitting the same file again is safe"
        );
        CommandError::failed("file", message)
    })
}

/// Returns the error that ended the run, with what was done before it.
fn stopped(mut error: CommandError, summary: &Summary, kept: &[Value]) -> CommandError {
    error.message.push_str(&format!(
        "; stopped after {summary}; submitting the same file again is safe"
    ));
    error.done = Some(Box::new(data(summary, kept)));
    error
}

fn data(summary: &Summary, kept: &[Value]) -> Value {
    json!({ "summary": summary, "outcomes": kept })
}

/// The outcomes are on standard output; the summary is on standard error, except in a document.
fn output(summary: &Summary, kept: &[Value], wants_json: bool) -> Result<Output, CommandError> {
    let output = if wants_json {
        Output::new(
            "submit",
            data(summary, kept),
            vec![Block::Fields(vec![("lines", cell(summary))])],
        )?
    } else {
        // A failure is ignored, because there is no other stream for it.
        let _ = writeln!(std::io::stderr().lock(), "{summary}");
        Output::script("submit", String::new())
    };
    Ok(output.failed_if(summary.has_wrong()))
}

/// Returns a counter of lines on a terminal's standard error; without a terminal it is hidden.
fn progress(is_hidden: bool) -> indicatif::ProgressBar {
    if is_hidden {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new_spinner();
    let template = "  {spinner} {human_pos} lines, {per_sec}";
    if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

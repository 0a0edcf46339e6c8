//! The command `neobank seal`.

use std::time::Duration;

use clap::Args;
use neobank_db::Database;
use neobank_domain::chain::{self, Head, RECORDS_MAX_DEFAULT, SealingLag};
use neobank_domain::{Error, ErrorKind};
use neobank_ops::checks::{Metric, Threshold, Unit};
use serde_json::json;

use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::nagios::Check;
use crate::output::{Block, Output};

/// The pause between two calls of --follow that find nothing more to seal.
const PAUSE: Duration = Duration::from_secs(1);

/// The first call sorts every record, and the usual limit is meant for a teller's queries.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

static AGE: Metric = Metric::new(
    "waiting_seconds",
    Unit::Seconds,
    "seal_waiting_seconds",
    "Age of the oldest committed record that is not sealed.",
);

static WAITING: Metric = Metric::new(
    "waiting_records",
    Unit::Count,
    "seal_waiting_records",
    "Committed records that are not sealed, at most 100,000.",
);

#[derive(Debug, Args)]
pub(crate) struct SealArguments {
    /// Seal again every second, until the program is stopped
    #[arg(long, conflicts_with = "check")]
    pub(crate) follow: bool,
    /// Seal nothing, and print the end of the chain, for `neobank audit --chain --head FILE`
    #[arg(long, conflicts_with_all = ["follow", "records_max", "check"])]
    head: bool,
    /// Seal nothing, and print how many committed records wait and how long the oldest has waited;
    /// so does --check, which warns after a minute and is critical after ten
    #[arg(long, conflicts_with_all = ["follow", "records_max", "head"])]
    lag: bool,
    /// The most records of one transaction
    #[arg(
        long,
        value_name = "RECORDS",
        default_value_t = RECORDS_MAX_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    records_max: u32,
    #[command(flatten)]
    pub(crate) check: CheckArguments,
}

pub(crate) async fn run(
    arguments: &SealArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let mut config = connection.config("seal")?;
    if std::env::var_os("DB_STATEMENT_TIMEOUT").is_none_or(|limit| limit.is_empty()) {
        config.statement_timeout = LIMIT;
    }
    let database = Database::connect(config).await?;
    if arguments.head {
        return head_output(chain::head(&database).await?.as_ref());
    }
    if arguments.lag || arguments.check.check {
        return lag_output(&chain::lag(&database).await?);
    }
    if arguments.follow {
        return follow(&database, arguments.records_max).await;
    }
    let mut records = 0;
    loop {
        let report = chain::seal(&database, arguments.records_max).await?;
        records += report.sealed_records;
        if !report.has_more {
            break;
        }
    }
    let head = chain::head(&database).await?;
    let note = match &head {
        Some(head) => format!(
            "sealed {records} records; the chain ends with seal {} at position {}",
            head.seal_number, head.position
        ),
        None => "there is nothing to seal".to_owned(),
    };
    let data = json!({ "records": records, "head": head });
    Output::new("seal", data, vec![Block::Note(note)])
}

/// Seals until the program is stopped, and waits where the server cannot be reached.
async fn follow(database: &Database, records_max: u32) -> Result<Output, CommandError> {
    loop {
        match chain::seal(database, records_max).await {
            Ok(report) if report.has_more => continue,
            Ok(_) => {}
            Err(error) if is_temporary(error.clone()) => {
                tracing::warn!(%error, "records were not sealed; the next attempt follows");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns true for an error after which a later attempt can succeed.
pub(super) fn is_temporary(error: impl Into<Error>) -> bool {
    matches!(
        error.into().kind(),
        ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::NotReplicated
    )
}

fn lag_output(lag: &SealingLag) -> Result<Output, CommandError> {
    let records = match lag.waiting_records {
        100_000.. => "100000 records or more wait".to_owned(),
        waiting => format!("{waiting} records wait"),
    };
    let summary = format!(
        "{records} to be sealed, the oldest for {:.0} s; the chain ends at position {}",
        lag.waiting_seconds, lag.last_position
    );
    let age = AGE
        .of(lag.waiting_seconds)
        .warning(Threshold::above(60.0))
        .critical(Threshold::above(600.0));
    let waiting = WAITING.of(f64::from(
        u32::try_from(lag.waiting_records).unwrap_or(u32::MAX),
    ));
    let check = Check::new("seal", summary.clone(), vec![age.into(), waiting.into()]);
    let output = Output::new("seal", json!({ "lag": lag }), vec![Block::Note(summary)])?;
    Ok(output.with_check(check))
}

fn head_output(head: Option<&Head>) -> Result<Output, CommandError> {
    let text = match head {
        Some(head) => format!(
            "seal {}\nposition {}\nhead {}\n",
            head.seal_number, head.position, head.head
        ),
        None => "nothing is sealed\n".to_owned(),
    };
    let mut output = Output::script("seal", text);
    output.data = Output::new("seal", json!({ "head": head }), Vec::new())?.data;
    Ok(output)
}

/// Returns the head in a text that the command printed, with or without --json.
pub(super) fn parse_head(text: &str) -> Option<Head> {
    if let Ok(document) = serde_json::from_str::<serde_json::Value>(text) {
        let data = document.get("data").unwrap_or(&document);
        let head = data.get("head").filter(|head| head.is_object());
        return serde_json::from_value(head.unwrap_or(data).clone()).ok();
    }
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.trim().split_once(char::is_whitespace)?;
            (key == name).then_some(value.trim())
        })
    };
    Some(Head {
        seal_number: field("seal")?.parse().ok()?,
        position: field("position")?.parse().ok()?,
        head: field("head")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_heads_parse_back_and_other_texts_do_not() {
        let head = Head {
            seal_number: 3,
            position: 120,
            head: "0f".repeat(32).parse().unwrap(),
        };
        let output = head_output(Some(&head)).unwrap();
        assert_eq!(
            parse_head(output.script.as_deref().unwrap()).as_ref(),
            Some(&head)
        );
        let document = crate::output::output_as_json("seal", &output.data);
        assert_eq!(parse_head(&document).as_ref(), Some(&head));
        let alone = serde_json::to_string(&head).unwrap();
        assert_eq!(parse_head(&alone).as_ref(), Some(&head));
        for wrong in [
            "",
            "nothing is sealed",
            "{}",
            "seal 1\nposition 2\nhead xyz",
            "[1]",
        ] {
            assert_eq!(parse_head(wrong), None, "{wrong}");
        }
    }
}

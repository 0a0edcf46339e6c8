//! The command `neobank events`.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use clap::Args;
use neobank_db::Database;
use neobank_domain::events::{
    self, Event, EventConsumer, EventError, EventRecord, EventSide, POLL_INTERVAL,
};
use serde_json::json;

use super::seal::is_temporary;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Table, cell, optional};

/// The number of events without a limit.
const LIMIT_DEFAULT: u32 = 100;

/// The most events between two acknowledgements of a consumer.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// The position of the first event
    #[arg(
        long,
        value_name = "POSITION",
        default_value_t = 1,
        value_parser = clap::value_parser!(i64).range(1..=i64::MAX / 4)
    )]
    from: i64,
    /// The most events; 100 by default, and no limit with --follow
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
    /// Print further events as they are sealed, one in each line, until the program is stopped or
    /// its output is closed
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print the events behind those that a consumer of this name has had, one in each line, and
    /// store how far it is after they are written
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    consumer: Option<String>,
}

pub(crate) async fn run(
    arguments: &EventsArguments,
    connection: &Connection,
    wants_json: bool,
) -> Result<Output, CommandError> {
    let database = connection.open("events").await?;
    if !arguments.follow && arguments.consumer.is_none() {
        let limit = arguments.limit.unwrap_or(LIMIT_DEFAULT);
        return page(&events::read(&database, arguments.from - 1, limit).await?);
    }
    let mut printer = Printer {
        database,
        consumer: None,
        position: arguments.from - 1,
        wants_json,
        left: match arguments.limit {
            Some(limit) => Some(limit),
            None if arguments.follow => None,
            None => Some(LIMIT_DEFAULT),
        },
    };
    printer.run(arguments).await?;
    let mut output = Output::script("events", String::new());
    output.is_printed = true;
    Ok(output)
}

/// Prints events one in each line.
struct Printer {
    database: Database,
    consumer: Option<EventConsumer>,
    /// The position of the last event that was printed.
    position: i64,
    wants_json: bool,
    /// The number of events that may still be printed.
    left: Option<u32>,
}

/// What follows a page.
enum Next {
    Page,
    Wait(Duration),
    End,
}

impl Printer {
    async fn run(&mut self, arguments: &EventsArguments) -> Result<(), CommandError> {
        loop {
            let next = match self.step(arguments).await {
                Ok(next) => next,
                Err(PrintError::Closed) => return Ok(()),
                Err(PrintError::Output(error)) => {
                    return Err(CommandError::failed(
                        "file",
                        format!("standard output: {error}"),
                    ));
                }
                Err(PrintError::Events(error))
                    if arguments.follow && is_temporary(error.clone()) =>
                {
                    tracing::warn!(%error, "events were not read; the next attempt follows");
                    // It is read again, because an acknowledgement may have taken effect.
                    self.consumer = None;
                    Next::Wait(Duration::from_secs(1))
                }
                Err(PrintError::Events(error)) => return Err(error.into()),
            };
            match next {
                Next::Page => {}
                Next::Wait(pause) => tokio::time::sleep(pause).await,
                Next::End => return Ok(()),
            }
        }
    }

    /// Prints one page, and stores the consumer's position after it is written.
    async fn step(&mut self, arguments: &EventsArguments) -> Result<Next, PrintError> {
        if let (None, Some(name)) = (&self.consumer, &arguments.consumer) {
            let consumer = EventConsumer::open(self.database.clone(), name).await?;
            self.position = consumer.position();
            self.consumer = Some(consumer);
        }
        let limit = self.left.map_or(PAGE, |left| left.min(PAGE));
        let events = events::read(&self.database, self.position, limit).await?;
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(if arguments.follow {
                Next::Wait(POLL_INTERVAL)
            } else {
                Next::End
            });
        };
        print(&events, self.wants_json)?;
        self.position = last;
        if let Some(consumer) = &mut self.consumer {
            consumer.acknowledge(last).await?;
        }
        let printed = u32::try_from(events.len()).unwrap_or(u32::MAX);
        self.left = self.left.map(|left| left.saturating_sub(printed));
        Ok(match self.left {
            Some(0) => Next::End,
            _ => Next::Page,
        })
    }
}

enum PrintError {
    /// The reader of the output has closed it.
    Closed,
    Output(std::io::Error),
    Events(EventError),
}

impl From<EventError> for PrintError {
    fn from(error: EventError) -> Self {
        Self::Events(error)
    }
}

impl From<std::io::Error> for PrintError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Output(error),
        }
    }
}

fn print(events: &[Event], wants_json: bool) -> Result<(), PrintError> {
    let mut text = String::new();
    for event in events {
        if wants_json {
            let line = serde_json::to_string(event).map_err(std::io::Error::from)?;
            text.push_str(&line);
        } else {
            text.push_str(&line(event));
        }
        text.push('\n');
    }
    let mut stream = std::io::stdout().lock();
    stream.write_all(text.as_bytes())?;
    stream.flush()?;
    Ok(())
}

/// Returns an event as a line for people.
fn line(event: &Event) -> String {
    let position = event.position;
    match &event.record {
        EventRecord::Transfer(transfer) => format!(
            "{position} {} {} {} {} from {} to {}",
            transfer.posted_at,
            transfer.transfer_type,
            transfer.transfer_id,
            transfer.amount,
            side(&transfer.debit),
            side(&transfer.credit)
        ),
        EventRecord::HoldEvent(change) => format!(
            "{position} {} hold {} {} {} on {}, {} remains, {} held",
            change.occurred_at,
            change.event_type,
            change.hold_id,
            change.amount,
            change.account_id,
            change.remaining,
            change.held_balance
        ),
        _ => format!("{position} of an unknown kind"),
    }
}

fn side(side: &EventSide) -> String {
    format!(
        "{} (entry {}, balance {})",
        side.account_id, side.entry_number, side.running_balance
    )
}

fn page(events: &[Event]) -> Result<Output, CommandError> {
    let mut table = Table::new(
        &["Position", "Time", "Kind", "Type", ">Amount", "From", "To"],
        "no events",
    );
    for event in events {
        match &event.record {
            EventRecord::Transfer(transfer) => table.row([
                cell(event.position),
                cell(transfer.posted_at),
                cell("transfer"),
                cell(transfer.transfer_type),
                cell(transfer.amount),
                cell(transfer.debit.account_id),
                cell(transfer.credit.account_id),
            ]),
            EventRecord::HoldEvent(change) => table.row([
                cell(event.position),
                cell(change.occurred_at),
                cell("hold"),
                cell(change.event_type),
                cell(change.amount),
                cell(change.account_id),
                optional(change.to_account_id),
            ]),
            _ => {}
        }
    }
    let next = events.last().map(|last| last.position + 1);
    let mut blocks = vec![Block::Table(table)];
    if let Some(next) = next {
        blocks.push(Block::Note(format!("further events: --from {next}")));
    }
    Output::new("events", json!({ "events": events, "next": next }), blocks)
}

//! The command `neobank hold`.

mod arguments;
mod output;

pub(crate) use arguments::HoldCommand;

use chrono::{DateTime, Utc};
use neobank_db::{Database, Executor, statement};
use neobank_domain::accounts::{self, Account};
use neobank_domain::ledger::{
    CaptureRequest, Hold, HoldCursor, HoldEvent, HoldFilter, HoldRequest, HoldStatus,
    NotAHoldCursor, Outcome, ReleaseRequest, Request, holds,
};
use neobank_domain::{HoldId, Money, shortened};

use super::account;
use super::transfer::{self, generated_key};
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Output;
use arguments::{
    CaptureArguments, CreateArguments, ExpireArguments, ListArguments, ReleaseArguments,
};

pub(crate) async fn run(
    command: &HoldCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let database = connection.open(command.name()).await?;
    match command {
        HoldCommand::Create(arguments) => create(arguments, connection, &database).await,
        HoldCommand::Capture(arguments) => capture(arguments, connection, &database).await,
        HoldCommand::Release(arguments) => release(arguments, connection, &database).await,
        HoldCommand::List(arguments) => list(arguments, &database).await,
        HoldCommand::Show { hold } => show(hold, &database).await,
        HoldCommand::Expire(arguments) => expire(arguments, connection, &database).await,
    }
}

async fn create(
    arguments: &CreateArguments,
    connection: &Connection,
    database: &Database,
) -> Result<Output, CommandError> {
    let account = account::find(database, &arguments.account).await?;
    let key = arguments.key.clone().unwrap_or_else(generated_key);
    let mut request = HoldRequest::new(account.account_id, arguments.amount)
        .with_description(&arguments.description)
        .with_idempotency_key(&key);
    let mut parties = vec![account];
    if let Some(named) = &arguments.to {
        let to = account::find(database, named).await?;
        request = request.with_destination(to.account_id);
        parties.push(to);
    }
    if let Some(end) = end(arguments, database).await? {
        request = request.with_expiry(end);
    }
    if let Some(metadata) = &arguments.metadata {
        request = request.with_metadata(metadata.clone());
    }
    change("hold create", connection, database, request, &key, &parties).await
}

/// Returns the time at which a new hold is over.
///
/// A duration counts from the server's time, which decides about the end. A repetition under the key
/// of a hold has to be the same request, so that it takes the end of that hold.
async fn end(
    arguments: &CreateArguments,
    database: &Database,
) -> Result<Option<DateTime<Utc>>, CommandError> {
    let Some(duration) = arguments.expires_in else {
        return Ok(arguments.expires_at);
    };
    if let Some(key) = &arguments.key
        && let Some(first) = of_key(database, key).await?
    {
        return Ok(first.expires_at);
    }
    let clock = statement("SELECT pg_catalog.clock_timestamp()", []);
    let now: DateTime<Utc> = database.fetch_value(clock).await?;
    let end = now.checked_add_signed(duration);
    end.map(Some)
        .ok_or_else(|| CommandError::usage("--expires-in: the duration is too long"))
}

async fn capture(
    arguments: &CaptureArguments,
    connection: &Connection,
    database: &Database,
) -> Result<Output, CommandError> {
    let name = "hold capture";
    let hold = find(database, &arguments.hold).await?;
    let key = arguments.key.clone().unwrap_or_else(generated_key);
    let mut request = CaptureRequest::new(hold.hold_id)
        .with_description(&arguments.description)
        .with_idempotency_key(&key);
    request.amount = arguments.amount;
    request.last = !arguments.keep_rest;
    request.attributes = arguments.attributes.read();
    let mut parties = parties(database, &hold).await?;
    if let Some(named) = &arguments.to {
        let to = account::find(database, named).await?;
        request = request.with_destination(to.account_id);
        parties.push(to);
    }
    let request = Request::from(request);
    let outcome = transfer::execute(connection, database, request, Some(&key), &parties).await?;
    let remaining = remaining(database, hold.hold_id, &outcome).await;
    let output = transfer::answer(name, database, &outcome, Some(&key), &parties).await?;
    Ok(output::with_hold(output, hold.hold_id, remaining))
}

/// Returns what a capture has left of its hold. The money has moved, so an amount that cannot be read
/// is omitted.
async fn remaining(database: &Database, hold: HoldId, outcome: &Outcome) -> Option<Money> {
    let transfer = outcome.receipts().next()?.transfer_id;
    let events = holds::events(database, hold).await.ok()?;
    // The release of the rest is an event of its own, after that of the capture.
    let last = |event: &&HoldEvent| event.transfer_id == Some(transfer);
    events.iter().rfind(last).map(|event| event.remaining)
}

async fn release(
    arguments: &ReleaseArguments,
    connection: &Connection,
    database: &Database,
) -> Result<Output, CommandError> {
    let hold = find(database, &arguments.hold).await?;
    let key = arguments.key.clone().unwrap_or_else(generated_key);
    let mut request = ReleaseRequest::new(hold.hold_id).with_idempotency_key(&key);
    if let Some(metadata) = &arguments.metadata {
        request = request.with_metadata(metadata.clone());
    }
    let parties = parties(database, &hold).await?;
    change(
        "hold release",
        connection,
        database,
        request,
        &key,
        &parties,
    )
    .await
}

/// Executes a request that changes a hold and moves no money.
async fn change(
    name: &'static str,
    connection: &Connection,
    database: &Database,
    request: impl Into<Request>,
    key: &str,
    parties: &[Account],
) -> Result<Output, CommandError> {
    let request = request.into();
    match transfer::execute(connection, database, request, Some(key), parties).await? {
        Outcome::Hold(receipt) => {
            output::receipt(name, database, &receipt, "posted", key, parties).await
        }
        Outcome::HoldReplayed(receipt) => {
            output::receipt(name, database, &receipt, "replayed", key, parties).await
        }
        _ => Err(transfer::no_result()),
    }
}

async fn list(arguments: &ListArguments, database: &Database) -> Result<Output, CommandError> {
    let mut filter = HoldFilter::new();
    let mut known = Vec::new();
    if let Some(named) = &arguments.account {
        let account = account::find(database, named).await?;
        filter = filter.of_account(account.account_id);
        known.push(account);
    }
    if arguments.due {
        filter = filter.only_due();
    } else if !arguments.all {
        filter = filter.with_status(HoldStatus::Open);
    }
    if let Some(after) = &arguments.after {
        let cursor: HoldCursor = after
            .parse()
            .map_err(|error: NotAHoldCursor| CommandError::invalid("cursor", error))?;
        filter = filter.after(cursor);
    }
    // One more than the page shows whether there are more.
    let mut found = holds::list(database, &filter, arguments.limit.saturating_add(1)).await?;
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    output::list(database, &found, has_more, &known).await
}

async fn show(named: &str, database: &Database) -> Result<Output, CommandError> {
    let hold = find(database, named).await?;
    let events = holds::events(database, hold.hold_id).await?;
    output::hold(database, &hold, &events).await
}

async fn expire(
    arguments: &ExpireArguments,
    connection: &Connection,
    database: &Database,
) -> Result<Output, CommandError> {
    let ledger = connection.ledger(database)?;
    let receipts = ledger.expire_holds(arguments.limit.into()).await?;
    output::expired(database, &receipts).await
}

/// Finds a hold by its identifier or its idempotency key.
///
/// A key may look like an identifier, so that a text that identifies no hold is looked up as a key.
pub(in crate::commands) async fn find(
    database: &Database,
    named: &str,
) -> Result<Hold, CommandError> {
    let mut found = None;
    if let Ok(identifier) = named.parse::<HoldId>() {
        found = holds::find(database, identifier).await?;
    }
    if found.is_none() {
        found = of_key(database, named).await?;
    }
    found.ok_or_else(|| {
        CommandError::failed(
            "unknown_hold",
            format!("unknown hold: {:?}", shortened(named)),
        )
    })
}

/// Finds a hold by its idempotency key.
async fn of_key(database: &Database, key: &str) -> Result<Option<Hold>, CommandError> {
    let filter = HoldFilter::new().with_idempotency_key(key);
    Ok(holds::list(database, &filter, 1).await?.pop())
}

/// Returns the accounts that a hold names.
async fn parties(database: &Database, hold: &Hold) -> Result<Vec<Account>, CommandError> {
    let mut parties = Vec::new();
    for account in [Some(hold.account_id), hold.to_account_id]
        .into_iter()
        .flatten()
    {
        parties.extend(accounts::find(database, account).await?);
    }
    Ok(parties)
}

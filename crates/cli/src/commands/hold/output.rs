//! The output of `neobank hold`.

use chrono::{DateTime, Utc};
use neobank_db::Database;
use neobank_domain::accounts::Account;
use neobank_domain::ledger::{
    Hold, HoldCursor, HoldEvent, HoldEventType, HoldReceipt, HoldStatus, ReferenceNumber,
};
use neobank_domain::{HoldId, Money};
use serde_json::json;

use crate::commands::numbers::Numbers;
use crate::commands::views::{HoldReceiptView, HoldView};
use crate::error::CommandError;
use crate::output::{Block, Cell, Output, Style, Table, cell, optional, text};

/// Returns the output of a new hold or a release.
pub(super) async fn receipt(
    name: &'static str,
    database: &Database,
    receipt: &HoldReceipt,
    outcome: &'static str,
    key: &str,
    known: &[Account],
) -> Result<Output, CommandError> {
    let accounts = [Some(receipt.account_id), receipt.to_account_id];
    let numbers = Numbers::of(database, known, accounts.into_iter().flatten()).await;
    let shown = match outcome {
        "posted" => cell(receipt.event_type.as_str()).style(Style::Good),
        _ => cell("replayed: this key changed the hold before, and it did not change again")
            .style(Style::Warning),
    };
    let to = receipt.to_account_id.map(|account| numbers.shown(account));
    let fields = vec![
        ("outcome", shown),
        ("hold", cell(receipt.hold_id)),
        ("account", cell(numbers.shown(receipt.account_id))),
        ("  held after it", cell(receipt.held_balance)),
        ("to", optional(to)),
        ("amount", cell(receipt.amount)),
        ("remains", cell(receipt.remaining)),
        ("expires", optional(receipt.expires_at)),
        ("time", cell(receipt.occurred_at)),
        ("key", cell(key)),
    ];
    let view = HoldReceiptView::new(receipt, outcome, Some(key), &numbers);
    let blocks = vec![Block::Fields(fields)];
    Output::new(name, json!({ "receipt": view }), blocks)
}

/// Returns the output of a capture's transfer, with what the capture has left of the hold.
pub(super) fn with_hold(mut output: Output, hold: HoldId, remaining: Option<Money>) -> Output {
    if let Some(data) = output.data.as_object_mut() {
        data.insert("hold_id".to_owned(), json!(hold));
        data.insert("remaining".to_owned(), json!(remaining));
    }
    if let Some(Block::Fields(fields)) = output.blocks.first_mut() {
        fields.push(("hold", cell(hold)));
        fields.push(("  remains after it", optional(remaining)));
    }
    output
}

/// Returns the output of a list.
pub(super) async fn list(
    database: &Database,
    holds: &[Hold],
    has_more: bool,
    known: &[Account],
) -> Result<Output, CommandError> {
    let accounts = holds
        .iter()
        .flat_map(|hold| [Some(hold.account_id), hold.to_account_id])
        .flatten();
    let numbers = Numbers::of(database, known, accounts).await;
    let columns = [
        "Hold", "Account", "To", ">Amount", ">Remains", "State", "Until", "Key",
    ];
    let mut table = Table::new(&columns, "no holds");
    for hold in holds {
        let to = hold.to_account_id.map(|account| numbers.short(account));
        table.row([
            cell(hold.hold_id),
            cell(numbers.short(hold.account_id)),
            optional(to),
            cell(hold.amount),
            cell(hold.remaining),
            cell(state(hold)).style(style(hold.status)),
            optional(hold.ended_at.or(hold.expires_at).map(time)),
            optional(hold.idempotency_key.as_deref()),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    let next = holds.last().filter(|_| has_more).map(HoldCursor::from);
    if let Some(next) = next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    let views: Vec<_> = holds
        .iter()
        .map(|hold| HoldView::new(hold, &numbers))
        .collect();
    let data = json!({ "holds": views, "has_more": has_more, "next": next });
    Output::new("hold list", data, blocks)
}

/// Returns the output of one hold with its changes.
pub(super) async fn hold(
    database: &Database,
    hold: &Hold,
    events: &[HoldEvent],
) -> Result<Output, CommandError> {
    let accounts = [Some(hold.account_id), hold.to_account_id];
    let numbers = Numbers::of(database, &[], accounts.into_iter().flatten()).await;
    let mut table = Table::new(&["Time", "Change", ">Amount", ">Remains"], "no changes");
    for event in events {
        table.row([
            cell(time(event.occurred_at)),
            cell(event.event_type.as_str()),
            cell(event.amount),
            cell(event.remaining),
        ]);
    }
    let data = json!({
        "hold": HoldView::new(hold, &numbers),
        "events": events,
    });
    let blocks = vec![
        Block::Fields(fields(hold, events, &numbers)),
        Block::Table(table),
    ];
    Output::new("hold show", data, blocks)
}

/// Returns the output of the holds whose end was recorded.
pub(super) async fn expired(
    database: &Database,
    receipts: &[HoldReceipt],
) -> Result<Output, CommandError> {
    let accounts = receipts
        .iter()
        .flat_map(|receipt| [Some(receipt.account_id), receipt.to_account_id])
        .flatten();
    let numbers = Numbers::of(database, &[], accounts).await;
    let mut table = Table::new(&["Hold", "Account", ">Amount"], "no hold was due");
    for receipt in receipts {
        table.row([
            cell(receipt.hold_id),
            cell(numbers.short(receipt.account_id)),
            cell(receipt.amount),
        ]);
    }
    let views: Vec<_> = receipts
        .iter()
        .map(|receipt| HoldReceiptView::new(receipt, "posted", None, &numbers))
        .collect();
    let data = json!({ "receipts": views });
    Output::new("hold expire", data, vec![Block::Table(table)])
}

fn fields(hold: &Hold, events: &[HoldEvent], numbers: &Numbers) -> Vec<(&'static str, Cell)> {
    let to = hold.to_account_id.map(|account| numbers.shown(account));
    let mut fields = vec![
        ("identifier", cell(hold.hold_id)),
        ("status", cell(state(hold)).style(style(hold.status))),
        ("account", cell(numbers.shown(hold.account_id))),
        ("to", optional(to)),
        ("amount", cell(hold.amount)),
        ("remains", cell(hold.remaining)),
        ("description", text(&hold.description)),
        ("key", optional(hold.idempotency_key.as_deref())),
        ("began", cell(hold.authorised_at)),
        ("expires", optional(hold.expires_at)),
        ("ended", optional(hold.ended_at)),
        ("actor", optional(hold.actor.as_deref())),
        ("metadata", optional(hold.metadata.as_ref())),
    ];
    let captures = events
        .iter()
        .filter(|event| event.event_type == HoldEventType::Captured)
        .filter_map(|event| event.transfer_id);
    fields.extend(captures.map(|transfer| ("captured by", cell(ReferenceNumber::from(transfer)))));
    fields
}

/// Returns the state of a hold, as the next decision sees it.
fn state(hold: &Hold) -> &'static str {
    if hold.is_due {
        "expired, not recorded"
    } else {
        hold.status.as_str()
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

const fn style(status: HoldStatus) -> Style {
    match status {
        HoldStatus::Open => Style::Good,
        HoldStatus::Expired => Style::Warning,
        _ => Style::Plain,
    }
}

//! The feed of events. The script of the console reads the same page again and takes its new rows.

use axum::response::Response;
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::chain;
use neobank_domain::events::{self, Event, EventRecord, HoldChange, PostedTransfer};
use serde::Deserialize;

use super::error::PageError;
use super::form::Parameters;
use super::parts::{account_path, money, scrolling, time};
use super::transfers::kind;
use super::visit::Visit;

/// The events of one page.
const EVENTS: u32 = 50;

/// The age of a record that is not sealed from which the page says so. A sealer runs every second.
const LATE_SECONDS: f64 = 10.0;

#[derive(Deserialize)]
pub(super) struct Query {
    /// The position behind which the page begins; the newest events without it.
    after: Option<i64>,
}

pub(super) async fn show(
    visit: Visit,
    Parameters(Query { after }): Parameters<Query>,
) -> Result<Response, PageError> {
    visit.require_of_whole_bank(Scope::EventsRead)?;
    let database = visit.database();
    let newest = chain::head(&database)
        .await?
        .map_or(0, |head| head.position);
    let length = i64::from(EVENTS);
    let after = after.unwrap_or_else(|| newest.saturating_sub(length).max(0));
    let mut found = events::read(&database, after, EVENTS).await?;
    let last = found.last().map_or(after, |event| event.position);
    found.reverse();
    let is_newest = last >= newest;
    let waiting = chain::lag(&database).await?;
    let is_late = waiting.waiting_seconds >= LATE_SECONDS;
    let content = html! {
        h1 { "Events" }
        p.spaced { "Posted transfers and changes of holds, in the sealed order." }
        @if is_late {
            p.faint { (waiting.waiting_records) " records wait to be sealed, the oldest for " (format!("{:.0} s", waiting.waiting_seconds)) ". They appear when a sealer runs, such as " code { "neobank seal --follow" } "." }
        }
        div.live id="live" data-after=(last) data-is-newest[is_newest] {}
        (table(&found))
        @if found.is_empty() { p.empty { "No events behind position " (after) "." } }
        nav.pager aria-label="Pages of the feed" {
            @if !is_newest { a href="/console/events" { "Newest" } a href=(format!("/console/events?after={last}")) { "Newer" } }
            @if after > 0 { a href=(format!("/console/events?after={}", after.saturating_sub(length).max(0))) { "Older" } }
        }
    };
    Ok(visit.page("Events", &content))
}

fn table(found: &[Event]) -> Markup {
    let rows = html! {
        table {
            thead { tr {
                th.right scope="col" { "Position" } th scope="col" { "Time" } th scope="col" { "Event" }
                th scope="col" { "Accounts" } th.right scope="col" { "Amount" }
            } }
            tbody id="events" { @for event in found { (row(event)) } }
        }
    };
    scrolling("Events", &rows)
}

fn row(event: &Event) -> Markup {
    html! {
        tr data-position=(event.position) {
            td.right { (event.position) }
            @match &event.record {
                EventRecord::Transfer(transfer) => (transfer_cells(transfer)),
                EventRecord::HoldEvent(change) => (hold_cells(change)),
                _ => { td {} td { "Another kind of event" } td {} td {} }
            }
        }
    }
}

fn transfer_cells(transfer: &PostedTransfer) -> Markup {
    html! {
        td.time { (time(transfer.posted_at)) }
        td { a href=(format!("/console/transfers/{}", transfer.transfer_id)) { (kind(transfer.transfer_type.as_str())) } }
        td {
            (account(transfer.debit.account_id)) " "
            span aria-label="to" { "→" } " " (account(transfer.credit.account_id))
        }
        td.right { (money(transfer.amount)) }
    }
}

fn hold_cells(change: &HoldChange) -> Markup {
    html! {
        td.time { (time(change.occurred_at)) }
        td { a href=(format!("/console/holds/{}", change.hold_id)) { "Hold " (change.event_type) } }
        td { (account(change.account_id)) }
        td.right { (money(change.amount)) }
    }
}

/// Writes a link to an account, by the end of its identifier.
fn account(account: neobank_domain::AccountId) -> Markup {
    let whole = account.to_string();
    let end = whole.rsplit('-').next().unwrap_or_default();
    html! { a.reference href=(account_path(account)) title=(whole) { "…" (end) } }
}

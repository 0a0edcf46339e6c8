//! The pages of holds.

use axum::response::Response;
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{
    DESCRIPTION_LENGTH_MAX, Hold, HoldCursor, HoldEvent, HoldStatus, holds,
};
use neobank_domain::{Account, accounts};

use super::{Capture, Conditions, new_key};
use crate::console::error::PageError;
use crate::console::form::token;
use crate::console::parts::{
    Field, account_link, alert, badge, money, notice, number, scrolling, text, time,
};
use crate::console::visit::Visit;
use crate::problem::Problem;

/// The forms of a hold's page, with their keys, values and errors.
pub(super) struct Forms {
    pub(super) capture: Capture,
    pub(super) release_key: String,
    pub(super) errors: CaptureErrors,
    pub(super) problem: Option<Problem>,
}

#[derive(Default)]
pub(super) struct CaptureErrors {
    pub(super) amount: Option<String>,
    pub(super) to: Option<&'static str>,
}

impl CaptureErrors {
    pub(super) const fn is_none(&self) -> bool {
        self.amount.is_none() && self.to.is_none()
    }
}

impl Forms {
    /// Returns the forms with new idempotency keys.
    pub(super) fn new(hold: &Hold) -> Self {
        let capture = Capture {
            key: new_key(),
            amount: hold.remaining.amount().to_string(),
            ..Capture::default()
        };
        Self {
            capture,
            release_key: new_key(),
            errors: CaptureErrors::default(),
            problem: None,
        }
    }
}

pub(super) fn list(
    visit: &Visit,
    conditions: &Conditions,
    error: Option<&'static str>,
    found: &[Hold],
    next: Option<HoldCursor>,
) -> Response {
    let content = html! {
        h1 { "Holds" }
        form.filter.spaced method="get" action="/console/holds" {
            (Field::new("account", "Account", &conditions.account).error(error).length_max(64).long().input())
            div.field {
                label for="status" { "State" }
                select id="status" name="status" {
                    option value="any" { "any" }
                    @for status in HoldStatus::ALL {
                        option value=(status) selected[conditions.status == status.as_str()] { (status) }
                    }
                }
            }
            div.buttons { button type="submit" { "Show" } }
        }
        @if found.is_empty() { p.empty { "No holds." } }
        @else { (table("Holds", found)) }
        @if let Some(next) = next {
            nav.pager aria-label="Pages of the list" { a rel="next" href=(older(conditions, next)) { "Older" } }
        }
    };
    visit.page("Holds", &content)
}

fn older(conditions: &Conditions, next: HoldCursor) -> String {
    let pairs = [
        ("account", conditions.account.clone()),
        ("status", conditions.status.clone()),
        ("after", next.to_string()),
    ];
    let pairs = serde_urlencoded::to_string(pairs).unwrap_or_default();
    format!("/console/holds?{pairs}")
}

/// Writes a table of holds.
pub(in crate::console) fn table(name: &str, found: &[Hold]) -> Markup {
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Since" } th scope="col" { "Hold" } th scope="col" { "State" }
                th scope="col" { "Ends" } th.right scope="col" { "Amount" } th.right scope="col" { "Remaining" }
            } }
            tbody {
                @for hold in found {
                    tr {
                        td.time { (time(hold.authorised_at)) }
                        td.wide {
                            @if !hold.description.is_empty() { span.description { (text(&hold.description)) } }
                            a.reference href=(format!("/console/holds/{}", hold.hold_id)) { (hold.hold_id) }
                        }
                        td { (badge(hold.status.as_str())) }
                        td.time { @if let Some(end) = hold.expires_at { (time(end)) } }
                        td.right { (money(hold.amount)) }
                        td.right { (money(hold.remaining)) }
                    }
                }
            }
        }
    };
    scrolling(name, &rows)
}

pub(super) async fn show(
    visit: &Visit,
    hold: &Hold,
    forms: &Forms,
    is_released: bool,
) -> Result<Response, PageError> {
    let database = visit.database();
    let events = holds::events(&database, hold.hold_id).await?;
    let account = accounts::find(&database, hold.account_id).await?;
    let to = match hold.to_account_id {
        Some(to) => visit.try_account(to).await?,
        None => None,
    };
    let may_change = visit.caller.has_scope(Scope::HoldsWrite) && hold.status == HoldStatus::Open;
    let content = html! {
        @if is_released { (notice(&html! { "The hold is released." })) }
        @if let Some(problem) = &forms.problem { (rejected(problem)) }
        div.title {
            p.kind { "Hold" }
            h1 { (money(hold.amount)) }
            (badge(hold.status.as_str()))
        }
        @if !hold.description.is_empty() { p.lead { (text(&hold.description)) } }
        dl.figures {
            div.main { dt { "Remaining" } dd { (money(hold.remaining)) } }
            div { dt { "On account" } dd { (linked(account.as_ref(), hold.account_id)) } }
            @if let Some(id) = hold.to_account_id {
                div { dt { "Only for" } dd { (linked(to.as_ref(), id)) } }
            }
        }
        @if may_change { (changes(visit, hold, forms)) }
        section { h2 { "Changes" } (history(&events)) }
        (details(hold))
    };
    Ok(visit.page("Hold", &content))
}

fn linked(account: Option<&Account>, identifier: neobank_domain::AccountId) -> Markup {
    match account {
        Some(account) => account_link(account.account_id, &account.account_number),
        None => html! { code { (identifier) } },
    }
}

fn rejected(problem: &Problem) -> Markup {
    alert(&html! {
        p { strong { (text(problem.detail())) } }
        @if problem.status_code().is_server_error() {
            p { "Send the form again: however often it is sent, it takes effect once." }
        } @else {
            p { "This form changed nothing." }
        }
    })
}

fn changes(visit: &Visit, hold: &Hold, forms: &Forms) -> Markup {
    let path = format!("/console/holds/{}", hold.hold_id);
    let capture = &forms.capture;
    let currency = hold.amount.currency();
    let label = format!("Amount in {currency}");
    html! {
        div.sides {
            form.card method="post" action=(format!("{path}/capture")) {
                h2 { "Capture" }
                (token(visit))
                input type="hidden" name="key" value=(capture.key);
                (Field::new("amount", &label, &capture.amount).required().length_max(30).error(forms.errors.amount.as_deref()).input())
                @if hold.to_account_id.is_none() {
                    (Field::new("to", "To account", &capture.to).hint("Its number or identifier").required().length_max(64).error(forms.errors.to).input())
                }
                (Field::new("description", "Description", &capture.description).length_max(DESCRIPTION_LENGTH_MAX).input())
                div.field.check {
                    input id="keep" name="keep" type="checkbox" value="1" checked[!capture.keep.is_empty()];
                    label for="keep" { "Keep the rest for later captures" }
                }
                button.primary type="submit" { "Capture" }
            }
            form.card method="post" action=(format!("{path}/release")) {
                h2 { "Release" }
                (token(visit))
                input type="hidden" name="key" value=(forms.release_key);
                p { "Makes " (money(hold.remaining)) " available again. This cannot be undone." }
                div.field.check {
                    input id="sure" name="sure" type="checkbox" value="1" required;
                    label for="sure" { "Release all that remains" }
                }
                button type="submit" { "Release" }
            }
        }
    }
}

fn history(events: &[HoldEvent]) -> Markup {
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "Change" } th scope="col" { "Actor" }
                th scope="col" { "Transfer" } th.right scope="col" { "Amount" } th.right scope="col" { "Remaining" }
            } }
            tbody {
                @for event in events {
                    tr {
                        td.time { (time(event.occurred_at)) }
                        td { (event.event_type) }
                        td { @if let Some(actor) = &event.actor { (text(actor)) } }
                        td { @if let Some(transfer) = event.transfer_id { a.reference href=(format!("/console/transfers/{transfer}")) { (transfer) } } }
                        td.right { (number(event.amount)) }
                        td.right { (number(event.remaining)) }
                    }
                }
            }
        }
    };
    scrolling("Changes", &rows)
}

fn details(hold: &Hold) -> Markup {
    html! {
        section aria-labelledby="details" {
            h2 id="details" { "Details" }
            dl.card {
                dt { "Since" } dd { (time(hold.authorised_at)) }
                @if let Some(end) = hold.expires_at { dt { "Ends" } dd { (time(end)) } }
                @if let Some(ended) = hold.ended_at { dt { "Ended" } dd { (time(ended)) } }
                @if let Some(actor) = &hold.actor { dt { "Actor" } dd { (text(actor)) } }
                @if let Some(key) = &hold.idempotency_key { dt { "Idempotency key" } dd { code { (text(key)) } } }
                @if let Some(metadata) = &hold.metadata { dt { "Metadata" } dd { code { (text(&metadata.to_string())) } } }
                dt { "Identifier" } dd { code { (hold.hold_id) } }
            }
        }
    }
}

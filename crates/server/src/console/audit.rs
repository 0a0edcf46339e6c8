//! The auditor, the chain of hashes, and the newest changes.

use axum::response::Response;
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::audit::{self, Violation};
use neobank_domain::chain::{self, Head, SealingLag};
use neobank_domain::change_log::{self, Change, ChangeFilter};
use neobank_domain::{Error, ErrorKind};
use serde::Deserialize;

use super::error::PageError;
use super::form::{Posted, token};
use super::parts::{account_path, alert, notice, scrolling, text, time};
use super::visit::Visit;

/// The changes that the page lists.
const CHANGES: u32 = 50;

#[derive(Deserialize)]
pub(super) struct Run {
    #[serde(default)]
    check: String,
}

/// The result of a check.
enum Checked {
    Nothing,
    Sound(&'static str),
    Violations(Vec<Violation>),
    /// The journal is too long for the time of a page.
    TooLong,
}

pub(super) async fn show(visit: Visit) -> Result<Response, PageError> {
    visit.require_of_whole_bank(Scope::AuditRead)?;
    page(&visit, &Checked::Nothing).await
}

/// Runs the auditor, or verifies the chain.
pub(super) async fn run(Posted(visit, given): Posted<Run>) -> Result<Response, PageError> {
    visit.require_of_whole_bank(Scope::AuditRead)?;
    let database = visit.database();
    let checked = match given.check.as_str() {
        "books" => audit::violations(&database)
            .await
            .map(|found| result(found, "The auditor found no violation of any invariant.")),
        "chain" => chain::verify(&database, &[]).await.map(|verified| {
            let found = verified.findings.into_iter().map(Violation::from).collect();
            result(found, "Every sealed record is as it was sealed.")
        }),
        _ => return Err(PageError::malformed("check", "There is no such check.")),
    };
    let checked = match checked.map_err(Error::from) {
        Ok(checked) => checked,
        Err(error) if error.kind() == ErrorKind::Unavailable => Checked::TooLong,
        Err(error) => return Err(error.into()),
    };
    page(&visit, &checked).await
}

fn result(found: Vec<Violation>, sound: &'static str) -> Checked {
    if found.is_empty() {
        return Checked::Sound(sound);
    }
    Checked::Violations(found)
}

async fn page(visit: &Visit, checked: &Checked) -> Result<Response, PageError> {
    let database = visit.database();
    let head = chain::head(&database).await?;
    let lag = chain::lag(&database).await?;
    let filter = ChangeFilter::default().with_limit(CHANGES);
    let changes = change_log::list(&database, &filter).await?.changes;
    let content = html! {
        h1 { "Audit" }
        div.spaced { (outcome(checked)) }
        (status(head.as_ref(), &lag))
        form.actions method="post" action="/console/audit" {
            (token(visit))
            button.primary type="submit" name="check" value="books" { "Run the auditor" }
            button type="submit" name="check" value="chain" { "Verify the chain" }
        }
        section { h2 { "Newest changes" } (log(&changes)) }
    };
    Ok(visit.page("Audit", &content))
}

fn outcome(checked: &Checked) -> Markup {
    match checked {
        Checked::Nothing => html! {},
        Checked::Sound(sentence) => notice(&html! { (sentence) }),
        Checked::TooLong => alert(&html! {
            "The check did not end in the time of a page. Run " code { "neobank audit --chain" } "."
        }),
        Checked::Violations(found) => {
            let rows = html! {
                table {
                    thead { tr { th scope="col" { "Invariant" } th scope="col" { "Violated by" } th scope="col" { "Details" } } }
                    tbody { @for one in found { tr {
                        th scope="row" { (text(&one.check_name)) }
                        td { (text(&one.subject)) }
                        td.wide { (text(&one.detail)) }
                    } } }
                }
            };
            html! {
                (alert(&html! { strong { (found.len()) " violations" } }))
                (scrolling("Violations", &rows))
            }
        }
    }
}

fn status(head: Option<&Head>, lag: &SealingLag) -> Markup {
    html! {
        dl.figures {
            div.main { dt { "Sealed records" } dd { (lag.last_position) } }
            div { dt { "Seals" } dd { (lag.seal_number) } }
            div { dt { "Records that wait" } dd { (lag.waiting_records) } }
            div { dt { "Oldest of them" } dd { (format!("{:.0} s", lag.waiting_seconds)) } }
        }
        @if let Some(head) = head {
            p { "The head of the chain: " code { (head.head) } }
        } @else {
            p.faint { "Nothing is sealed yet." }
        }
    }
}

fn log(changes: &[Change]) -> Markup {
    let rows = html! {
        table {
            thead { tr { th scope="col" { "Time" } th scope="col" { "Change" } th scope="col" { "Actor" } th scope="col" { "Of" } } }
            tbody {
                @for change in changes {
                    tr {
                        td.time { (time(change.changed_at)) }
                        td.wide {
                            (change.operation) " " (text(&change.table_name))
                            @if !change.old_values.is_empty() {
                                @let names: Vec<_> = change.new_values.keys().map(String::as_str).collect();
                                span.faint.description { (text(&names.join(", "))) }
                            }
                        }
                        td { @match &change.actor { Some(actor) => (text(actor)), None => span.faint { (text(&change.database_role)) } } }
                        td {
                            @if let Some(account) = change.account_id { a href=(account_path(account)) { "account" } }
                            @else if let Some(customer) = change.customer_id { a href=(format!("/console/customers/{customer}")) { "customer" } }
                        }
                    }
                }
            }
        }
    };
    html! { @if changes.is_empty() { p.empty { "No changes." } } @else { (scrolling("Changes", &rows)) } }
}

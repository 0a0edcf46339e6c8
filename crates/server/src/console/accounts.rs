//! The page of an account: its balances, its holds and its statement.

use axum::extract::Path;
use axum::response::Response;
use chrono::{NaiveDate, Utc};
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::customers::{self, Customer};
use neobank_domain::printable::printable;
use neobank_domain::statements::{self, Entry, StatementCursor, StatementPage, StatementRequest};
use neobank_domain::{Account, AccountId};
use serde::Deserialize;

use super::error::PageError;
use super::form::Parameters;
use super::parts::{Field, badge, local_time, money, movement, number, scrolling, text, time};
use super::visit::Visit;

/// The entries of one page.
const ENTRIES: u32 = 50;

/// The days of a statement, and the position of its page.
#[derive(Deserialize)]
pub(super) struct Days {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    after: String,
}

/// The statement that was asked for, with the errors of its days.
pub(super) struct Asked {
    pub(super) request: StatementRequest,
    from_error: Option<&'static str>,
    to_error: Option<&'static str>,
}

pub(super) async fn show(
    visit: Visit,
    Path(account): Path<String>,
    Parameters(days): Parameters<Days>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let account = visit.account(identifier(&account)?).await?;
    let asked = asked(&days, &account)?;
    let request = asked.request.with_limit(ENTRIES);
    let database = visit.database();
    let page = statements::page(&database, account.account_id, &request).await?;
    let owner = match account.customer_id {
        Some(customer) if visit.may_see_customer(customer) => {
            customers::find(&database, customer).await?
        }
        _ => None,
    };
    let content = html! {
        (title(&account, owner.as_ref()))
        (balances(&account))
        (actions(&visit, &account))
        section aria-labelledby="statement" {
            h2 id="statement" { "Statement" }
            (filter(&account, &days, &asked))
            (statement(&account, &days, &page))
        }
        (details(&account))
    };
    let name = format!("Account {}", printable(&account.account_number));
    Ok(visit.page(&name, &content))
}

pub(super) fn identifier(account: &str) -> Result<AccountId, PageError> {
    account.parse().map_err(|_| PageError::not_found("account"))
}

/// Reads the days of a statement. Without days it has every entry; a wrong day is an error beside
/// its field, and the statement is as without it.
pub(super) fn asked(days: &Days, account: &Account) -> Result<Asked, PageError> {
    // A day is up to a day earlier or later elsewhere.
    let opened = account.opened_at.date_naive();
    let first = opened.pred_opt().unwrap_or(opened);
    let today = Utc::now().date_naive();
    let last = today.succ_opt().unwrap_or(today);
    let read = |text: &str, default: NaiveDate| match text.trim() {
        "" => (default, None),
        day => day.parse().map_or(
            (default, Some("This is no day such as 2026-11-30.")),
            |day| (day, None),
        ),
    };
    let (from, from_error) = read(&days.from, first);
    let (to, mut to_error) = read(&days.to, last.max(from));
    let mut request = StatementRequest::through(from, to);
    if from > to {
        to_error = Some("The last day is before the first.");
        request = StatementRequest::through(from, from);
    }
    if !days.after.is_empty() {
        let cursor = days.after.parse::<StatementCursor>();
        request = request.with_after(Some(cursor?));
    }
    Ok(Asked {
        request,
        from_error,
        to_error,
    })
}

fn title(account: &Account, owner: Option<&Customer>) -> Markup {
    html! {
        div.title {
            p.kind {
                (super::transfers::kind(account.account_type.as_str())) " account"
                @if let Some(owner) = owner {
                    " of " a href=(format!("/console/customers/{}", owner.customer_id)) {
                        (text(&format!("{} {}", owner.first_name, owner.last_name)))
                    }
                }
            }
            h1 { (text(&account.account_number)) }
            (badge(account.status.as_str()))
        }
    }
}

fn balances(account: &Account) -> Markup {
    html! {
        dl.figures {
            div.main { dt { "Balance" } dd { (money(account.current_balance)) } }
            @if let Some(available) = account.available_balance {
                div { dt { "Available" } dd { (money(available)) } }
            }
            div { dt { "Held" } dd { (money(account.held_balance)) } }
            @if let Some(limit) = account.overdraft_limit {
                div { dt { "Overdraft limit" } dd { (money(limit)) } }
            }
        }
    }
}

fn actions(visit: &Visit, account: &Account) -> Markup {
    let may_pay = visit.caller.has_scope(Scope::TransfersWrite) && account.customer_id.is_some();
    let account = account.account_id;
    html! {
        p.actions {
            @if may_pay {
                a.button.primary href=(format!("/console/transfer?from={account}")) { "Transfer from this account" }
            }
            a.button href=(format!("/console/holds?account={account}")) { "Holds" }
        }
    }
}

fn filter(account: &Account, days: &Days, asked: &Asked) -> Markup {
    let path = super::parts::account_path(account.account_id);
    html! {
        form.filter method="get" action=(path) {
            (Field::new("from", "From", &days.from).kind("date").error(asked.from_error).input())
            (Field::new("to", "To", &days.to).kind("date").error(asked.to_error).input())
            div.buttons {
                button type="submit" { "Show" }
                a.button href=(format!("{path}/statement.csv{}", days.parameters(None))) download { "Export CSV" }
            }
        }
    }
}

impl Days {
    /// Returns the parameters of a page of the same days.
    fn parameters(&self, after: Option<StatementCursor>) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for (name, day) in [("from", &self.from), ("to", &self.to)] {
            if !day.is_empty() {
                pairs.push((name, day.clone()));
            }
        }
        pairs.extend(after.map(|after| ("after", after.to_string())));
        match serde_urlencoded::to_string(&pairs) {
            Ok(text) if !text.is_empty() => format!("?{text}"),
            _ => String::new(),
        }
    }
}

fn statement(account: &Account, days: &Days, page: &StatementPage) -> Markup {
    let path = super::parts::account_path(account.account_id);
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "Description" }
                th.right scope="col" { "Amount" } th.right scope="col" { "Balance" }
            } }
            tbody { @for entry in &page.entries { (row(entry)) } }
        }
    };
    html! {
        dl.range {
            div { dt { "Opening balance" } dd { (money(page.opening_balance)) } }
            div { dt { "Closing balance" } dd { (money(page.closing_balance)) } }
        }
        @if page.entries.is_empty() { p.empty { "No entries in these days." } }
        @else { (scrolling("Entries", &rows)) }
        nav.pager aria-label="Pages of the statement" {
            @if !days.after.is_empty() { a href=(format!("{path}{}", days.parameters(None))) { "Newest" } }
            @if let Some(next) = page.next { a rel="next" href=(format!("{path}{}", days.parameters(Some(next)))) { "Older" } }
        }
    }
}

fn row(entry: &Entry) -> Markup {
    html! {
        tr {
            td.time { (local_time(entry.local_time)) }
            td.wide {
                @if !entry.description.is_empty() { span.description { (text(&entry.description)) } }
                a.reference href=(format!("/console/transfers/{}", entry.transfer_id)) { (entry.reference_number()) }
            }
            td.right { (movement(entry.movement())) }
            td.right { (number(entry.running_balance)) }
        }
    }
}

fn details(account: &Account) -> Markup {
    html! {
        section aria-labelledby="details" {
            h2 id="details" { "Details" }
            dl.card {
                dt { "Currency" } dd { (account.current_balance.currency().code()) }
                dt { "Time zone" } dd { (text(&account.time_zone)) }
                dt { "Entries" } dd { (account.last_entry_number) }
                dt { "Version" } dd { (account.version) }
                dt { "Opened" } dd { (time(account.opened_at)) }
                @if let Some(at) = account.closed_at { dt { "Closed" } dd { (time(at)) } }
                dt { "Identifier" } dd { code { (account.account_id) } }
            }
        }
    }
}

//! The search for customers, accounts, transfers, holds and groups by whatever is at hand.

mod find;

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::customers::Customer;
use neobank_domain::{Account, Money};
use serde::Deserialize;

use super::error::PageError;
use super::form::Parameters;
use super::parts::{account_link, badge, money, scrolling, text};
use super::transfers::table as transfer_table;
use super::visit::Visit;
use find::Results;

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
}

pub(super) async fn home(_visit: Visit) -> Response {
    Redirect::to("/console/search").into_response()
}

pub(super) async fn show(
    visit: Visit,
    Parameters(Query { q }): Parameters<Query>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let wanted = q.trim();
    let results = if wanted.is_empty() {
        None
    } else {
        Some(find::everything(&visit, wanted).await?)
    };
    let content = html! {
        h1 { "Search" }
        (form(wanted))
        @if let Some(results) = &results { (found(results)) }
        @else { (help()) }
    };
    let title = if wanted.is_empty() {
        "Search"
    } else {
        "Results"
    };
    Ok(visit.page(title, &content))
}

fn form(wanted: &str) -> Markup {
    html! {
        form.search role="search" method="get" action="/console/search" {
            label.hidden for="q" { "Name, e-mail, number, identifier, reference, key or amount" }
            input id="q" name="q" type="search" value=(wanted) maxlength="300" autocomplete="off"
                spellcheck="false" placeholder="Name, number, reference, amount…"
                autofocus[wanted.is_empty()];
            button.primary type="submit" { "Search" }
        }
    }
}

fn help() -> Markup {
    html! {
        section.card.help aria-labelledby="help" {
            h2 id="help" { "What can be found" }
            dl {
                dt { "Customers" } dd { "by a part of the name or the e-mail address, or by number" }
                dt { "Accounts" } dd { "by number or identifier" }
                dt { "Transfers" } dd { "by reference, identifier, idempotency key, or amount with its currency, such as " code { "250 CZK" } }
                dt { "Holds, groups" } dd { "by identifier, holds also by idempotency key" }
            }
        }
    }
}

fn found(results: &Results) -> Markup {
    html! {
        p.summary role="status" { (summary(results)) }
        @if let Some(problem) = &results.problem { p.faint { (problem) } }
        @if !results.customers.is_empty() { (customers(&results.customers, results.has_more_customers)) }
        @if !results.accounts.is_empty() {
            section { h2 { "Accounts" } (accounts(&results.accounts)) }
        }
        @if !results.transfers.is_empty() {
            section {
                h2 { "Transfers" }
                (transfer_table("Transfers", &results.transfers))
                @if results.has_more_transfers { p.faint { "Only the newest are listed." } }
            }
        }
        @if !results.holds.is_empty() {
            section {
                h2 { "Holds" }
                ul { @for (hold, amount) in &results.holds { li { a href=(format!("/console/holds/{hold}")) { (hold) } " of " (money(*amount)) } } }
            }
        }
        @if let Some(group) = &results.group {
            section { h2 { "Group" } p { a href=(format!("/console/groups/{group}")) { (group) } } }
        }
    }
}

fn summary(results: &Results) -> String {
    let found = results.count();
    match found {
        0 => "Nothing was found.".to_owned(),
        1 => "1 result".to_owned(),
        _ if results.has_more_customers || results.has_more_transfers => {
            format!("{found} results, and there are more")
        }
        _ => format!("{found} results"),
    }
}

fn customers(customers: &[Customer], has_more: bool) -> Markup {
    let rows = html! {
        table {
            thead { tr { th scope="col" { "Name" } th scope="col" { "Number" } th scope="col" { "E-mail" } th scope="col" { "State" } } }
            tbody {
                @for customer in customers {
                    tr {
                        th scope="row" {
                            a href=(format!("/console/customers/{}", customer.customer_id)) {
                                (text(&format!("{} {}", customer.first_name, customer.last_name)))
                            }
                        }
                        td { (text(&customer.customer_number)) }
                        td { @if let Some(email) = &customer.email { (text(email)) } }
                        td { (badge(customer.status.as_str())) }
                    }
                }
            }
        }
    };
    html! {
        section {
            h2 { "Customers" }
            (scrolling("Customers", &rows))
            @if has_more { p.faint { "Only the newest are listed." } }
        }
    }
}

/// Writes a table of accounts.
pub(super) fn accounts(accounts: &[Account]) -> Markup {
    let available = |account: &Account| -> Option<Money> { account.available_balance };
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Account" } th scope="col" { "Type" } th scope="col" { "State" }
                th.right scope="col" { "Balance" } th.right scope="col" { "Available" }
            } }
            tbody {
                @for account in accounts {
                    tr {
                        th scope="row" { (account_link(account.account_id, &account.account_number)) }
                        td { (account.account_type) }
                        td { (badge(account.status.as_str())) }
                        td.right { (money(account.current_balance)) }
                        td.right { @if let Some(amount) = available(account) { (money(amount)) } }
                    }
                }
            }
        }
    };
    scrolling("Accounts", &rows)
}

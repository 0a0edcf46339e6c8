//! The trial balance.

use axum::response::Response;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::balances::{self, TrialBalance};
use serde::Deserialize;

use super::error::PageError;
use super::form::Parameters;
use super::parts::{Field, badge, number, scrolling, text};
use super::visit::Visit;

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    day: String,
}

pub(super) async fn show(
    visit: Visit,
    Parameters(Query { day }): Parameters<Query>,
) -> Result<Response, PageError> {
    visit.require_of_whole_bank(Scope::AccountsRead)?;
    let wanted = day.trim();
    let read = wanted
        .parse::<NaiveDate>()
        .ok()
        .filter(|day| *day < NaiveDate::MAX);
    let is_wrong = !wanted.is_empty() && read.is_none();
    let error = is_wrong.then_some("This is no day such as 2026-11-30.");
    let end = read.and_then(|day| day.succ_opt());
    let end = end.map(|next| next.and_time(NaiveTime::MIN).and_utc() - TimeDelta::microseconds(1));
    let found = balances::trial_balance(&visit.database(), end).await?;
    let content = html! {
        h1 { "Trial balance" }
        form.filter.spaced method="get" action="/console/trial-balance" {
            (Field::new("day", "At the end of the day (UTC)", wanted).kind("date").error(error).input())
            div.buttons {
                button type="submit" { "Show" }
                @if read.is_some() { a.button href="/console/trial-balance" { "Now" } }
            }
        }
        @if found.is_empty() { p.empty { "No account was open." } }
        @for balance in &found { (of_currency(balance)) }
    };
    Ok(visit.page("Trial balance", &content))
}

fn of_currency(balance: &TrialBalance) -> Markup {
    let code = balance.currency.code();
    let state = if balance.is_balanced() {
        html! { span.badge.good { "balanced" } }
    } else {
        badge("critical")
    };
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Accounts" } th.right scope="col" { "Number" }
                th.right scope="col" { "Debit" } th.right scope="col" { "Credit" }
            } }
            tbody {
                @for line in &balance.lines {
                    tr {
                        th.nowrap scope="row" {
                            @match &line.account_number { Some(own) => (text(own)), None => "Customers" }
                        }
                        td.right { (line.accounts) }
                        td.right { (number(line.debit)) }
                        td.right { (number(line.credit)) }
                    }
                }
            }
            tfoot { tr {
                th scope="row" { "Together" } td {}
                td.right { (number(balance.debit)) } td.right { (number(balance.credit)) }
            } }
        }
    };
    html! {
        section {
            div.heading { h2 { (code) } (state) }
            (scrolling(&format!("Trial balance in {code}"), &rows))
        }
    }
}

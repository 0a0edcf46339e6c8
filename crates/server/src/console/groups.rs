//! Groups: the transfers and the changes of holds that were posted together.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use neobank_domain::GroupId;
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{Hold, holds};
use neobank_domain::transfers::{self, TransferFilter};
use serde::Deserialize;

use super::error::PageError;
use super::form::Parameters;
use super::holds::table as hold_table;
use super::parts::{Field, time};
use super::transfers::{Shown, table};
use super::visit::Visit;

/// The most transfers that a page lists.
const TRANSFERS_MAX: u32 = 1_000;

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    id: String,
}

/// Shows the form to find a group, or leads to it.
pub(super) async fn find(
    visit: Visit,
    Parameters(Query { id }): Parameters<Query>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let wanted = id.trim();
    if let Ok(group) = wanted.parse::<GroupId>() {
        return Ok(Redirect::to(&format!("/console/groups/{group}")).into_response());
    }
    let error = (!wanted.is_empty()).then_some("This is no identifier of a group: a UUID.");
    let content = html! {
        h1 { "Groups" }
        p.spaced { "The transfers of a group were posted together or not at all. Each of them leads to its group." }
        (form(wanted, error))
    };
    Ok(visit.page("Groups", &content))
}

fn form(wanted: &str, error: Option<&str>) -> Markup {
    html! {
        form.filter method="get" action="/console/groups" {
            (Field::new("id", "Identifier of the group", wanted).error(error).required().length_max(64).long().input())
            div.buttons { button type="submit" { "Show" } }
        }
    }
}

/// Shows the transfers of a group, and the holds that it has made and released.
pub(super) async fn show(visit: Visit, Path(group): Path<String>) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let unknown = || PageError::not_found("group");
    let group: GroupId = group.parse().map_err(|_| unknown())?;
    let database = visit.database();
    let filter = TransferFilter::default()
        .with_group_id(group)
        .with_limit(TRANSFERS_MAX);
    let page = transfers::list(&database, &filter).await?;
    let mut found = page.transfers;
    found.reverse();
    let shown = Shown::all(&visit, found).await?;
    let made = own(&visit, holds::of_group(&database, group).await?).await?;
    let released = own(&visit, holds::released_by_group(&database, group).await?).await?;
    let first_change = made.first().map(|hold| hold.authorised_at);
    let first_change = first_change.or_else(|| released.iter().find_map(|hold| hold.ended_at));
    let first_transfer = shown.first().map(|one| one.view.posted_at);
    let posted_at = first_transfer.or(first_change).ok_or_else(unknown)?;
    let content = html! {
        div.title {
            p.kind { "Group of " (counted(shown.len(), "transfer"))
                @if !made.is_empty() { ", " (counted(made.len(), "hold")) }
                @if !released.is_empty() { ", " (counted(released.len(), "released hold")) } }
            h1 { (time(posted_at)) }
        }
        @if !shown.is_empty() { (table("Transfers of the group", &shown)) }
        @if page.next.is_some() { p.faint { "The group has more transfers." } }
        @if !made.is_empty() { section { h2 { "Holds" } (hold_table("Holds of the group", &made)) } }
        @if !released.is_empty() {
            section { h2 { "Released holds" } (hold_table("Holds that the group released", &released)) }
        }
        section aria-labelledby="details" {
            h2 id="details" { "Details" }
            dl.card { dt { "Identifier" } dd { code { (group) } } }
        }
    };
    Ok(visit.page("Group", &content))
}

/// Returns the holds of accounts that the caller may see.
async fn own(visit: &Visit, mut holds: Vec<Hold>) -> Result<Vec<Hold>, PageError> {
    let visible = visit
        .visible(holds.iter().map(|hold| hold.account_id))
        .await?;
    holds.retain(|hold| visible.has(hold.account_id));
    Ok(holds)
}

fn counted(number: usize, name: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {name}{end}")
}

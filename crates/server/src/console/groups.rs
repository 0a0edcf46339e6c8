//! Groups: the transfers that were posted together.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use neobank_domain::GroupId;
use neobank_domain::api_keys::Scope;
use neobank_domain::transfers::{self, TransferFilter};
use serde::Deserialize;

use super::error::PageError;
use super::form::Parameters;
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

/// Shows the transfers of a group.
pub(super) async fn show(visit: Visit, Path(group): Path<String>) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let unknown = || PageError::not_found("group");
    let group: GroupId = group.parse().map_err(|_| unknown())?;
    let filter = TransferFilter::default()
        .with_group_id(group)
        .with_limit(TRANSFERS_MAX);
    let page = transfers::list(&visit.database(), &filter).await?;
    let mut found = page.transfers;
    found.reverse();
    let shown = Shown::all(&visit, found).await?;
    let first = shown.first().ok_or_else(unknown)?;
    let content = html! {
        div.title {
            p.kind { "Group of " (shown.len()) " transfers" }
            h1 { (time(first.view.posted_at)) }
        }
        (table("Transfers of the group", &shown))
        @if page.next.is_some() { p.faint { "The group has more transfers." } }
        section aria-labelledby="details" {
            h2 id="details" { "Details" }
            dl.card { dt { "Identifier" } dd { code { (group) } } }
        }
    };
    Ok(visit.page("Group", &content))
}

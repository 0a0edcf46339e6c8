//! Transfers: their table, and the page of one.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_domain::transfers::{self, Transfer, TransferFilter};
use neobank_domain::{Money, TransferId};

use super::error::PageError;
use super::form::{Arrival, Parameters};
use super::parts::{account_link, money, notice, scrolling, text, time};
use super::visit::Visit;
use crate::views::{SideView, TransferView};

/// The most reversals that a page lists.
const REVERSALS_MAX: u32 = 100;

/// A transfer as the caller may see it, with the numbers of the accounts that the caller may see.
pub(super) struct Shown {
    pub(super) view: TransferView,
    amount: Money,
    debit_number: Option<String>,
    credit_number: Option<String>,
}

impl Shown {
    /// Returns the transfers of which the caller may see an account.
    pub(super) async fn all(
        visit: &Visit,
        transfers: Vec<Transfer>,
    ) -> Result<Vec<Self>, PageError> {
        let sides = |one: &Transfer| [one.debit.account_id, one.credit.account_id];
        let visible = visit.visible(transfers.iter().flat_map(sides)).await?;
        let is_visible = |one: &Transfer| sides(one).into_iter().any(|id| visible.has(id));
        let shown = transfers.into_iter().filter(is_visible).map(|transfer| {
            let number = |account, number: &String| visible.has(account).then(|| number.clone());
            let (debit, credit) = (&transfer.debit, &transfer.credit);
            let debit_number = number(debit.account_id, &debit.account_number);
            let credit_number = number(credit.account_id, &credit.account_number);
            let amount = transfer.amount;
            let mut view = TransferView::from(transfer);
            view.hide(&visible);
            Self {
                view,
                amount,
                debit_number,
                credit_number,
            }
        });
        Ok(shown.collect())
    }
}

/// Writes a table of transfers.
pub(super) fn table(name: &str, transfers: &[Shown]) -> Markup {
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "Transfer" }
                th scope="col" { "From" } th scope="col" { "To" } th.right scope="col" { "Amount" }
            } }
            tbody {
                @for one in transfers {
                    tr {
                        td.time { (time(one.view.posted_at)) }
                        td.wide {
                            @if let Some(description) = described(one) { span.description { (text(description)) } }
                            a.reference href=(format!("/console/transfers/{}", one.view.transfer_id)) { (one.view.reference_number) }
                        }
                        td { (side(&one.view.debit, one.debit_number.as_deref())) }
                        td { (side(&one.view.credit, one.credit_number.as_deref())) }
                        td.right { (money(one.amount)) }
                    }
                }
            }
        }
    };
    scrolling(name, &rows)
}

fn described(one: &Shown) -> Option<&str> {
    one.view
        .description
        .as_deref()
        .filter(|text| !text.is_empty())
}

/// Writes the account of a side: a link for an account that the caller may see.
fn side(side: &SideView, number: Option<&str>) -> Markup {
    match number {
        Some(number) => account_link(side.account_id, number),
        None => html! { code.short title=(side.account_id) { (side.account_id) } },
    }
}

/// Shows a transfer with both sides and its reversals.
pub(super) async fn show(
    visit: Visit,
    Path(transfer): Path<String>,
    Parameters(arrival): Parameters<Arrival>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let unknown = || PageError::not_found("transfer");
    let transfer: TransferId = transfer.parse().map_err(|_| unknown())?;
    let database = visit.database();
    let found = transfers::find(&database, transfer).await?;
    let shown = Shown::all(&visit, found.into_iter().collect()).await?;
    let one = shown.first().ok_or_else(unknown)?;
    let filter = TransferFilter::default()
        .with_reverses(transfer)
        .with_limit(REVERSALS_MAX);
    let reversals = transfers::list(&database, &filter).await?.transfers;
    let reversals = Shown::all(&visit, reversals).await?;
    let content = html! {
        @match arrival.done.as_str() {
            "posted" => (notice(&html! { "The transfer is posted." })),
            "replayed" => (notice(&html! { "This form was sent before. The money moved once, by this transfer." })),
            _ => {},
        }
        div.title {
            p.kind { (kind(&one.view.transfer_type)) }
            h1 { (money(one.amount)) }
        }
        @if let Some(description) = described(one) { p.lead { (text(description)) } }
        (sides(one))
        @if let Some(original) = one.view.reverses {
            p { "It reverses " a href=(format!("/console/transfers/{original}")) { (original) } "." }
        }
        @if !reversals.is_empty() {
            section { h2 { "Reversals" } (table("Reversals", &reversals)) }
        }
        (details(one))
    };
    Ok(visit.page(&one.view.reference_number, &content))
}

/// Returns the kind of a transfer in words.
pub(super) fn kind(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn sides(one: &Shown) -> Markup {
    let card = |name: &str, view: &SideView, number: Option<&str>| {
        html! {
            div.card.side {
                h2 { (name) }
                p.account { (side(view, number)) }
                @if let Some(balance) = view.running_balance {
                    p { "Balance afterwards " (money(balance)) }
                }
                @if let Some(entry) = &view.entry_number { p.faint { "Entry " (entry) } }
            }
        }
    };
    html! {
        div.sides {
            (card("From", &one.view.debit, one.debit_number.as_deref()))
            (card("To", &one.view.credit, one.credit_number.as_deref()))
        }
    }
}

fn details(one: &Shown) -> Markup {
    let view = &one.view;
    html! {
        section aria-labelledby="details" {
            h2 id="details" { "Details" }
            dl.card {
                dt { "Reference" } dd { code { (view.reference_number) } }
                dt { "Posted" } dd { (time(view.posted_at)) }
                @if let Some(day) = view.value_date { dt { "Value date" } dd { (day) } }
                @if let Some(actor) = &view.actor { dt { "Actor" } dd { (text(actor)) } }
                @if let Some(key) = &view.idempotency_key { dt { "Idempotency key" } dd { code { (text(key)) } } }
                @if let Some(group) = view.group_id {
                    dt { "Group" } dd { a href=(format!("/console/groups/{group}")) { (group) } }
                }
                @if let Some(hold) = view.hold_id {
                    dt { "Hold" } dd { a href=(format!("/console/holds/{hold}")) { (hold) } }
                }
                @if let Some(metadata) = &view.metadata { dt { "Metadata" } dd { code { (text(&metadata.to_string())) } } }
                dt { "Identifier" } dd { code { (view.transfer_id) } }
            }
        }
    }
}

//! The pages of the form for a transfer.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use neobank_domain::ledger::DESCRIPTION_LENGTH_MAX;
use neobank_domain::{Account, Money};

use super::Fields;
use super::check::{Errors, Order, Payee};
use crate::console::form::token;
use crate::console::parts::{Field, account_link, alert, money, text};
use crate::console::visit::Visit;
use crate::problem::Problem;

/// The message above a preview.
pub(super) enum Message<'a> {
    None,
    /// The payer's account has changed since the last preview, which showed this balance.
    Changed(Option<Money>),
    Failed(&'a Problem),
}

pub(super) fn with_errors(visit: &Visit, fields: &Fields, errors: &Errors) -> Response {
    let page = form(visit, fields, errors);
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

pub(super) fn form(visit: &Visit, fields: &Fields, errors: &Errors) -> Response {
    let Errors {
        from,
        to,
        amount,
        description,
    } = errors;
    let has_errors = [from, to, amount, description]
        .into_iter()
        .any(Option::is_some);
    let content = html! {
        h1 { "Transfer" }
        @if has_errors { (alert(&html! { "Correct the marked fields. Nothing was moved." })) }
        form.card.form.spaced method="post" action="/console/transfer/preview" {
            (token(visit))
            input type="hidden" name="key" value=(fields.key);
            (Field::new("from", "From account", &fields.from).hint("Its number or identifier")
                .required().length_max(64).error(from.as_deref()).input())
            (Field::new("to", "To account", &fields.to).hint("Its number or identifier")
                .required().length_max(64).error(to.as_deref()).input())
            (Field::new("amount", "Amount", &fields.amount).hint("In the currency of the account that pays, such as 1250.50")
                .required().length_max(30).error(amount.as_deref()).input())
            (Field::new("description", "Description", &fields.description).hint("Both statements show it")
                .length_max(DESCRIPTION_LENGTH_MAX).error(description.as_deref()).input())
            button.primary type="submit" { "Preview" }
        }
    };
    visit.page("Transfer", &content)
}

pub(super) fn preview(visit: &Visit, order: &Order, message: &Message<'_>) -> Response {
    let fields = &order.fields;
    let payer_after = order.payer.current_balance.checked_sub(order.amount).ok();
    let available = order.payer.available_balance;
    let available_after = available.and_then(|amount| amount.checked_sub(order.amount).ok());
    let content = html! {
        (above(order, message))
        div.title {
            p.kind { "Preview of a transfer: nothing has moved yet" }
            h1 { (money(order.amount)) }
        }
        @if !fields.description.trim().is_empty() { p.lead { (text(fields.description.trim())) } }
        div.sides {
            (side("From", &order.payer, order.payer_name.as_deref(), payer_after, Some((available, available_after))))
            @match &order.payee {
                Payee::Known(account) => {
                    @let after = account.current_balance.checked_add(order.amount).ok();
                    (side("To", account, order.payee_name.as_deref(), after, None))
                }
                Payee::Other(account) => div.card.side {
                    h2 { "To" }
                    p.account { code { (account) } }
                    p.faint { "The key may not see this account. Compare the identifier." }
                }
            }
        }
        form.spaced method="post" action="/console/transfer/confirm" {
            (token(visit))
            @for (name, value) in [
                ("key", fields.key.clone()),
                ("from", order.payer.account_id.to_string()),
                ("to", order.payee.account_id().to_string()),
                ("amount", order.amount.amount().to_string()),
                ("description", fields.description.clone()),
                ("version", order.payer.version.to_string()),
                ("seen", order.payer.current_balance.to_string()),
            ] {
                input type="hidden" name=(name) value=(value);
            }
            div.buttons {
                button.primary type="submit" { "Confirm transfer" }
                button type="submit" formaction="/console/transfer/edit" { "Change" }
            }
        }
    };
    visit.page("Preview of a transfer", &content)
}

fn above(order: &Order, message: &Message<'_>) -> Markup {
    match message {
        Message::None => html! {},
        Message::Changed(seen) => alert(&html! {
            p { strong { "The account that pays has changed since the preview." } " Nothing was moved." }
            p {
                @if let Some(seen) = seen { "Its balance was " (money(*seen)) " and is now " }
                @else { "Its balance is now " }
                (money(order.payer.current_balance)) ". Look again, and confirm."
            }
        }),
        Message::Failed(problem) => alert(&html! {
            p { strong { (text(problem.detail())) } }
            @if problem.status_code().is_server_error() {
                p { "Confirm again: however often this form is sent, the money moves once." }
            } @else {
                p { "This form moved nothing." }
            }
        }),
    }
}

/// Writes one side with its balance now and afterwards.
fn side(
    name: &str,
    account: &Account,
    owner: Option<&str>,
    after: Option<Money>,
    available: Option<(Option<Money>, Option<Money>)>,
) -> Markup {
    html! {
        div.card.side {
            h2 { (name) }
            p.account { (account_link(account.account_id, &account.account_number)) }
            @if let Some(owner) = owner { p { (text(owner)) } }
            table.change {
                thead { tr { td {} th.right scope="col" { "Now" } th.right scope="col" { "Afterwards" } } }
                tbody {
                    tr {
                        th scope="row" { "Balance" }
                        td.right data-name="Now" { (money(account.current_balance)) }
                        td.right data-name="Afterwards" { @if let Some(after) = after { strong { (money(after)) } } }
                    }
                    @if let Some((Some(now), after)) = available {
                        tr {
                            th scope="row" { "Available" }
                            td.right data-name="Now" { (money(now)) }
                            td.right data-name="Afterwards" { @if let Some(after) = after { (money(after)) } }
                        }
                    }
                }
            }
        }
    }
}

//! The page of a customer.

use axum::extract::Path;
use axum::response::Response;
use maud::html;
use neobank_domain::api_keys::Scope;
use neobank_domain::{CustomerId, accounts, customers};

use super::error::PageError;
use super::parts::{badge, text, time};
use super::search;
use super::visit::Visit;

pub(super) async fn show(
    visit: Visit,
    Path(customer): Path<String>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let unknown = || PageError::not_found("customer");
    let customer: CustomerId = customer.parse().map_err(|_| unknown())?;
    if !visit.may_see_customer(customer) {
        return Err(unknown());
    }
    let database = visit.database();
    let found = customers::find(&database, customer).await?;
    let customer = found.ok_or_else(unknown)?;
    let owned = accounts::list_by_customer(&database, customer.customer_id).await?;
    let name = format!("{} {}", customer.first_name, customer.last_name);
    let content = html! {
        div.title {
            p.kind { "Customer" }
            h1 { (text(&name)) }
            (badge(customer.status.as_str()))
        }
        section {
            h2 { "Accounts" }
            @if owned.is_empty() { p.faint { "The customer has no account." } }
            @else { (search::accounts(&owned)) }
        }
        section aria-labelledby="details" {
            h2 id="details" { "Details" }
            dl.card {
                dt { "Number" } dd { (text(&customer.customer_number)) }
                dt { "Type" } dd { (customer.customer_type) }
                dt { "Identification" } dd { (badge(customer.kyc_status.as_str())) }
                @if let Some(email) = &customer.email { dt { "E-mail" } dd { (text(email)) } }
                @for phone in [&customer.phone_primary, &customer.phone_secondary].into_iter().flatten() {
                    dt { "Telephone" } dd { (text(phone)) }
                }
                @if let Some(date) = customer.date_of_birth { dt { "Date of birth" } dd { (date) } }
                dt { "Customer since" } dd { (time(customer.created_at)) }
                dt { "Identifier" } dd { code { (customer.customer_id) } }
            }
        }
    };
    let title = neobank_domain::printable::printable(&name);
    Ok(visit.page(&title, &content))
}

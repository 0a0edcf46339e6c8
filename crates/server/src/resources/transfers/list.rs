//! The list of transfers.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{EntryType, Metadata, ReferenceNumber};
use neobank_domain::transfers::{self, TransferCursor, TransferFilter};
use neobank_domain::{AccountId, GroupId, TransferId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::context::Context;
use crate::page::page;
use crate::problem::Problem;
use crate::query::{self, parsed};
use crate::state::ServiceState;
use crate::times;
use crate::trace;
use crate::views::TransferView;

/// The conditions and the page of a list of transfers. A transfer is listed when it meets every
/// condition.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The account that pays or is paid. A key with a binding needs it.
    #[param(value_type = Option<Uuid>)]
    account: Option<AccountId>,
    /// The account on the other side; needs `account`.
    #[param(value_type = Option<Uuid>)]
    counterparty: Option<AccountId>,
    /// The side of the account: `debit` where it pays, `credit` where it is paid; needs `account`.
    #[param(value_type = Option<SideName>, inline)]
    side: Option<EntryType>,
    /// The currency of `at_least` and `at_most`.
    currency: Option<String>,
    /// The least amount.
    at_least: Option<String>,
    /// The greatest amount.
    at_most: Option<String>,
    /// The first moment of the booking times.
    #[serde(default, deserialize_with = "times::optional_time")]
    from: Option<DateTime<Utc>>,
    /// The first moment after the booking times.
    #[serde(default, deserialize_with = "times::optional_time")]
    until: Option<DateTime<Utc>>,
    /// The kind of the transfer, such as `transfer`, `deposit` or `fee`.
    transfer_type: Option<String>,
    /// The reference number of the transfer.
    reference_number: Option<String>,
    /// The idempotency key of the request.
    idempotency_key: Option<String>,
    /// The group of the transfer.
    #[param(value_type = Option<Uuid>)]
    group_id: Option<GroupId>,
    /// The transfer whose reversals are listed.
    #[param(value_type = Option<Uuid>)]
    reverses: Option<TransferId>,
    /// The actor of the request.
    actor: Option<String>,
    /// A JSON object whose members the transfer's metadata has.
    metadata: Option<String>,
    /// The most transfers on the page, from 1 to 1,000; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The cursor of the page before, its `next`.
    after: Option<String>,
}

/// The side of an account.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only describes the parameter")]
enum SideName {
    Debit,
    Credit,
}

/// A page of transfers, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferPage)]
pub(super) struct PageView {
    transfers: Vec<TransferView>,
    /// The cursor of the next page, for `after`; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<TransferCursor>,
}

/// Lists transfers, newest first.
#[utoipa::path(
    get,
    path = "/v1/transfers",
    operation_id = "listTransfers",
    tag = "transfers",
    params(Parameters),
    responses((status = 200, body = PageView, description = "A page of transfers.",
        headers(("Link" = String, description = "The address of the next page.")))),
)]
pub(crate) async fn list(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::AccountsRead).await?;
    let filter = filter(query::read(&uri)?)?;
    match filter.account {
        Some(account) => {
            let visible = caller.visible(&state, &context, [account]).await?;
            caller.require(&context, &visible, account)?;
            require_own_conditions(&caller, &filter)?;
        }
        None => caller.require_unbound(&context)?,
    }
    let found = trace::database(transfers::list(&context.database(&state), &filter)).await?;
    let sides = found
        .transfers
        .iter()
        .flat_map(|transfer| [transfer.debit.account_id, transfer.credit.account_id]);
    let visible = caller.visible(&state, &context, sides).await?;
    let mut views: Vec<_> = found
        .transfers
        .into_iter()
        .map(TransferView::from)
        .collect();
    for view in &mut views {
        view.hide(&visible);
    }
    let body = PageView {
        transfers: views,
        next: found.next,
    };
    Ok(page(&uri, body, found.next))
}

/// Returns an error if a bound key looks for what another payer wrote, which answers leave out.
fn require_own_conditions(caller: &Caller, filter: &TransferFilter) -> Result<(), Problem> {
    let conditions = [
        ("idempotency_key", filter.idempotency_key.is_some()),
        ("actor", filter.actor.is_some()),
        ("metadata", filter.metadata.is_some()),
    ];
    let given = conditions.into_iter().find(|(_, is_given)| *is_given);
    match given {
        Some((field, _)) if caller.is_bound() && filter.side != Some(EntryType::Debit) => {
            let detail = "A key with a binding needs side=debit beside this condition.";
            Err(Problem::malformed(field, detail))
        }
        _ => Ok(()),
    }
}

fn filter(given: Parameters) -> Result<TransferFilter, Problem> {
    let currency = query::currency(given.currency.as_deref())?;
    let amount = |field, text: &Option<String>| query::amount(field, text.as_deref(), currency);
    let reference: Option<ReferenceNumber> =
        parsed("reference_number", given.reference_number.as_deref())?;
    let metadata: Option<Metadata> = parsed("metadata", given.metadata.as_deref())?;
    let cursor: Option<TransferCursor> = parsed("after", given.after.as_deref())?;
    let filter = TransferFilter::default()
        .with_account(given.account)
        .with_counterparty(given.counterparty)
        .with_side(given.side)
        .with_at_least(amount("at_least", &given.at_least)?)
        .with_at_most(amount("at_most", &given.at_most)?)
        .with_from(given.from)
        .with_until(given.until)
        .with_transfer_type(parsed("transfer_type", given.transfer_type.as_deref())?)
        .with_idempotency_key(given.idempotency_key)
        .with_reference_number(reference)
        .with_group_id(given.group_id)
        .with_reverses(given.reverses)
        .with_actor(parsed("actor", given.actor.as_deref())?)
        .with_metadata(metadata)
        .with_after(cursor);
    Ok(match given.limit {
        Some(limit) => filter.with_limit(limit),
        None => filter,
    })
}

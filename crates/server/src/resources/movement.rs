//! The common part of requests that move money: their start, their execution and their answer.

use axum::Json;
use axum::extract::Request as HttpRequest;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{Condition, GroupRequest, Outcome};
use neobank_domain::{AccountId, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::access::{Caller, Visible};
use crate::body;
use crate::context::{Context, idempotency_key, without_parameters};
use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace;
use crate::views::TransferView;
use crate::views::groups::GroupView;
use crate::views::holds::HoldChangeView;

/// The header that tells the answer of an earlier request from a new one.
pub(super) const REPLAYED: &str = "idempotency-replayed";

/// The scopes one of which every request that moves money needs.
pub(super) const WRITING: [Scope; 3] = [
    Scope::TransfersWrite,
    Scope::HoldsWrite,
    Scope::AdjustmentsWrite,
];

/// The service, the request's context and its caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) state: &'a ServiceState,
    pub(super) context: &'a Context,
    pub(super) caller: &'a Caller,
}

/// The header of every request that moves money.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the header")]
pub(super) struct IdempotencyKey {
    /// The caller's own name of the request: the money moves once however often it is sent.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    idempotency_key: String,
}

/// A request that moves money: its caller, its idempotency key and its body.
pub(super) struct Received<T> {
    pub(super) caller: Caller,
    pub(super) key: String,
    pub(super) given: T,
}

/// The body of a request that moves money.
pub(super) trait Prepare {
    /// Makes the ledger's request, if the caller has the scope.
    fn prepare(self, call: Call<'_>) -> impl Future<Output = Result<Prepared, Problem>> + Send;
}

impl<T> Received<T> {
    /// Executes the request that the body and the address make together, and answers it.
    pub(super) async fn execute<P: Prepare>(
        self,
        state: &ServiceState,
        context: &Context,
        addressed: impl FnOnce(T) -> Result<P, Problem>,
    ) -> Result<Response, Problem> {
        let Self { caller, key, given } = self;
        let call = Call {
            state,
            context,
            caller: &caller,
        };
        let prepared = addressed(given)?.prepare(call).await?;
        prepared.execute(call, key).await?.answer()
    }
}

/// Reads a request that moves money and needs one of these scopes.
pub(super) async fn receive<T: DeserializeOwned>(
    state: &ServiceState,
    context: &Context,
    scopes: &[Scope],
    request: HttpRequest,
) -> Result<Received<T>, Problem> {
    receive_within(
        state,
        context,
        scopes,
        request,
        state.limits().body_bytes_max,
    )
    .await
}

/// As [`receive`], with a body of another size.
pub(super) async fn receive_within<T: DeserializeOwned>(
    state: &ServiceState,
    context: &Context,
    scopes: &[Scope],
    request: HttpRequest,
    bytes_max: usize,
) -> Result<Received<T>, Problem> {
    let (parts, content) = request.into_parts();
    let caller = Caller::authenticated(state, &parts.headers, context).await?;
    caller.require_scope(context, scopes)?;
    without_parameters(&parts.uri)?;
    let key = idempotency_key(&parts.headers)?;
    let given = body::read(&parts.headers, content, state.limits(), bytes_max).await?;
    Ok(Received { caller, key, given })
}

/// A request that is ready for the ledger.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Request,
    /// The accounts that the caller has to be bound to.
    pub(super) own: Vec<AccountId>,
    /// The accounts of transfers and holds that the request names.
    pub(super) named: Vec<AccountId>,
}

impl Prepared {
    /// Returns a request whose accounts stand in it.
    pub(super) fn new(request: impl Into<Request>, own: AccountId) -> Self {
        Self {
            request: request.into(),
            own: vec![own],
            named: Vec::new(),
        }
    }

    /// Executes the request. What the caller may see is decided before: what follows a commit must
    /// not fail.
    pub(super) async fn execute(self, call: Call<'_>, key: String) -> Result<Done, Problem> {
        let Self {
            request,
            own,
            named,
        } = self;
        let Call {
            state,
            context,
            caller,
        } = call;
        let named = own.iter().copied().chain(named);
        let accounts: Vec<_> = request.accounts().chain(named).collect();
        let visible = caller.visible(state, context, accounts).await?;
        for account in own {
            caller.require(context, &visible, account)?;
        }
        let request = request.with_idempotency_key(&key);
        let ledger = caller.ledger(state, context);
        let outcome = trace::group_commit(ledger.outcome(request)).await;
        match outcome {
            Ok(outcome) => Ok(Done {
                outcome,
                visible,
                key,
            }),
            Err(error) => Err(Problem::from(error).shown_to(&visible)),
        }
    }
}

/// A group whose steps are prepared one after the other.
#[derive(Debug)]
pub(super) struct PreparedGroup {
    group: GroupRequest,
    own: Vec<AccountId>,
    named: Vec<AccountId>,
}

impl Prepared {
    /// Begins a group, which has no step yet.
    pub(super) const fn group(group: GroupRequest) -> PreparedGroup {
        PreparedGroup {
            group,
            own: Vec::new(),
            named: Vec::new(),
        }
    }
}

impl PreparedGroup {
    /// Adds a step.
    pub(super) fn add(&mut self, step: Prepared) {
        self.group.steps.push(step.request);
        self.own.extend(step.own);
        self.named.extend(step.named);
    }

    /// Adds a condition after the last step so far.
    pub(super) fn add_condition(&mut self, condition: Condition) {
        self.own.push(condition.account);
        let group = std::mem::take(&mut self.group);
        self.group = group.with_condition(condition);
    }

    /// Returns the group with all its steps.
    pub(super) fn ready(self) -> Prepared {
        Prepared {
            request: self.group.into(),
            own: self.own,
            named: self.named,
        }
    }
}

/// A request that the ledger has executed.
#[derive(Debug)]
pub(super) struct Done {
    outcome: Outcome,
    visible: Visible,
    key: String,
}

/// The result of a request.
#[derive(Debug)]
pub(super) enum Posted {
    Transfer(TransferView),
    Hold(HoldChangeView),
    Group(GroupView),
}

impl Done {
    /// Returns true for the result of an earlier request with the same key.
    pub(super) const fn is_replayed(&self) -> bool {
        self.outcome.is_replayed()
    }

    /// Returns the result as the caller may see it.
    pub(super) fn into_posted(self) -> Result<Posted, Problem> {
        let Self {
            outcome,
            visible,
            key,
        } = self;
        Ok(match outcome {
            Outcome::Hold(receipt) | Outcome::HoldReplayed(receipt) => {
                Posted::Hold(HoldChangeView::new(&receipt, Some(key), &visible))
            }
            Outcome::GroupPosted(group) | Outcome::GroupReplayed(group) => {
                Posted::Group(GroupView::new(&group, key, &visible))
            }
            single => {
                let receipt = single.into_receipt()?;
                let mut view = TransferView::from(&receipt);
                view.idempotency_key = Some(key);
                view.hide(&visible);
                Posted::Transfer(view)
            }
        })
    }

    /// Returns the answer to a request.
    pub(super) fn answer(self) -> Result<Response, Problem> {
        let is_replayed = self.is_replayed();
        let posted = self.into_posted()?;
        let (status, location) = (posted.status(), posted.location());
        Ok(match posted {
            Posted::Transfer(view) => answer(status, location, is_replayed, view),
            Posted::Hold(view) => answer(status, location, is_replayed, view),
            Posted::Group(view) => answer(status, location, is_replayed, view),
        })
    }
}

impl Posted {
    /// Returns 201 for something new, and 200 for the release of a hold.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Hold(view) if !view.is_new() => StatusCode::OK,
            _ => StatusCode::CREATED,
        }
    }

    pub(super) fn location(&self) -> String {
        match self {
            Self::Transfer(view) => format!("/v1/transfers/{}", view.transfer_id),
            Self::Hold(view) => format!("/v1/holds/{}", view.hold_id),
            Self::Group(view) => format!("/v1/groups/{}", view.group_id),
        }
    }
}

/// Returns an answer with its address and the sign of a repeated request.
pub(super) fn answer(
    status: StatusCode,
    location: String,
    is_replayed: bool,
    view: impl Serialize,
) -> Response {
    let replayed = if is_replayed { "true" } else { "false" };
    let headers = [("location", location), (REPLAYED, replayed.to_owned())];
    (status, headers, Json(view)).into_response()
}

/// Returns the caller of a read that needs `accounts:read` and takes no parameter.
pub(super) async fn reader(
    state: &ServiceState,
    headers: &axum::http::HeaderMap,
    context: &Context,
    uri: &Uri,
) -> Result<Caller, Problem> {
    let caller = Caller::authorised(state, headers, context, Scope::AccountsRead).await?;
    without_parameters(uri)?;
    Ok(caller)
}

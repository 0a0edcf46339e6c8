//! The common part of requests that change customers and accounts: their start, the version that the
//! caller expects, and their end.

use axum::extract::Request as HttpRequest;
use axum::http::header::{CONTENT_LENGTH, IF_MATCH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use neobank_db::{DatabaseError, ErrorClass, IsolationLevel, Transaction, TransactionOptions};
use neobank_domain::api_keys::Scope;
use neobank_domain::change_log;
use serde::de::DeserializeOwned;

use crate::access::Caller;
use crate::body;
use crate::context::{Context, single, without_parameters};
use crate::problem::Problem;
use crate::state::ServiceState;

/// The header with the version that a change expects.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the header")]
pub(super) struct IfMatch {
    /// The account's version as an `ETag`, such as `"7"`: the change is rejected with 412 if the
    /// account has another version.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// A request for a change: its caller, its body, and the version that it expects.
pub(super) struct Change<T> {
    pub(super) caller: Caller,
    pub(super) given: T,
    pub(super) expected: Option<i64>,
}

/// Reads a request for a change that needs a scope.
pub(super) async fn receive<T: DeserializeOwned>(
    state: &ServiceState,
    context: &Context,
    scope: Scope,
    request: HttpRequest,
) -> Result<Change<T>, Problem> {
    let (parts, content) = request.into_parts();
    let (caller, expected) = begin(state, context, scope, &parts).await?;
    let limits = state.limits();
    let given = body::read(&parts.headers, content, limits, limits.body_bytes_max).await?;
    Ok(Change {
        caller,
        given,
        expected,
    })
}

/// Reads a request for a change that has no body.
pub(super) async fn receive_empty(
    state: &ServiceState,
    context: &Context,
    scope: Scope,
    request: HttpRequest,
) -> Result<Change<()>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, expected) = begin(state, context, scope, &parts).await?;
    let has_body = single(&parts.headers, CONTENT_LENGTH.as_str())?.is_some_and(|size| size != "0")
        || parts.headers.contains_key(TRANSFER_ENCODING);
    if has_body {
        return Err(Problem::malformed("body", "This request has no body."));
    }
    Ok(Change {
        caller,
        given: (),
        expected,
    })
}

async fn begin(
    state: &ServiceState,
    context: &Context,
    scope: Scope,
    parts: &Parts,
) -> Result<(Caller, Option<i64>), Problem> {
    let caller = Caller::authorised(state, &parts.headers, context, scope).await?;
    without_parameters(&parts.uri)?;
    Ok((caller, expected_version(&parts.headers)?))
}

impl<T> Change<T> {
    /// Begins the transaction of the change, as the caller. With an expected version the transaction
    /// sees one snapshot, so that the version that it reads is the one that it changes.
    pub(super) async fn transaction(
        &self,
        state: &ServiceState,
        context: &Context,
    ) -> Result<Transaction, Problem> {
        let mut options = TransactionOptions::default();
        if self.expected.is_some() {
            options = options.with_isolation(IsolationLevel::RepeatableRead);
        }
        let transaction = context.database(state).begin_with(options).await?;
        change_log::act_as(&transaction, self.caller.actor()).await?;
        Ok(transaction)
    }
}

/// Returns the problem of a change that found another version than the caller expects.
pub(super) fn stale(version: Option<i64>) -> Problem {
    let detail = match version {
        Some(version) => format!("The version is {version} and not that of If-Match."),
        None => "The version changed at the same time.".to_owned(),
    };
    Problem::new(StatusCode::PRECONDITION_FAILED, "stale_version", detail)
        .with_field("If-Match")
        .with_action("Read the account again, and decide again.")
}

/// Returns true if the row was changed since the transaction read it.
pub(super) fn is_stale(error: &DatabaseError) -> bool {
    error.class() == ErrorClass::SerializationFailure
}

/// Reads the header `If-Match`, which has one strong tag.
fn expected_version(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(text) = single(headers, IF_MATCH.as_str())? else {
        return Ok(None);
    };
    let tag = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let wrong = || Problem::malformed("If-Match", "If-Match is one version, such as \"7\".");
    let digits = tag.filter(|tag| tag.bytes().all(|byte| byte.is_ascii_digit()));
    let version = digits.and_then(|digits| digits.parse().ok());
    version.map(Some).ok_or_else(wrong)
}

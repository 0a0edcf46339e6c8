//! Errors as problem documents (RFC 9457).

mod cause;
mod of_library;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use neobank_domain::AccountId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi::PROBLEM_JSON;
use cause::Cause;

/// An error as a problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemMembers)]
pub(crate) struct Problem {
    /// `urn:neobank:problem:` and the kind.
    #[serde(rename = "type")]
    type_uri: String,
    /// The kind in words.
    title: String,
    status: u16,
    /// The reason, for people.
    detail: String,
    /// The stable name, which is the ledger's own for a rejection.
    kind: &'static str,
    /// The caller's next step.
    action: &'static str,
    /// The member, header or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The values of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    cause: Option<Cause>,
}

/// The advice for a request that can never succeed as it is.
const CORRECT: &str = "Correct the request before you send it again.";
/// The advice for a request that changed nothing and may succeed later.
const LATER: &str = "Nothing was changed. Send the same request again later.";
/// The advice for a request that may have taken effect.
const REPEAT: &str =
    "Send the same request again with the same Idempotency-Key: the money moves once.";

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("urn:neobank:problem:{kind}"),
            title: kind.replace('_', " "),
            status: status.as_u16(),
            detail: detail.into(),
            kind,
            action: CORRECT,
            field: None,
            details: None,
            retry_after: None,
            cause: None,
        }
    }

    /// Returns the problem of a malformed part of the request.
    pub(crate) fn malformed(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail).with_field(field)
    }

    /// Returns the problem of a value that has the wrong type or is not allowed.
    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with_field(field)
    }

    pub(crate) fn not_found(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, kind, detail)
    }

    pub(crate) fn unknown_account(account: AccountId) -> Self {
        Self::not_found("unknown_account", format!("unknown account: {account}"))
    }

    /// Returns the problem of a request for which the service has no capacity now.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        Self::unavailable("overloaded", detail)
    }

    pub(crate) fn unavailable(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail)
            .with_action(LATER)
            .retried_after(1)
    }

    /// Returns the problem of a caller that sends too many requests, and may go on after a time.
    pub(crate) fn too_many(detail: &str, wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
            .with_action(LATER)
            .retried_after(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    pub(crate) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Returns the problem of a part of the request, whose field then begins with the part's path.
    pub(crate) fn within(mut self, part: &str) -> Self {
        // A failure of the service lies in no part of the request.
        if self.status_code().is_server_error() {
            return self;
        }
        self.field = Some(match self.field {
            // The whole of the part is wrong.
            Some(field) if field == "body" => part.to_owned(),
            Some(field) => format!("{part}.{field}"),
            None => part.to_owned(),
        });
        self
    }

    pub(crate) const fn with_action(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }

    fn with_details(mut self, details: Value) -> Self {
        self.details = (!details.is_null()).then_some(details);
        self
    }

    const fn retried_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    /// Returns an empty answer that carries the problem. The middleware writes it, which knows the
    /// request's identifier.
    fn into_response(self) -> Response {
        let mut response = self.status_code().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl Problem {
    /// The kind in words.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) const fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) const fn action(&self) -> &'static str {
        self.action
    }

    pub(crate) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the problem with the identifier of its request.
    pub(crate) fn identified(self, request_id: &str) -> IdentifiedProblem {
        IdentifiedProblem {
            problem: self,
            request_id: request_id.to_owned(),
        }
    }

    /// Writes the problem of a request.
    pub(crate) fn answer(&self, request_id: &str) -> Response {
        let status = self.status_code();
        let identified = ProblemDocument {
            problem: self,
            request_id,
        };
        let mut response = (status, Json(identified)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static(PROBLEM_JSON);
        headers.insert(CONTENT_TYPE, json);
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// As [`ProblemDocument`], as a part of an answer.
#[derive(Debug, Serialize)]
pub(crate) struct IdentifiedProblem {
    #[serde(flatten)]
    problem: Problem,
    request_id: String,
}

/// A problem with the identifier of its request.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    problem: &'a Problem,
    request_id: &'a str,
}

//! Reading of parameters and forms, and the check of a form's token.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ConsoleState;
use super::error::PageError;
use super::visit::Visit;
use crate::body;
use crate::context::single;
use crate::problem::Problem;

/// The parameters of a page's address.
pub(super) struct Parameters<T>(pub(super) T);

/// The parameter of the page to which a form leads.
#[derive(Deserialize)]
pub(super) struct Arrival {
    /// The result of the form.
    #[serde(default)]
    pub(super) done: String,
}

impl<T: DeserializeOwned> FromRequestParts<ConsoleState> for Parameters<T> {
    type Rejection = PageError;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &ConsoleState,
    ) -> Result<Self, PageError> {
        let query = parts.uri.query().unwrap_or_default();
        let read = serde_urlencoded::from_str(query);
        read.map(Self).map_err(|error| {
            let reason = neobank_domain::shortened(&error.to_string());
            PageError::malformed("parameters", format!("The address is wrong: {reason}"))
        })
    }
}

/// A form that a signed-in person has sent, with the session's token.
pub(super) struct Posted<T>(pub(super) Visit, pub(super) T);

impl<T: DeserializeOwned> FromRequest<ConsoleState> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &ConsoleState) -> Result<Self, Response> {
        let (mut parts, content) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let read = async {
            let limits = state.service.limits();
            let bytes = body_of(&parts.headers, content, limits).await?;
            let Token { csrf } = fields(&bytes)?;
            if !visit.session.has_token(&csrf) {
                let context = &visit.context;
                let (request, trace) = (&context.request_id, context.trace_id);
                tracing::warn!(request, %trace, "denied: a form without the token of its session");
                return Err(out_of_date().into());
            }
            fields(&bytes)
        };
        match read.await {
            Ok(form) => Ok(Self(visit, form)),
            Err(error) => Err(PageError::into_response(error)),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf: String,
}

/// Reads the body of a form.
pub(super) async fn body_of(
    headers: &HeaderMap,
    content: axum::body::Body,
    limits: &crate::Limits,
) -> Result<bytes::Bytes, PageError> {
    body::require_identity(headers)?;
    let content_type = single(headers, CONTENT_TYPE.as_str())?.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "media_type", "The body must be a form.").into());
    }
    Ok(body::bytes(content, limits, limits.body_bytes_max).await?)
}

pub(super) fn fields<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PageError> {
    serde_urlencoded::from_bytes(bytes).map_err(|error| {
        let reason = neobank_domain::shortened(&error.to_string());
        PageError::malformed("form", format!("The form is wrong: {reason}"))
    })
}

/// Returns the problem of a form that the session did not make.
pub(super) fn out_of_date() -> Problem {
    let detail = "The form does not belong to this session, so that nothing was done. \
                  Open the page again and repeat.";
    Problem::new(StatusCode::FORBIDDEN, "csrf", detail)
}

/// Writes the field with the session's token.
pub(super) fn token(visit: &Visit) -> Markup {
    html! { input type="hidden" name="csrf" value=(visit.session.token()); }
}

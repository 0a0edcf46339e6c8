//! The frame around every page: its session, its headers, and its errors as pages.

use std::sync::Arc;

use axum::extract::{OriginalUri, Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;

use super::session::SESSION_COOKIE;
use super::visit::{Found, Visit};
use super::{ConsoleState, error, layout};
use crate::access::Caller;
use crate::context::Context;
use crate::middleware::Encrypted;
use crate::problem::Problem;

/// The header of a page that refreshes itself, which is no use by a person.
const REFRESH: &str = "x-refresh";

/// The headers of every answer of the console.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
];

/// Finds the session of a request, and answers with the headers of the console and with errors as
/// pages.
pub(super) async fn frame(
    State(state): State<ConsoleState>,
    OriginalUri(uri): OriginalUri,
    mut request: Request,
    next: Next,
) -> Response {
    let context = request.extensions().get::<Context>().cloned();
    let address = uri
        .path_and_query()
        .map_or("/console", |whole| whole.as_str());
    let mut found = Found {
        visit: None,
        address: address.to_owned(),
        has_ended: false,
        is_encrypted: is_encrypted(&request),
    };
    let headers = request.headers().clone();
    let checked = if *request.method() != Method::GET && is_from_another_site(&headers) {
        Err(super::form::out_of_date())
    } else {
        find(&state, context.as_ref(), &headers, &mut found).await
    };
    let response = match checked {
        Ok(()) => {
            request.extensions_mut().insert(found.clone());
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    let mut response = as_page(response, found.visit.as_ref(), context.as_ref());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn find(
    state: &ConsoleState,
    context: Option<&Context>,
    headers: &HeaderMap,
    found: &mut Found,
) -> Result<(), Problem> {
    let jar = CookieJar::from_headers(headers);
    let (Some(context), Some(cookie)) = (context, jar.get(SESSION_COOKIE)) else {
        return Ok(());
    };
    let is_by_person = !headers.contains_key(REFRESH);
    let session = state.sessions.find(cookie.value(), is_by_person);
    let Some(session) = session else {
        found.has_ended = true;
        return Ok(());
    };
    let service = &state.service;
    let database = context.database(service);
    let key = (session.prefix.as_str(), &session.hash);
    let cache_time = service.limits().key_cache_time;
    let Some(key) = service.keys().in_force(&database, key, cache_time).await? else {
        let (prefix, request) = (&session.prefix, &context.request_id);
        tracing::warn!(
            prefix,
            request,
            "a session ended: its key is revoked or expired"
        );
        state.sessions.end(cookie.value());
        found.has_ended = true;
        return Ok(());
    };
    found.visit = Some(Visit {
        state: service.clone(),
        context: context.clone(),
        caller: Caller::of_key(key)?,
        session,
        path: found
            .address
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned(),
    });
    Ok(())
}

/// Returns true if the browser says that another site has caused the request.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Returns true if the service encrypts the connection to the browser, or a proxy in front says that
/// it does. A false header only makes the sender's own cookie stricter.
fn is_encrypted(request: &Request) -> bool {
    let forwarded = request.headers().get("x-forwarded-proto");
    let is_by_proxy =
        forwarded.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    is_by_proxy || request.extensions().get::<Encrypted>().is_some()
}

fn as_page(response: Response, visit: Option<&Visit>, context: Option<&Context>) -> Response {
    let Some(problem) = response.extensions().get::<Arc<Problem>>().cloned() else {
        return response;
    };
    let title = problem.title();
    let request_id = context.map_or("", |context| &context.request_id);
    if let Some(context) = context {
        problem.log(request_id, context.trace_id);
    }
    let content = error::page(&problem, request_id);
    let page = layout::page(visit, title, &content);
    (problem.status_code(), page).into_response()
}

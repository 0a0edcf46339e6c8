//! The page to sign in by API key, and signing out.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;

use super::error::PageError;
use super::form::{Parameters, Posted, body_of, fields, out_of_date};
use super::session::{SESSION_COOKIE, SIGN_IN_COOKIE, cookie, is_equal, random_token};
use super::visit::Found;
use super::{ConsoleState, layout};
use crate::access::key_in_force;
use crate::context::Context;
use crate::keys::ApiKeySecret;

#[derive(Deserialize)]
pub(super) struct Arrival {
    /// The page to open afterwards.
    #[serde(default)]
    next: String,
    /// Set when a session has ended.
    #[serde(default)]
    ended: String,
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    token: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// Shows the form. Its token is that of a cookie, so that another site cannot sign a person in.
pub(super) async fn form(
    Parameters(arrival): Parameters<Arrival>,
    Extension(found): Extension<Found>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if found.visit.is_some() {
        return Ok(Redirect::to(destination(&arrival.next)).into_response());
    }
    let notice =
        (!arrival.ended.is_empty()).then_some("The session has ended. Sign in again to continue.");
    let is_encrypted = found.is_encrypted;
    answer(
        &headers,
        is_encrypted,
        StatusCode::OK,
        &arrival.next,
        notice,
        None,
    )
}

/// Verifies the key and begins a session.
pub(super) async fn sign_in(
    State(state): State<ConsoleState>,
    Extension(context): Extension<Context>,
    Extension(found): Extension<Found>,
    request: Request,
) -> Result<Response, PageError> {
    let (parts, content) = request.into_parts();
    let headers = parts.headers;
    let bytes = body_of(&headers, content, state.service.limits()).await?;
    let given: SignIn = fields(&bytes)?;
    let jar = CookieJar::from_headers(&headers);
    let is_of_form = jar
        .get(SIGN_IN_COOKIE)
        .is_some_and(|cookie| !given.token.is_empty() && is_equal(cookie.value(), &given.token));
    if !is_of_form {
        return Err(out_of_date().into());
    }
    let rejected = || {
        let error = "This is no key in force. Check that the whole key was pasted, and that it is \
                     neither revoked nor expired.";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        answer(
            &headers,
            found.is_encrypted,
            status,
            &given.next,
            None,
            Some(error),
        )
    };
    let secret = ApiKeySecret::presented(given.key.trim());
    let key = key_in_force(&state.service, &context, secret.as_ref()).await?;
    let (Some(secret), Some(_)) = (secret, key) else {
        return rejected();
    };
    let prefix = secret.prefix();
    if let Some(old) = jar.get(SESSION_COOKIE) {
        state.sessions.end(old.value());
    }
    let identifier = state.sessions.begin(&secret);
    let identifier = identifier.map_err(|error| no_random_numbers(&error))?;
    tracing::info!(
        prefix,
        request = context.request_id,
        "signed in to the console"
    );
    let session = cookie(SESSION_COOKIE, identifier, found.is_encrypted);
    let jar = CookieJar::new().add(session);
    Ok((jar, Redirect::to(destination(&given.next))).into_response())
}

/// Ends the session.
pub(super) async fn sign_out(
    State(state): State<ConsoleState>,
    Extension(found): Extension<Found>,
    jar: CookieJar,
    Posted(visit, Nothing {}): Posted<Nothing>,
) -> Response {
    if let Some(session) = jar.get(SESSION_COOKIE) {
        state.sessions.end(session.value());
    }
    tracing::info!(prefix = visit.session.prefix, "signed out of the console");
    let mut removal = cookie(SESSION_COOKIE, String::new(), found.is_encrypted);
    removal.make_removal();
    let jar = CookieJar::new().add(removal);
    (jar, Redirect::to("/console/sign-in")).into_response()
}

fn answer(
    headers: &HeaderMap,
    is_encrypted: bool,
    status: StatusCode,
    next: &str,
    notice: Option<&str>,
    error: Option<&str>,
) -> Result<Response, PageError> {
    // The forms of two windows share the token.
    let known = CookieJar::from_headers(headers)
        .get(SIGN_IN_COOKIE)
        .cloned();
    let known = known.map(|cookie| cookie.value().to_owned());
    let token = match known.filter(|token| is_token(token)) {
        Some(token) => token,
        None => random_token().map_err(|error| no_random_numbers(&error))?,
    };
    let content = content(&token, destination(next), notice, error);
    let page = layout::page(None, "Sign in", &content);
    let cookie = cookie(SIGN_IN_COOKIE, token, is_encrypted);
    Ok((status, CookieJar::new().add(cookie), page).into_response())
}

fn is_token(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn content(token: &str, next: &str, notice: Option<&str>, error: Option<&str>) -> Markup {
    html! {
        div.sign-in {
            h1 { "Sign in" }
            @if let Some(notice) = notice { div.notice role="status" { (notice) } }
            form.card method="post" action="/console/sign-in" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="next" value=(next);
                div.field {
                    label for="key" { "API key" }
                    p.hint id="key-hint" { "It begins with nb_ and decides what you see and may do." }
                    @if let Some(error) = error { p.error id="key-error" { (error) } }
                    input id="key" name="key" type="password" autocomplete="off" required
                        autocapitalize="none" spellcheck="false" autofocus
                        aria-invalid=[error.map(|_| "true")]
                        aria-describedby=(if error.is_some() { "key-hint key-error" } else { "key-hint" });
                }
                button.primary type="submit" { "Sign in" }
            }
            p.faint { "The service checks the key and does not keep it. Without use, the session ends by itself." }
        }
    }
}

/// Returns the page after signing in: only one of the console.
fn destination(next: &str) -> &str {
    let is_own = next.starts_with("/console/") && !next.starts_with("/console/sign-");
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own && is_plain {
        next
    } else {
        "/console/search"
    }
}

fn no_random_numbers(error: &std::io::Error) -> PageError {
    tracing::error!("no random numbers: {error}");
    let detail = "The service has no random numbers.";
    crate::problem::Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_the_console_only() {
        let own = "/console/accounts/1?from=2026-01-01";
        assert_eq!(destination(own), own);
        for other in [
            "",
            "//evil.example",
            "https://evil.example",
            "/console",
            "/console\\evil",
            "/console/sign-in",
            "/console/x\r\nset-cookie: a=b",
            "/v1/accounts",
        ] {
            assert_eq!(destination(other), "/console/search", "{other:?}");
        }
    }
}

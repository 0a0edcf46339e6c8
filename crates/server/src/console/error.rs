//! Errors of pages.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::parts::text;
use crate::problem::Problem;

/// An error of a page, which the frame shows as a page.
#[derive(Debug)]
pub(super) struct PageError(Problem);

impl PageError {
    pub(super) fn not_found(name: &str) -> Self {
        let detail = format!("There is no such {name}, or the key may not see it.");
        Problem::not_found("not_found", detail).into()
    }

    pub(super) fn malformed(field: &'static str, detail: impl Into<String>) -> Self {
        Problem::malformed(field, detail).into()
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// Every error of the library.
impl<E: Into<neobank_domain::Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(Problem::of_error("failed", &error.into()))
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

pub(super) async fn unknown_page() -> Response {
    Problem::not_found("not_found", "There is no page at this address.").into_response()
}

pub(super) async fn unknown_method() -> Response {
    let detail = "The page does not take this method.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "unknown_method", detail).into_response()
}

/// Writes the page of an error.
pub(super) fn page(problem: &Problem, request_id: &str) -> Markup {
    let is_failure = problem.status_code().is_server_error();
    html! {
        div.narrow {
            h1 { (heading(problem)) }
            p.lead { (text(problem.detail())) }
            @if is_failure {
                p { (problem.action()) }
                p.faint { "Request " code { (request_id) } }
            }
            p { a href="/console/search" { "Search" } }
        }
    }
}

fn heading(problem: &Problem) -> &str {
    match problem.kind() {
        "not_found" => "Not found",
        "scope" | "binding" => "Not allowed",
        "csrf" => "The form is out of date",
        "malformed" | "invalid" => "This does not work",
        "overloaded" | "unavailable" | "deadline_exceeded" => "Not available now",
        _ => problem.title(),
    }
}

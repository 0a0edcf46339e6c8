//! Answers with one page of a list.

use std::fmt;

use axum::Json;
use axum::http::Uri;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The parameter with the cursor of the page before.
const AFTER: &str = "after";

/// Returns the answer with a page, and with a link to the next one where there is one.
pub(crate) fn page(uri: &Uri, body: impl Serialize, next: Option<impl fmt::Display>) -> Response {
    let Some(next) = next else {
        return Json(body).into_response();
    };
    let link = format!("<{}>; rel=\"next\"", next_address(uri, &next.to_string()));
    ([(LINK, link)], Json(body)).into_response()
}

/// Returns the address of the next page: the parameters stay the same.
fn next_address(uri: &Uri, next: &str) -> String {
    let query = uri.query().unwrap_or_default();
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != AFTER);
    let mut parameters = form_urlencoded::Serializer::new(String::new());
    parameters.extend_pairs(others).append_pair(AFTER, next);
    format!("{}?{}", uri.path(), parameters.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_page_keeps_the_other_parameters() {
        let uri: Uri = "/v1/transfers?limit=2&after=a.b&actor=t%26x"
            .parse()
            .unwrap();
        let next = next_address(&uri, "c d");
        assert_eq!(next, "/v1/transfers?limit=2&actor=t%26x&after=c+d");
    }
}

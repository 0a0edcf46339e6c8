//! The description of the API for programs, and a page with it for people.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

/// The address of the description.
const OPENAPI: &str = "/openapi.json";

/// Returns the addresses of the description, and of the page with the feature.
pub(super) fn router<S: Clone + Send + Sync + 'static>(api: &OpenApi) -> Router<S> {
    let text = Bytes::from(text(api));
    let answer = move || {
        let text = text.clone();
        async move { ([(CONTENT_TYPE, "application/json")], text) }
    };
    let router = Router::new().route(OPENAPI, get(answer));
    #[cfg(feature = "documentation-page")]
    let router = router.merge(page());
    router
}

/// Returns the description as JSON with a line for each member.
pub(super) fn text(api: &OpenApi) -> String {
    let mut text = api.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Returns the page, which has all its files in the program.
#[cfg(feature = "documentation-page")]
fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    use axum::http::HeaderValue;
    use axum::http::header::CONTENT_SECURITY_POLICY;
    use axum::response::Response;
    use utoipa_swagger_ui::{Config, SwaggerUi};

    // The page of Swagger UI has styles in its elements, and pictures in its texts.
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                          img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";
    let config = Config::new([OPENAPI]).try_it_out_enabled(true);
    let page = Router::from(SwaggerUi::new("/docs").config(config));
    page.layer(axum::middleware::map_response(|mut response: Response| {
        let policy = HeaderValue::from_static(POLICY);
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
        async { response }
    }))
}

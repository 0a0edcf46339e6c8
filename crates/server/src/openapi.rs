//! The description of the API, in `OpenAPI` 3.1.
//!
//! The resources describe their own parameters, bodies and answers. What the layers around every
//! resource do is added here once: the headers that all requests take, and the problems.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{OpenApi as _, PartialSchema as _, ToSchema as _};

use crate::problem::ProblemDocument;

/// The media type of problems.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "NeoBank",
        version = "1",
        description = "The bank as a service. Amounts are texts with a currency, 64-bit numbers are \
                       texts, and times are in UTC. docs/service.md describes keys, repeated requests \
                       and errors.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    security(("api_key" = [])),
)]
struct Base;

/// Returns the description without the resources.
pub(crate) fn base() -> OpenApi {
    let mut api = Base::openapi();
    let components = api.components.get_or_insert_default();
    let name = ProblemDocument::name().into_owned();
    components.schemas.insert(name, ProblemDocument::schema());
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("api_key", scheme);
    api
}

/// Adds the headers and the problems that the layers around every resource give it.
pub(crate) fn complete(mut api: OpenApi) -> OpenApi {
    for (path, item) in &mut api.paths.paths {
        let is_limited = path.starts_with("/v1/");
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            if is_limited {
                complete_operation(operation);
            } else {
                operation.security = Some(Vec::new());
            }
        }
    }
    api
}

fn complete_operation(operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let parameters = operation.parameters.get_or_insert_default();
    let expects_version = parameters
        .iter()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match"));
    parameters.push(RefOr::T(request_timeout()));
    parameters.push(RefOr::T(request_id()));
    let mut problems = vec![
        ("400", "The request is malformed."),
        ("401", "The request has no valid key."),
        ("403", "The key lacks the scope or the binding."),
        (
            "404",
            "The key can use nothing with an identifier of the request.",
        ),
        (
            "422",
            "A value is invalid, or a rule of the bank rejects the request.",
        ),
        ("431", "The headers are too large or too many."),
        ("500", "The service failed."),
        (
            "503",
            "Nothing was changed, or the outcome is unknown: `action` says what to do.",
        ),
    ];
    if expects_version {
        problems.push(("412", "The account has another version than `If-Match`."));
    }
    if has_body {
        problems.push(("408", "The body came too slowly."));
        problems.push(("409", "The idempotency key has another request."));
        problems.push(("413", "The body is too large."));
        problems.push(("415", "The body has another media type."));
    }
    for (status, description) in problems {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(
            ProblemDocument::name().into_owned(),
        )));
        let response = ResponseBuilder::new()
            .description(description)
            .content(PROBLEM_JSON, content.build());
        let responses = &mut operation.responses.responses;
        let entry = responses.entry(status.to_owned());
        entry.or_insert_with(|| RefOr::T(response.build()));
    }
}

fn request_timeout() -> Parameter {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(u32::MAX));
    ParameterBuilder::new()
        .name("Request-Timeout")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The longest time of the request, in seconds."))
        .schema(Some(seconds.build()))
        .build()
}

fn request_id() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name("X-Request-Id")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "The caller's identifier of the request, for logs and problems.",
        ))
        .schema(Some(text.build()))
        .build()
}

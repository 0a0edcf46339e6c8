//! The description of the API, in `OpenAPI` 3.1.
//!
//! The resources describe their own parameters, bodies and answers. What the layers around every
//! resource do is added here once: the headers that all requests take, and the problems.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Responses,
};
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
    let takes = |name| {
        let mut names = parameters.iter();
        names.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == name))
    };
    let (expects_version, moves_money) = (takes("If-Match"), takes("Idempotency-Key"));
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(u32::MAX));
    let description = "The longest time of the request, in seconds.";
    parameters.push(header("Request-Timeout", description, seconds));
    let text = ObjectBuilder::new().schema_type(Type::String);
    let description = "The caller's identifier of the request, for logs and problems.";
    parameters.push(header("X-Request-Id", description, text));
    if moves_money {
        describe_repetition(&mut operation.responses);
    }
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
        (
            "429",
            "The caller sends too many requests, and may go on after `Retry-After`.",
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

/// Adds the headers of an answer that tell a repeated request from a new one, and what it made.
fn describe_repetition(responses: &mut Responses) {
    let of_type = |kind| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        HeaderBuilder::new().schema(Some(schema))
    };
    let description = "Whether an earlier request had this result.";
    let replayed = of_type(Type::Boolean).description(Some(description));
    let added = [
        ("Idempotency-Replayed", replayed.build()),
        ("Location", of_type(Type::String).build()),
    ];
    for response in responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let headers = added.iter().cloned();
            let headers = headers.map(|(name, header)| (name.to_owned(), RefOr::T(header)));
            response.headers.extend(headers);
        }
    }
}

/// Returns a header that a request may have.
fn header(name: &str, description: &str, schema: ObjectBuilder) -> RefOr<Parameter> {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema.build()));
    RefOr::T(parameter.build())
}

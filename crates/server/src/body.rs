//! Reading of JSON bodies: strict, and within the limits of size and time.

mod lines;

use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use neobank_domain::shortened;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub(crate) use self::lines::Lines;
use crate::context::single;
use crate::limits::Limits;
use crate::problem::Problem;

const JSON: &str = "application/json";
/// The media type of a JSON object on each line.
pub(crate) const JSON_LINES: &str = "application/x-ndjson";

/// Reads a JSON body. An unknown member, a member that occurs twice and a value of a wrong type are
/// errors that name the member.
pub(crate) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    bytes_max: usize,
) -> Result<T, Problem> {
    require_json(headers)?;
    parse(&bytes(body, limits, bytes_max).await?)
}

/// Reads a JSON body that is an array. Its elements are read later.
pub(crate) async fn read_array(body: Body, limits: &Limits) -> Result<Vec<Box<RawValue>>, Problem> {
    let bytes = bytes(body, limits, limits.batch_bytes_max).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let detail = shortened(&error.to_string());
        Problem::malformed("body", format!("The body is not a JSON array: {detail}"))
    })
}

/// The media type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// One JSON value.
    Json,
    /// A JSON object on each line.
    JsonLines,
}

/// Returns the media type of a body that may be JSON or lines of JSON.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    require_identity(headers)?;
    let essence = essence(headers)?;
    if essence.eq_ignore_ascii_case(JSON) {
        Ok(MediaType::Json)
    } else if essence.eq_ignore_ascii_case(JSON_LINES) {
        Ok(MediaType::JsonLines)
    } else {
        let detail = format!("The body must be {JSON} or {JSON_LINES}.");
        Err(unsupported(detail))
    }
}

/// Returns an error unless the body is JSON.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    require_identity(headers)?;
    if essence(headers)?.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(unsupported(format!("The body must be {JSON}.")))
}

/// Returns an error if the body is compressed or otherwise encoded.
pub(crate) fn require_identity(headers: &HeaderMap) -> Result<(), Problem> {
    let encoding = single(headers, CONTENT_ENCODING.as_str())?.unwrap_or("identity");
    if encoding.trim().eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "The body must be sent as it is, without compression.";
    Err(Problem::new(status, "media_type", detail).with_field("Content-Encoding"))
}

/// Returns the media type without its parameters.
fn essence(headers: &HeaderMap) -> Result<&str, Problem> {
    let content_type = single(headers, CONTENT_TYPE.as_str())?.unwrap_or_default();
    Ok(content_type.split(';').next().unwrap_or_default().trim())
}

fn unsupported(detail: impl Into<String>) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "media_type", detail).with_field("Content-Type")
}

/// Reads a whole body within the limits.
pub(crate) async fn bytes(body: Body, limits: &Limits, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("A body has at most {bytes_max} bytes."),
        )
    };
    // A body that says that it is too long is not waited for.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|size| size > bytes_max) {
        return Err(too_large());
    }
    let read = tokio::time::timeout(limits.body_timeout, to_bytes(body, bytes_max));
    match read.await {
        Err(_) => Err(too_slow(limits.body_timeout)),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::malformed("body", "The body ended early.")),
    }
}

fn too_slow(limit: Duration) -> Problem {
    let detail = format!("The body did not arrive within {limit:?}.");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}

/// Reads a JSON object.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // The derived readers would also take an array with the members in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed("body", "The body is not a JSON object."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = shortened(&error.path().to_string());
        let inner = error.into_inner();
        let detail = shortened(&inner.to_string());
        if inner.is_data() {
            Problem::invalid(path, detail)
        } else {
            Problem::malformed("body", format!("The body is not JSON: {detail}"))
        }
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(_) => Err(Problem::malformed("body", "Something follows the JSON.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Order {
        lines: Vec<Line>,
        note: Option<Box<RawValue>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Line {
        amount: String,
    }

    fn problem(json: &[u8]) -> serde_json::Value {
        serde_json::to_value(parse::<Order>(json).unwrap_err()).unwrap()
    }

    #[test]
    fn wrong_members_are_named_by_their_path() {
        parse::<Order>(br#"{"lines": [{"amount": "1"}], "note": {"a": 1e400}}"#).unwrap();
        let found = problem(br#"{"lines": [{"amount": "1"}, {"amount": 2}]}"#);
        assert_eq!(
            (found["status"].as_u64(), &found["field"]),
            (Some(422), &"lines[1].amount".into())
        );
        let found = problem(br#"{"lines": [], "extra": 1}"#);
        assert_eq!(found["status"], 422);
        assert!(
            found["detail"].as_str().unwrap().contains("extra"),
            "{found}"
        );
        let found = problem(br#"{"lines": [], "lines": []}"#);
        assert!(
            found["detail"].as_str().unwrap().contains("lines"),
            "{found}"
        );
    }

    #[test]
    fn texts_that_are_not_json_are_malformed() {
        let deep = "[".repeat(100_000);
        for wrong in [
            &b"{"[..],
            b"",
            b"{\"lines\": []} x",
            b"{\"lines\": [\xff]}",
            deep.as_bytes(),
        ] {
            let found = problem(wrong);
            let status = found["status"].as_u64().unwrap();
            assert_eq!(status, 400, "{found}");
        }
    }
}

//! The context of a request: its identifier, its deadline and its idempotency key.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Uri};
use neobank_db::Database;

use crate::problem::Problem;
use crate::state::ServiceState;
use crate::trace::TraceId;

/// The identifiers, the deadline and the sender of a request, which the middleware sets.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) request_id: String,
    pub(crate) trace_id: TraceId,
    pub(crate) deadline: Instant,
    /// The address at the other end of the connection; none at a Unix socket.
    pub(crate) peer: Option<IpAddr>,
}

impl Context {
    /// Returns the database for the request's reads, which end by its deadline.
    pub(crate) fn database(&self, state: &ServiceState) -> Database {
        state.database().with_deadline(self.deadline)
    }
}

/// The header with the caller's limit of time, in seconds.
pub(crate) const REQUEST_TIMEOUT: &str = "request-timeout";
/// The header with the caller's idempotency key.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Returns the request's limit of time: that of the header, and at most the service's.
pub(crate) fn timeout(headers: &HeaderMap, limit: Duration) -> Result<Duration, Problem> {
    let Some(text) = single(headers, REQUEST_TIMEOUT)? else {
        return Ok(limit);
    };
    match text.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(limit.min(Duration::from_secs(seconds.into()))),
        _ => Err(Problem::malformed(
            "Request-Timeout",
            "Request-Timeout is a whole number of seconds, from 1.",
        )),
    }
}

/// Returns the idempotency key of a request that moves money.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = single(headers, IDEMPOTENCY_KEY)?.unwrap_or_default();
    if key.is_empty() {
        return Err(Problem::malformed(
            "Idempotency-Key",
            "A request that moves money needs an Idempotency-Key, so that it can be repeated.",
        ));
    }
    Ok(key.to_owned())
}

/// Returns the only value of a header, as text.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::malformed(name, format!("{name} occurs twice.")));
    }
    let text = std::str::from_utf8(value.as_bytes());
    let text = text.map_err(|_| Problem::malformed(name, format!("{name} is not UTF-8.")))?;
    Ok(Some(text))
}

/// Returns an error if the address has a parameter: the resource takes none.
pub(crate) fn without_parameters(uri: &Uri) -> Result<(), Problem> {
    let query = uri.query().unwrap_or_default();
    let Some(first) = query.split('&').find(|one| !one.is_empty()) else {
        return Ok(());
    };
    let name = neobank_domain::shortened(first.split('=').next().unwrap_or(first));
    let detail = format!("There is no parameter {name:?} here.");
    Err(Problem::malformed(name, detail))
}

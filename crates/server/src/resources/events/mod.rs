//! The sealed order as events: pages, long polling, and server-sent events.

mod stream;
mod views;

use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use neobank_db::Database;
use neobank_domain::api_keys::Scope;
use neobank_domain::events::Event;
use serde::Deserialize;

use crate::access::Caller;
use crate::context::{Context, single};
use crate::page::page;
use crate::problem::Problem;
use crate::query;
use crate::state::ServiceState;
use views::PageView;

pub(crate) use views::EventView;

/// The header with the last position that a client of server-sent events has received.
const LAST_EVENT_ID: &str = "last-event-id";

/// The most events of a page without a limit.
const LIMIT: u32 = 100;

/// The pause between two reads of a request that waits for an event.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The time before a request's deadline at which waiting ends.
const MARGIN: Duration = Duration::from_millis(500);

/// The position behind which events are read, and the page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The last position that the caller has processed; 0 is the beginning. `Last-Event-ID` replaces
    /// it for server-sent events.
    #[serde(default)]
    after: String,
    /// The most events on the page, from 1 to 10,000; 100 without it.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
    /// The longest time in seconds for which an empty page waits for an event; it does not wait
    /// without it.
    #[serde(default)]
    wait: u32,
}

/// Lists events behind a position, in the sealed order: each transfer and each change of a hold
/// once. With `Accept: text/event-stream` it answers with server-sent events without an end.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    params(Parameters),
    responses((status = 200, description = "Events.",
        content((PageView = "application/json"), (String = "text/event-stream")),
        headers(("Link" = String, description = "The address of the next page.")))),
)]
pub(super) async fn list(
    State(state): State<ServiceState>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let caller = Caller::authorised(&state, &headers, &context, Scope::EventsRead).await?;
    caller.require_unbound(&context)?;
    let given: Parameters = query::read(&uri)?;
    let wants_stream = single(&headers, ACCEPT.as_str())?
        .is_some_and(|accept| accept.trim().eq_ignore_ascii_case("text/event-stream"));
    if wants_stream {
        let last = single(&headers, LAST_EVENT_ID)?;
        let after = position(last.unwrap_or(&given.after))?;
        return stream::answer(&state, &headers, &context, after);
    }
    let after = position(&given.after)?;
    let waits_until = Instant::now() + Duration::from_secs(given.wait.into());
    let until = waits_until.min(context.deadline.checked_sub(MARGIN).unwrap_or(waits_until));
    let database = context.database(&state);
    let limit = given.limit.unwrap_or(LIMIT);
    let found = read_until(&state, &database, (after, limit), until).await?;
    let next = found
        .last()
        .map_or(after, |event| event.position)
        .to_string();
    let body = PageView {
        events: found.into_iter().map(EventView::from).collect(),
        next: next.clone(),
    };
    Ok(page(&uri, body, Some(next)))
}

/// Reads until there is an event, the time is over or the service stops.
async fn read_until(
    state: &ServiceState,
    database: &Database,
    (after, limit): (i64, u32),
    until: Instant,
) -> Result<Vec<Event>, Problem> {
    loop {
        let found = state.event_reads().read(database, after, limit).await?;
        let is_over = Instant::now() + POLL_INTERVAL > until;
        if !found.is_empty() || is_over || state.is_stopping() {
            return Ok(found);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Reads a position; an empty text is the beginning.
fn position(text: &str) -> Result<i64, Problem> {
    let digits = if text.is_empty() { "0" } else { text };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let position = digits.parse().ok().filter(|_| is_number);
    position.ok_or_else(|| Problem::malformed("after", "A position is a number, 0 or above."))
}

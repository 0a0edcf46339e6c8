//! Server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::response::sse::{Event as SentEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use neobank_domain::api_keys::Scope;
use neobank_domain::events::{self, Event};
use tokio::sync::OwnedSemaphorePermit;

use super::views::EventView;
use crate::access::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::state::ServiceState;

/// The pause between two reads at the end of the sealed order.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The most events of one read.
const LIMIT: u32 = 1_000;

/// The time after which a silent stream sends a comment, so that no proxy closes it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers with the events behind a position. The stream ends when the key is revoked or expires, when
/// the service stops, and when the database fails; a client continues with `Last-Event-ID`.
pub(super) fn answer(
    state: &ServiceState,
    headers: &HeaderMap,
    context: &Context,
    after: i64,
) -> Result<Response, Problem> {
    events::validate(after, LIMIT)?;
    let Ok(place) = Arc::clone(state.streams()).try_acquire_owned() else {
        let limit = state.limits().streams_max;
        let detail = format!("{limit} streams of events are open, and no more may be.");
        return Err(Problem::overloaded(detail));
    };
    let reader = Reader {
        state: state.clone(),
        headers: headers.clone(),
        context: context.clone(),
        verified_at: Instant::now(),
        after,
        page: VecDeque::new(),
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(reader.stream())
        .keep_alive(keep_alive)
        .into_response())
}

struct Reader {
    state: ServiceState,
    headers: HeaderMap,
    context: Context,
    /// The time at which the key was verified last.
    verified_at: Instant,
    after: i64,
    page: VecDeque<Event>,
    /// The stream's place among all, which it gives back when it ends.
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<SentEvent, Infallible>> {
        unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(sent(event)), reader))
        })
    }

    /// Returns the next event, or `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.state.is_stopping() || !self.may_read().await {
                return None;
            }
            if let Some(event) = self.page.pop_front() {
                self.after = event.position;
                return Some(event);
            }
            let database = self.state.database();
            match self
                .state
                .event_reads()
                .read(database, self.after, LIMIT)
                .await
            {
                Ok(page) if page.is_empty() => tokio::time::sleep(POLL_INTERVAL).await,
                Ok(page) => self.page = page.into(),
                Err(error) => {
                    tracing::warn!("a stream of events ends: {error}");
                    return None;
                }
            }
        }
    }
}

impl Reader {
    /// Returns true if the key is still valid: it is verified again from time to time.
    async fn may_read(&mut self) -> bool {
        if self.verified_at.elapsed() < self.state.limits().key_cache_time {
            return true;
        }
        let context = Context {
            deadline: Instant::now() + self.state.limits().request_timeout,
            ..self.context.clone()
        };
        let caller = Caller::verified(&self.state, &self.headers, &context).await;
        self.verified_at = Instant::now();
        caller.is_ok_and(|caller| caller.require_scope(&context, &[Scope::EventsRead]).is_ok())
    }
}

fn sent(event: Event) -> SentEvent {
    let position = event.position.to_string();
    let view = EventView::from(event);
    let data = serde_json::to_string(&view).unwrap_or_default();
    SentEvent::default()
        .id(position)
        .event(view.kind())
        .data(data)
}

//! Batches of any length: a request on each line, and its outcome on the same line of the answer.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _, unfold};
use tokio::sync::mpsc::{self, Sender};

use super::super::movement::Call;
use super::outcome::OutcomeView;
use crate::access::Caller;
use crate::body::{JSON_LINES, Lines};
use crate::context::{self, Context};
use crate::problem::Problem;
use crate::state::ServiceState;

/// The time between two looks at whether the service stops, while a stream waits for a line.
const STOP_INTERVAL: Duration = Duration::from_millis(250);

/// The lines of the answer that wait for the connection.
const WAITING_MAX: usize = 16;

/// A stream of requests. Each line has a time limit of its own, and the key is verified again, so
/// that a revocation ends a long stream.
#[derive(Debug)]
struct Stream {
    state: ServiceState,
    headers: HeaderMap,
    /// The caller, whose rate the stream keeps.
    caller: Caller,
    context: Context,
    timeout: Duration,
}

/// Answers a stream line by line, as each request is decided on.
pub(super) fn answer(
    state: ServiceState,
    context: &Context,
    caller: Caller,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let (parts, body) = Request::into_parts(request);
    let timeout = context::timeout(&parts.headers, state.limits().request_timeout)?;
    let limits = state.limits();
    let lines = Lines::new(body, limits.body_bytes_max, limits.body_timeout);
    let Ok(place) = Arc::clone(state.batch_streams()).try_acquire_owned() else {
        let limit = limits.batch_streams_max;
        let detail = format!("{limit} streams of requests are open, and no more may be.");
        return Err(Problem::overloaded(detail));
    };
    let stream = Stream {
        state,
        headers: parts.headers,
        caller,
        context: context.clone(),
        timeout,
    };
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        Arc::new(stream).run(lines, &sender).await;
        drop(place);
    });
    let answered = unfold(receiver, |mut receiver| async {
        let line = receiver.recv().await?;
        Some((Ok::<_, Infallible>(line), receiver))
    });
    let content_type = [(CONTENT_TYPE, JSON_LINES)];
    Ok((content_type, Body::from_stream(answered)).into_response())
}

impl Stream {
    /// Executes the requests, several at a time, until the stream ends or the client is gone.
    async fn run(self: Arc<Self>, mut lines: Lines, sender: &Sender<Bytes>) {
        let in_flight_max = self.state.limits().batch_in_flight_max.max(1);
        let mut in_flight = FuturesOrdered::<BoxFuture<'static, OutcomeView>>::new();
        let mut is_open = true;
        // The request itself has taken the token of its first line.
        let mut has_token = true;
        loop {
            let outcome = tokio::select! {
                line = self.next(&mut lines, &mut has_token), if is_open && in_flight.len() < in_flight_max => {
                    has_token = false;
                    match line {
                        Ok(Some(line)) => {
                            let stream = Arc::clone(&self);
                            in_flight.push_back(Box::pin(stream.outcome(line)));
                        }
                        Ok(None) => is_open = false,
                        Err(problem) => {
                            is_open = false;
                            in_flight.push_back(Box::pin(ready(self.failed(problem))));
                        }
                    }
                    continue;
                }
                Some(outcome) = in_flight.next(), if !in_flight.is_empty() => outcome,
                else => return,
            };
            if !self.send(sender, &outcome).await {
                return;
            }
        }
    }

    /// Returns the next line, which is not read before the caller has a token for it. A service that
    /// stops reads no more.
    async fn next(
        &self,
        lines: &mut Lines,
        has_token: &mut bool,
    ) -> Result<Option<Bytes>, Problem> {
        loop {
            if self.state.is_stopping() {
                let detail = "The service is about to stop, and has read no further line.";
                return Err(Problem::unavailable("stopping", detail));
            }
            if !*has_token && let Err(wait) = self.caller.take_token(&self.state) {
                tokio::time::sleep(wait.min(STOP_INTERVAL)).await;
                continue;
            }
            *has_token = true;
            tokio::select! {
                line = lines.next() => return line,
                () = tokio::time::sleep(STOP_INTERVAL) => {}
            }
        }
    }

    async fn outcome(self: Arc<Self>, line: Bytes) -> OutcomeView {
        let context = Context {
            deadline: Instant::now() + self.timeout,
            ..self.context.clone()
        };
        let state = &self.state;
        match Caller::verified(state, &self.headers, &context).await {
            Ok(caller) => {
                let call = Call {
                    state,
                    context: &context,
                    caller: &caller,
                };
                OutcomeView::of(call, &line).await
            }
            Err(problem) => self.failed(problem),
        }
    }

    fn failed(&self, problem: Problem) -> OutcomeView {
        OutcomeView::failed(None, problem, &self.context)
    }

    /// Sends a line of the answer; false if the client is gone or does not read it in time.
    async fn send(&self, sender: &Sender<Bytes>, outcome: &OutcomeView) -> bool {
        let Ok(mut line) = serde_json::to_vec(outcome) else {
            return false;
        };
        line.push(b'\n');
        let sent = sender.send_timeout(line.into(), self.state.limits().body_timeout);
        sent.await.is_ok()
    }
}

//! The limits of the service.

use std::time::Duration;

use crate::rate::RateLimit;
use crate::webhooks::WebhookOptions;

/// The limits of the service. Each keeps a client from using up the memory or the time of others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most open connections. When a further one comes, connections without a request at work
    /// are closed, and requests at work are the last of theirs; without a place within a second, the
    /// further one is answered with 503 and closed.
    pub connections_max: usize,
    /// The most requests at work; a further one is answered with 503. Health does not count.
    pub requests_max: usize,
    /// The most open streams of requests; a further one is answered with 503.
    pub batch_streams_max: usize,
    /// The most reads of events at the same time: further ones wait, so that they leave connections
    /// to the database for requests that move money.
    pub event_reads_max: usize,
    /// The most open streams of events; a further one is answered with 503.
    pub streams_max: usize,
    /// The most bytes of a request's body; a longer one is answered with 413.
    pub body_bytes_max: usize,
    /// The most bytes of the body of a batch or a group; a line of a stream is a body of its own.
    pub batch_bytes_max: usize,
    /// The most requests of a batch; a larger one is answered with 413. A stream has no such limit.
    pub batch_requests_max: usize,
    /// The most requests of a batch or a stream that are executed at the same time.
    pub batch_in_flight_max: usize,
    /// The most bytes of a request's line and headers together, from 8,192; a request with more is
    /// answered with 431 or 414.
    pub header_bytes_max: usize,
    /// The most headers of a request; one with more is answered with 431.
    pub headers_max: usize,
    /// The longest time of a TLS handshake; a slower one is closed. It counts as a connection.
    pub handshake_timeout: Duration,
    /// The longest time for a request's headers, and of a connection without a request.
    pub header_timeout: Duration,
    /// The longest time for a request's body; a slower one is answered with 408. A stream ends when a
    /// line takes longer to arrive, or its answer longer to be read.
    pub body_timeout: Duration,
    /// The longest time of a request. `Request-Timeout` can only shorten it.
    pub request_timeout: Duration,
    /// The most requests of each caller, which is a key: a further one is answered with 429. A batch
    /// takes a token for each of its requests, and a stream of requests waits for the token of its
    /// next line. `None` takes all.
    pub caller_rate: Option<RateLimit>,
    /// The most attempts from each address without a key that the service knows: a further one is
    /// answered with 429. A key that was used lately takes no token. `None` takes all.
    pub attempt_rate: Option<RateLimit>,
    /// The time for which a verified key is not read again: a revocation takes effect within it.
    pub key_cache_time: Duration,
    /// The time after the signal to stop in which the service says that it is not ready and still
    /// takes connections, so that a balancer sees it.
    pub drain_delay: Duration,
    /// The longest time for the requests at work when the service stops.
    pub drain_timeout: Duration,
    /// The way in which the events of webhooks are sent.
    pub webhooks: WebhookOptions,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            requests_max: 2_000,
            batch_streams_max: 100,
            event_reads_max: 2,
            streams_max: 100,
            body_bytes_max: 64 * 1024,
            batch_bytes_max: 1024 * 1024,
            batch_requests_max: 1_000,
            batch_in_flight_max: 256,
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            caller_rate: None,
            attempt_rate: Some(RateLimit::new(100, 1_000)),
            key_cache_time: Duration::from_secs(5),
            drain_delay: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
            webhooks: WebhookOptions::default(),
        }
    }
}

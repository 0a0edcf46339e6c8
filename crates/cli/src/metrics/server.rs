//! An HTTP server for one page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::encode::Format;
use super::source::Source;
use crate::stop::StopSignals;

/// The greatest number of concurrent connections; Prometheus needs one. Further ones wait to be
/// accepted.
const CONNECTIONS_MAX: usize = 16;

/// The limit of the time in which a client sends its request.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit of a connection's life, so that a silent client cannot occupy it.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// The pause after a failure to accept a connection, when the machine has run out of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves requests until the program receives SIGTERM or SIGINT.
pub(crate) async fn serve(listener: TcpListener, source: Source) -> std::io::Result<()> {
    let source = Arc::new(source);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = StopSignals::listen()?;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            stopped = stop.received() => return stopped,
        };
        match accepted {
            Ok((stream, _)) => {
                let source = Arc::clone(&source);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, respond(stream, source)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a connection was not accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn respond(stream: TcpStream, source: Arc<Source>) {
    let service = service_fn(move |request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(page(&request, &source).await) }
    });
    let outcome = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = outcome {
        tracing::debug!("a connection ended early: {error}");
    }
}

async fn page(request: &Request<Incoming>, source: &Source) -> Response<Full<Bytes>> {
    let accept = request.headers().get(ACCEPT);
    let format = Format::accepted(accept.and_then(|accept| accept.to_str().ok()));
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => match source.scrape().await {
            Ok(text) => {
                let text = format.of_open_metrics(text);
                response(StatusCode::OK, format.content_type(), text)
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
        (&Method::GET | &Method::HEAD, "/") => {
            plain(StatusCode::OK, "the figures are at /metrics\n")
        }
        (&Method::GET | &Method::HEAD, _) => {
            plain(StatusCode::NOT_FOUND, "there is only /metrics\n")
        }
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "there is only GET\n"),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text.to_owned())
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

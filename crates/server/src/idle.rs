//! The work of a connection: it ends at once when the server stops and no request is at work.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Response;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The time in which the rest of a request's headers may arrive after the server has asked the
/// connection to end.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

/// The requests of a connection whose answers are not yet made, and the bytes that are not yet sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicUsize,
    has_unsent: AtomicBool,
}

/// A request at work, until its answer is made or dropped.
#[derive(Debug)]
struct AtWork(Activity);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.shared.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Activity {
    /// Returns the answer, and counts the request until the whole answer was made.
    pub(crate) fn during<E>(
        &self,
        answer: impl Future<Output = Result<Response<Body>, E>>,
    ) -> impl Future<Output = Result<Response<Body>, E>> {
        self.shared.requests.fetch_add(1, Ordering::AcqRel);
        let at_work = AtWork(self.clone());
        async move {
            let response = answer.await?;
            Ok(response.map(|body| {
                Body::new(Counted {
                    body,
                    _at_work: at_work,
                })
            }))
        }
    }

    /// Waits until no request is at work and no part of an answer waits to be sent.
    pub(crate) async fn ended(&self) {
        loop {
            tokio::time::sleep(GRACE).await;
            let is_at_work = self.shared.requests.load(Ordering::Acquire) > 0;
            if !is_at_work && !self.shared.has_unsent.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// The body of an answer, whose request is at work until the body is dropped.
struct Counted {
    body: Body,
    _at_work: AtWork,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that notes whether it has written bytes that are not yet flushed.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(crate) const fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }

    fn has_unsent(&self, has_unsent: bool) {
        let noted = &self.activity.shared.has_unsent;
        noted.store(has_unsent, Ordering::Release);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_unsent(true);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_unsent(true);
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The HTTP connection flushes when it has written all that it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.has_unsent(false);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

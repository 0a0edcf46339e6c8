//! A stream that checks the server's authentication request before the driver answers it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::config::AuthMethods;

/// A stream that fails the read of an authentication request whose method is not allowed.
///
/// The driver answers only the first message of the server with a password in clear text or MD5.
/// Therefore only that message is parsed: its type, its length and, for an authentication message,
/// its code.
pub(crate) struct AuthCheckedStream<S> {
    stream: S,
    allowed: AuthMethods,
    head: Vec<u8>,
    given: usize,
    checked: bool,
}

const HEAD_LENGTH: usize = 9;

impl<S> AuthCheckedStream<S> {
    pub(crate) fn new(stream: S, allowed: AuthMethods) -> Self {
        Self {
            stream,
            allowed,
            head: Vec::with_capacity(HEAD_LENGTH),
            given: 0,
            checked: false,
        }
    }

    fn is_head_complete(&self) -> bool {
        self.head.first().is_some_and(|first| *first != b'R') || self.head.len() >= HEAD_LENGTH
    }

    fn check_head(&self) -> io::Result<()> {
        let [b'R', _, _, _, _, a, b, c, d] = self.head.as_slice() else {
            return Ok(());
        };
        match self.allowed.objection(i32::from_be_bytes([*a, *b, *c, *d])) {
            None => Ok(()),
            Some(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AuthCheckedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.checked && this.given == this.head.len() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        while !this.checked {
            if this.is_head_complete() {
                this.check_head()?;
                this.checked = true;
                break;
            }
            let mut bytes = [0; HEAD_LENGTH];
            let wanted = HEAD_LENGTH - this.head.len();
            let mut part = ReadBuf::new(bytes.get_mut(..wanted).unwrap_or_default());
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
            if part.filled().is_empty() {
                this.checked = true;
            }
            this.head.extend_from_slice(part.filled());
        }
        let rest = this.head.get(this.given..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        this.given += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AuthCheckedStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for AuthCheckedStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// TLS with the same check inside.
pub(crate) struct AuthCheckedTls<T> {
    pub(crate) tls: T,
    pub(crate) allowed: AuthMethods,
}

impl<S, T> TlsConnect<S> for AuthCheckedTls<T>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
    T::Stream: Unpin,
{
    type Stream = AuthCheckedStream<T::Stream>;
    type Error = T::Error;
    type Future = BoxFuture<'static, Result<Self::Stream, T::Error>>;

    fn connect(self, stream: S) -> Self::Future {
        let (connecting, allowed) = (self.tls.connect(stream), self.allowed);
        Box::pin(async move { Ok(AuthCheckedStream::new(connecting.await?, allowed)) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn read(bytes: &[u8], allowed: AuthMethods) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        AuthCheckedStream::new(bytes, allowed)
            .read_to_end(&mut read)
            .await?;
        Ok(read)
    }

    #[tokio::test]
    async fn password_requests_are_rejected_and_other_messages_pass_unchanged() {
        let plain = AuthMethods::without_tls();
        for code in [3, 5] {
            let demand = [b'R', 0, 0, 0, 12, 0, 0, 0, code, 1, 2, 3, 4];
            let error = read(&demand, plain).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(read(&demand, AuthMethods::all()).await.unwrap(), demand);
        }
        for passes in [
            &b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"[..],
            b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
            b"E\0\0\0\x05\0",
            b"E",
            b"R\0",
            b"",
        ] {
            assert_eq!(read(passes, plain).await.unwrap(), passes);
        }
    }
}

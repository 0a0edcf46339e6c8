//! The process id that the server or a pooler announced when the connection was opened.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// The length of a TLS request in bytes; it precedes a cancel request on an encrypted connection.
const TLS_REQUEST: usize = 8;
/// The length of a cancel request in bytes: length, code, process id and key.
const CANCEL_REQUEST: usize = 16;

/// Reads the process id out of the driver's cancel request. The driver keeps the id private, but
/// writes the request to any stream; this stream does not leave the process.
pub(crate) async fn process_id(token: &CancelToken, is_encrypted: bool) -> Option<i32> {
    let (near, mut far) = tokio::io::duplex(TLS_REQUEST + CANCEL_REQUEST);
    let answer = async {
        if is_encrypted {
            let mut request = [0; TLS_REQUEST];
            far.read_exact(&mut request).await?;
            far.write_all(b"S").await?;
        }
        let mut request = [0; CANCEL_REQUEST];
        far.read_exact(&mut request).await?;
        io::Result::Ok(request)
    };
    let (sent, request) = tokio::join!(token.cancel_query_raw(near, Unencrypted), answer);
    sent.ok()?;
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = request.ok()?;
    Some(i32::from_be_bytes([a, b, c, d]))
}

/// A substitute for TLS, for a request that does not leave the process.
struct Unencrypted;

struct Clear(DuplexStream);

impl TlsConnect<DuplexStream> for Unencrypted {
    type Stream = Clear;
    type Error = Infallible;
    type Future = Ready<Result<Clear, Infallible>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Clear(stream)))
    }
}

impl TlsStream for Clear {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Clear {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Clear {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

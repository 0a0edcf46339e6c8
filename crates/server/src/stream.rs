//! A connection of any kind.

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection: over TCP or a Unix socket, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

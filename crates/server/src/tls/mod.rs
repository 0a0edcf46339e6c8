//! TLS of the service: the certificate, its exchange while the service runs, and the handshake.

mod expiry;
mod files;
mod reload;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) use expiry::Expiry;
use files::Stamp;
pub use files::{TlsError, TlsFiles};

/// A certificate with its private key, read from files that are read again when they change.
pub struct Tls {
    files: TlsFiles,
    /// The state of the files before they were read.
    stamp: Stamp,
    config: Arc<ServerConfig>,
    expiry: Expiry,
}

/// Debug output has the paths and omits the key.
impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tls({:?})", self.files)
    }
}

impl Tls {
    /// Reads a certificate and its private key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if a file cannot be read or used, or the key is not the certificate's.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let stamp = files.stamp();
        let (config, end) = files.read()?;
        let expiry = Expiry::default();
        expiry.set(end);
        Ok(Self {
            files,
            stamp,
            config,
            expiry,
        })
    }

    /// The end of the certificate's validity, which a reload changes.
    pub(crate) const fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    /// Starts to watch the files. The watch ends when the returned value is dropped.
    pub(crate) fn watch(self) -> (Handshake, reload::Watch) {
        let (sender, config) = watch::channel(Arc::clone(&self.config));
        (Handshake { config }, reload::start(self, sender))
    }
}

/// The handshake with the certificate that the files had last.
#[derive(Clone)]
pub(crate) struct Handshake {
    config: watch::Receiver<Arc<ServerConfig>>,
}

impl Handshake {
    /// Encrypts a connection within a time.
    pub(crate) async fn accept<S>(&self, stream: S, limit: Duration) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.config.borrow());
        let handshake = TlsAcceptor::from(config).accept(stream);
        tokio::time::timeout(limit, handshake).await?
    }
}

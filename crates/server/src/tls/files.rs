//! The files of a certificate and its private key, in PEM.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::expiry::end_of;

/// The files of a certificate and its private key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the service, followed by those of its issuers up to the root.
    pub certificate: PathBuf,
    /// The private key without a passphrase: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// The reason why the service does not use a certificate and its private key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// A file has no certificate.
    #[error("{} has no certificate in PEM", path.display())]
    NoCertificate {
        /// The path of the file.
        path: PathBuf,
    },
    /// A file has no private key that the service can read. The reason is omitted, because it may
    /// quote the key.
    #[error("{} has no private key in PEM without a passphrase", path.display())]
    NoPrivateKey {
        /// The path of the file.
        path: PathBuf,
    },
    /// The private key is that of another certificate.
    #[error("the private key of {} is not that of the certificate of {}", key.display(), certificate.display())]
    Mismatch {
        /// The path of the certificate.
        certificate: PathBuf,
        /// The path of the private key.
        key: PathBuf,
    },
    /// The certificate or the private key is malformed or of an unknown kind.
    #[error("{} and {} cannot be used: {reason}", certificate.display(), key.display())]
    Unusable {
        /// The path of the certificate.
        certificate: PathBuf,
        /// The path of the private key.
        key: PathBuf,
        /// The fault.
        reason: rustls::Error,
    },
}

/// The state of both files by which a change is found; `None` for a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<FileStamp>; 2]);

/// The size and the times of a file, and its number, which a renamed file brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    file: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The most bytes that are read of a file. A chain of certificates has a few thousand.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl TlsFiles {
    /// Reads both files, and returns the end of the certificate's validity too.
    pub(super) fn read(&self) -> Result<(Arc<ServerConfig>, Option<i64>), TlsError> {
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&bytes(&self.certificate)?).collect();
        let certificates = certificates.unwrap_or_default();
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate {
                path: self.certificate.clone(),
            });
        }
        let key = PrivateKeyDer::from_pem_slice(&bytes(&self.key)?);
        let key = key.map_err(|_| TlsError::NoPrivateKey {
            path: self.key.clone(),
        })?;
        let end = end_of(&certificates);
        let config = config(certificates, key).map_err(|reason| self.unusable(reason))?;
        Ok((Arc::new(config), end))
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp([&self.certificate, &self.key].map(|path| FileStamp::of(path)))
    }

    fn unusable(&self, reason: rustls::Error) -> TlsError {
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        match reason {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { certificate, key }
            }
            reason => TlsError::Unusable {
                certificate,
                key,
                reason,
            },
        }
    }
}

impl FileStamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            file: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

fn config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|reason| TlsError::Unreadable {
        path: path.to_owned(),
        reason,
    })
}

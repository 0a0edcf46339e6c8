//! The end of a certificate's validity, for `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// The end of the validity of the certificate in use, which a reload changes. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Expiry(Arc<AtomicI64>);

impl Default for Expiry {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(UNKNOWN)))
    }
}

/// Stands for an unknown end.
const UNKNOWN: i64 = i64::MAX;

impl Expiry {
    /// Notes the end of the certificate in use.
    pub(super) fn set(&self, end: Option<i64>) {
        self.0.store(end.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Returns the end in Unix seconds, if it is known.
    pub(crate) fn get(&self) -> Option<i64> {
        let end = self.0.load(Ordering::Relaxed);
        (end != UNKNOWN).then_some(end)
    }
}

/// Returns the end of a chain's validity in Unix seconds: the earliest of its certificates.
pub(super) fn end_of(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let ends = chain.iter().filter_map(|certificate| {
        let certificate = Certificate::from_der(certificate).ok()?;
        let end = certificate.tbs_certificate.validity.not_after;
        i64::try_from(end.to_unix_duration().as_secs()).ok()
    });
    ends.min()
}

//! Server certificates that are trusted because the root file contains the very same certificate.
//!
//! PostgreSQL's manual creates a self-signed certificate with `openssl req -x509` and installs it
//! as the clients' root. Such a certificate is an authority's own, is of X.509 version 1, or has
//! its name only as the common name. The TLS library rejects each of these as a server's
//! certificate.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

/// A verifier that accepts what the TLS library accepts, and a certificate that equals one of the
/// roots byte for byte while its name, dates and usage fit. In each handshake the server proves
/// that it has the certificate's key.
#[derive(Debug)]
pub(crate) struct Verifier {
    standard: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    pinned: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Creates a verifier that trusts these roots. The pinned certificates are those of a file.
    pub(crate) fn new(
        roots: RootCertStore,
        pinned: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let standard =
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                .build()?;
        Ok(Self {
            standard,
            provider,
            pinned,
        })
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let bytes: &[u8] = certificate;
        self.pinned.iter().any(|pinned| pinned.as_ref() == bytes)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.standard
                .verify_server_cert(certificate, intermediates, name, ocsp, now);
        match verified {
            Err(_) if self.is_pinned(certificate) => {
                check(certificate, name, now).map_err(Error::InvalidCertificate)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.standard
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_pinned(certificate) {
            return self
                .standard
                .verify_tls13_signature(message, certificate, signature);
        }
        // The library extracts keys from certificates of version 3 only.
        let key = key(certificate).map_err(Error::InvalidCertificate)?;
        let schemes = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.standard.supported_verify_schemes()
    }
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, CertificateError> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)
}

fn key(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, CertificateError> {
    let key = parse(certificate)?.tbs_certificate.subject_public_key_info;
    let key = key.to_der().map_err(|_| CertificateError::BadEncoding)?;
    Ok(key.into())
}

/// Checks the name, the dates and the usage of a certificate.
fn check(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let certificate = parse(certificate)?.tbs_certificate;
    let [not_before, not_after] = [
        certificate.validity.not_before,
        certificate.validity.not_after,
    ]
    .map(|time| UnixTime::since_unix_epoch(time.to_unix_duration()));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        });
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        });
    }
    let bad = |_| CertificateError::BadEncoding;
    if let Some((_, usage)) = certificate.get::<ExtendedKeyUsage>().map_err(bad)? {
        const SERVER: &str = "1.3.6.1.5.5.7.3.1";
        if usage.0.iter().all(|purpose| purpose.to_string() != SERVER) {
            return Err(CertificateError::InvalidPurpose);
        }
    }
    let alternatives = certificate.get::<SubjectAltName>().map_err(bad)?;
    let presented: Vec<String> = match &alternatives {
        Some((_, alternatives)) => alternatives
            .0
            .iter()
            .map(|other| format!("{other:?}"))
            .collect(),
        None => common_names(&certificate.subject)
            .map(str::to_owned)
            .collect(),
    };
    let is_named = match &alternatives {
        Some((_, alternatives)) => alternatives.0.iter().any(|other| is_name(other, name)),
        // As libpq does, but without wildcards.
        None => presented
            .iter()
            .any(|common| common.eq_ignore_ascii_case(&name.to_str())),
    };
    match is_named {
        true => Ok(()),
        false => Err(CertificateError::NotValidForNameContext {
            expected: name.to_owned(),
            presented,
        }),
    }
}

fn is_name(alternative: &GeneralName, name: &ServerName<'_>) -> bool {
    match (alternative, name) {
        (GeneralName::DnsName(dns), ServerName::DnsName(name)) => {
            dns.as_str().eq_ignore_ascii_case(name.as_ref())
        }
        (GeneralName::IpAddress(bytes), ServerName::IpAddress(address)) => {
            let octets = match std::net::IpAddr::from(*address) {
                std::net::IpAddr::V4(address) => address.octets().to_vec(),
                std::net::IpAddr::V6(address) => address.octets().to_vec(),
            };
            bytes.as_bytes() == octets
        }
        _ => false,
    }
}

fn common_names(subject: &x509_cert::name::Name) -> impl Iterator<Item = &str> {
    const COMMON_NAME: &str = "2.5.4.3";
    let attributes = subject.0.iter().flat_map(|part| part.0.iter());
    attributes
        .filter(|attribute| attribute.oid.to_string() == COMMON_NAME)
        .filter_map(|attribute| {
            let value = &attribute.value;
            match value.tag() {
                Tag::Utf8String => Utf8StringRef::try_from(value)
                    .ok()
                    .map(|text| text.as_str()),
                Tag::PrintableString => PrintableStringRef::try_from(value)
                    .ok()
                    .map(|text| text.as_str()),
                Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|text| text.as_str()),
                _ => None,
            }
        })
}

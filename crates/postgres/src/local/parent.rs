//! The parent of servers' folders.

use std::env;
use std::path::PathBuf;

use crate::{Durability, ServerOptions, StartError};

use super::Account;

/// A folder on a disk, kept over a restart of the machine.
const ON_DISK: &str = "/var/tmp";

/// A folder for temporary files, in memory on many machines.
const TEMPORARY: &str = "/tmp";

/// Chooses the requested folder, otherwise one that suits the durability. The server's account must
/// be able to write to it, because the supervisor runs under that account and removes the folder of
/// a server whose owner was killed.
pub(crate) fn choose(options: &ServerOptions, account: &Account) -> Result<PathBuf, StartError> {
    if let Some(parent) = &options.parent {
        let parent = parent
            .canonicalize()
            .map_err(crate::error::system("find the folder", parent))?;
        account.must_write(&parent)?;
        return Ok(parent);
    }
    let parent = match options.durability {
        Durability::Durable => PathBuf::from(ON_DISK),
        Durability::Fast => env::temp_dir().canonicalize().unwrap_or_default(),
    };
    // Root's folder for temporary files may be closed to other accounts.
    if account.must_write(&parent).is_ok() {
        return Ok(parent);
    }
    let parent = PathBuf::from(TEMPORARY);
    account.must_write(&parent)?;
    Ok(parent)
}

//! The folder in which servers get their folders.

use std::env;
use std::path::PathBuf;

use crate::{Durability, ServerOptions, StartError};

use super::Account;

/// On a disk, and kept over a restart of the machine.
const ON_DISK: &str = "/var/tmp";

/// For files that need not last; in memory on many machines.
const TEMPORARY: &str = "/tmp";

/// The folder that was asked for, else one that suits the durability. The server's account must be
/// able to write to it, since it is the supervisor, under that account, that removes the folder of a
/// server whose owner was killed.
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
    // The folder for temporary files of root may be closed to others.
    if account.must_write(&parent).is_ok() {
        return Ok(parent);
    }
    let parent = PathBuf::from(TEMPORARY);
    account.must_write(&parent)?;
    Ok(parent)
}

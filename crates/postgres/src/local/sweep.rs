//! The removal of servers and folders whose owner and supervisor were both killed.

use std::fs;
use std::path::Path;

use super::Account;
use super::directory::{ServerDirectory, remove_stale_draft};

/// Stops stray servers and removes stale folders in `parent` that belong to the account.
///
/// The server about to start does not need it, so errors are ignored, and the next start tries
/// again.
pub(crate) fn sweep(parent: &Path, account: &Account) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        if let Some(stale) = ServerDirectory::adopt_stale(&entry.path(), account) {
            let _ = stale.destroy();
        }
        remove_stale_draft(&entry.path(), account);
    }
}

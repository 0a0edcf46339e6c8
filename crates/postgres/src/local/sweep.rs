//! Removes what servers left whose owner and supervisor were both killed.

use std::fs;
use std::path::Path;

use super::Account;
use super::directory::{ServerDirectory, remove_stale_draft};

/// Stops stray servers and removes stale folders in `parent` that belong to the account.
///
/// It is a service to the machine and not needed for the server about to start, so that what
/// cannot be removed now is left to the next time.
pub(crate) fn sweep(parent: &Path, account: &Account) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        if let Some(stale) = ServerDirectory::adopt_stale(&entry.path(), account) {
            let _ = stale.destroy();
        }
        remove_stale_draft(&entry.path(), account);
    }
}

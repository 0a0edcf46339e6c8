//! CSV files, plain or compressed, and the bank's year in the repository.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use neobank_domain::Currency;
use neobank_domain::import::{History, Sources};

/// The files of a history.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) customers: PathBuf,
    pub(crate) accounts: PathBuf,
    pub(crate) transactions: PathBuf,
}

impl Files {
    /// Returns the files of the bank's year in the repository.
    pub(crate) fn of_the_repository() -> Self {
        let folder = project_root().join("data/czech-bank-1999");
        Self {
            customers: folder.join("customers.csv.gz"),
            accounts: folder.join("accounts.csv.gz"),
            transactions: folder.join("transactions-1993.csv.gz"),
        }
    }

    pub(crate) fn read(&self, source: &str, currency: Currency) -> anyhow::Result<History> {
        let sources = Sources::new(
            open(&self.customers)?,
            open(&self.accounts)?,
            open(&self.transactions)?,
        );
        Ok(History::read(sources, source, currency)?)
    }
}

/// Returns the workspace's folder.
pub(crate) fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}

//! The files of an import: plain or compressed by gzip, or standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use neobank_domain::import::Sources;

use crate::error::CommandError;

/// A file that is read line by line, plain or compressed.
pub(in crate::commands) type Source = Box<dyn Read + Send>;

/// Opens the files of customers, accounts and transactions; one of them may be `-`, standard input.
pub(super) fn open(
    [customers, accounts, transactions]: [impl AsRef<Path>; 3],
) -> Result<Sources<Source, Source, Source>, CommandError> {
    let paths = [customers.as_ref(), accounts.as_ref(), transactions.as_ref()];
    if paths.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err(CommandError::usage(
            "standard input (-) can be one of the files, not several",
        ));
    }
    let [customers, accounts, transactions] = paths;
    Ok(Sources::new(
        source(customers)?,
        source(accounts)?,
        source(transactions)?,
    ))
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens a file, or standard input for `-`.
pub(in crate::commands) fn source(path: &Path) -> Result<Source, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::failed("file", format!("{}: {error}", path.display()))
    };
    if is_standard_input(path) {
        return decompressed(BufReader::new(std::io::stdin())).map_err(failed);
    }
    let file = File::open(path).map_err(failed)?;
    decompressed(BufReader::new(file)).map_err(failed)
}

/// Returns the text of a stream, decompressed when it begins as gzip does, whatever the file's name
/// is.
fn decompressed(mut stream: impl BufRead + Send + 'static) -> std::io::Result<Source> {
    if stream.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(stream)));
    }
    Ok(Box::new(stream))
}

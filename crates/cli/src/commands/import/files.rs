//! The files of an import: plain or compressed by gzip, or standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
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
    if is_standard_input(path) {
        return decompressed(BufReader::new(std::io::stdin()))
            .map_err(|error| failed(path, &error));
    }
    let opened = File::open(path).and_then(|file| decompressed(BufReader::new(file)));
    opened.map_err(|error| failed(path, &error))
}

/// Returns the error of a file that cannot be read.
pub(in crate::commands) fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(
        "file",
        format!("{}: the file cannot be read: {error}", path.display()),
    )
}

/// Returns the text of a stream without a byte-order mark, decompressed when it begins as gzip does,
/// whatever the file's name is.
fn decompressed(mut stream: impl BufRead + Send + 'static) -> std::io::Result<Source> {
    let begin = take_begin(&mut stream, 2)?;
    let is_compressed = begin == [0x1f, 0x8b];
    let stream = Cursor::new(begin).chain(stream);
    if is_compressed {
        without_mark(MultiGzDecoder::new(stream))
    } else {
        without_mark(stream)
    }
}

/// Drops the byte-order mark with which some programs begin a text.
fn without_mark(mut stream: impl Read + Send + 'static) -> std::io::Result<Source> {
    let mut begin = take_begin(&mut stream, 3)?;
    if begin == b"\xef\xbb\xbf" {
        begin.clear();
    }
    Ok(Box::new(Cursor::new(begin).chain(stream)))
}

/// Takes the first bytes from a stream, which may give them one by one; fewer at its end.
fn take_begin(stream: &mut impl Read, count: u64) -> std::io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    stream.take(count).read_to_end(&mut begin)?;
    Ok(begin)
}

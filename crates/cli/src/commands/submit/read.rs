//! The lines of a file of requests: JSON objects, or the records of a CSV file as objects.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use neobank_domain::exact_json::{self, JsonError};
use neobank_domain::import::PhysicalLines;
use serde_json::{Map, Value};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::fields::{COLUMNS, LineError};
use crate::commands::import::files;
use crate::error::CommandError;

/// The most bytes of a line of JSON.
const LINE_LENGTH_MAX: u64 = 1_000_000;

/// The lines that are read ahead: as many as the next transaction can have.
const AHEAD: usize = super::BATCH_SIZE_MAX;

/// A line: its number in the file, from 1, and its fields.
///
/// The number is that of the physical line at which the request begins, whatever ends the lines:
/// idempotency keys are derived from it, so a file has the same keys in every form.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) fields: Result<Map<String, Value>, LineError>,
}

/// A line, or the error that ends the file.
pub(super) type ReadLine = Result<Line, CommandError>;

/// Opens a file and returns its lines, which a thread reads ahead.
pub(super) fn lines(path: &Path) -> Result<Receiver<ReadLine>, CommandError> {
    let failed = |error: io::Error| files::failed(path, &error);
    let mut stream = BufReader::new(files::source(path)?);
    let (first_line, first) = skip_empty_lines(&mut stream).map_err(failed)?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let path = path.to_owned();
    // A file without a line has no request either.
    if matches!(first, None | Some(b'{')) {
        std::thread::spawn(move || read_json(stream, first_line, &path, &sender));
    } else {
        let stream = PhysicalLines::new(stream, first_line);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(stream);
        let columns = columns(&mut reader, &path)?;
        std::thread::spawn(move || read_csv(reader, &columns, &path, &sender));
    }
    Ok(receiver)
}

/// Skips the lines before the first that is not empty. Returns its number and its first character.
fn skip_empty_lines(stream: &mut impl BufRead) -> io::Result<(u64, Option<u8>)> {
    let mut line = 1;
    let mut is_after_return = false;
    loop {
        let Some(byte) = stream.fill_buf()?.first().copied() else {
            return Ok((line, None));
        };
        match byte {
            b'\n' if is_after_return => {}
            b'\n' | b'\r' => line += 1,
            b' ' | b'\t' => {}
            first => return Ok((line, Some(first))),
        }
        is_after_return = byte == b'\r';
        stream.consume(1);
    }
}

/// Reads lines until the file or the run ends.
fn read_json(mut stream: impl BufRead, first_line: u64, path: &Path, sender: &Sender<ReadLine>) {
    for number in first_line.. {
        let mut bytes = Vec::new();
        let read = (&mut stream)
            .take(LINE_LENGTH_MAX)
            .read_until(b'\n', &mut bytes)
            .and_then(|count| Ok((count, skip_rest(&mut stream, &bytes)?)));
        let line = match read {
            Ok((0, _)) => return,
            Ok((_, false)) if bytes.iter().all(u8::is_ascii_whitespace) => continue,
            Ok((_, is_cut)) => Ok(Line {
                number,
                fields: if is_cut {
                    let message = format!("a line has at most {LINE_LENGTH_MAX} bytes");
                    Err(LineError::file(message))
                } else {
                    object(&bytes)
                },
            }),
            Err(error) => Err(files::failed(path, &error)),
        };
        let is_last = line.is_err();
        if sender.blocking_send(line).is_err() || is_last {
            return;
        }
    }
}

/// Skips the rest of a line that is too long, and returns true where there is one.
fn skip_rest(stream: &mut impl BufRead, read: &[u8]) -> io::Result<bool> {
    if (read.len() as u64) < LINE_LENGTH_MAX || read.ends_with(b"\n") {
        return Ok(false);
    }
    let mut is_longer = false;
    loop {
        let buffer = stream.fill_buf()?;
        if buffer.is_empty() {
            return Ok(is_longer);
        }
        is_longer |= buffer.first() != Some(&b'\n');
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        stream.consume(count);
        if end.is_some() {
            return Ok(is_longer);
        }
    }
}

/// Reads a line's object, of which nothing may be lost.
fn object(bytes: &[u8]) -> Result<Map<String, Value>, LineError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| LineError::file(format!("not a JSON object: {error}")))?;
    exact_json::object(text, exact_json::DEPTH_MAX).map_err(|error| match &error {
        // The parser sees one line.
        JsonError::Malformed { reason } => {
            let reason = reason.replace(" at line 1 column ", " at column ");
            LineError::file(format!("not a JSON object: {reason}"))
        }
        JsonError::Duplicate { field }
        | JsonError::TooDeep { field, .. }
        | JsonError::Inexact { field, .. } => LineError::member(field, error.to_string()),
        _ => LineError::file(error.to_string()),
    })
}

/// Returns the columns of a CSV file, all of which must be known.
fn columns(reader: &mut csv::Reader<impl Read>, path: &Path) -> Result<Vec<String>, CommandError> {
    let wrong = |reason: String| {
        let mut error = CommandError::usage(reason);
        error.kind = "submit_file";
        error
    };
    let headers = reader.headers().map_err(|error| match error.kind() {
        csv::ErrorKind::Io(error) => files::failed(path, error),
        _ => wrong(error.to_string()),
    })?;
    let columns: Vec<String> = headers.iter().map(|name| name.trim().to_owned()).collect();
    let mut seen = std::collections::BTreeSet::new();
    for column in &columns {
        if !COLUMNS.contains(&column.as_str()) {
            let known = COLUMNS.join(", ");
            return Err(wrong(format!(
                "unknown column {:?}: the columns are {known}",
                neobank_domain::shortened(column)
            )));
        }
        if !seen.insert(column) {
            return Err(wrong(format!("the column {column:?} occurs twice")));
        }
    }
    if !columns.iter().any(|column| column == "kind") {
        return Err(wrong(
            "the file is neither JSON objects nor CSV with a column kind".to_owned(),
        ));
    }
    Ok(columns)
}

/// Reads records until the file or the run ends. An empty field is no field.
fn read_csv(
    mut reader: csv::Reader<PhysicalLines<impl Read>>,
    columns: &[String],
    path: &Path,
    sender: &Sender<ReadLine>,
) {
    let mut record = csv::StringRecord::new();
    loop {
        let byte = reader.position().byte();
        let is_read = reader.read_record(&mut record);
        let number = reader.get_mut().line_of_record(byte);
        let line = match is_read {
            Ok(false) => return,
            Ok(true) if is_blank(&record) => continue,
            Ok(true) => Ok(Line {
                number,
                fields: fields(&record, columns),
            }),
            Err(error) => match error.kind() {
                csv::ErrorKind::Io(error) => Err(files::failed(path, error)),
                csv::ErrorKind::Utf8 { err, .. } => Ok(Line {
                    number,
                    fields: Err(LineError::file(format!("the record is not UTF-8: {err}"))),
                }),
                _ => Ok(Line {
                    number,
                    fields: Err(LineError::file(format!(
                        "the record cannot be read: {error}"
                    ))),
                }),
            },
        };
        let is_last = line.is_err();
        if sender.blocking_send(line).is_err() || is_last {
            return;
        }
    }
}

/// Returns true for a line of spaces, which is no more a record than an empty line.
fn is_blank(record: &csv::StringRecord) -> bool {
    record.len() == 1 && record.iter().all(|field| field.trim().is_empty())
}

fn fields(record: &csv::StringRecord, columns: &[String]) -> Result<Map<String, Value>, LineError> {
    if record.len() != columns.len() {
        return Err(LineError::file(format!(
            "the record has {} fields, and the header has {}",
            record.len(),
            columns.len()
        )));
    }
    let fields = columns
        .iter()
        .zip(record)
        .filter(|(_, field)| !field.is_empty());
    Ok(fields
        .map(|(column, field)| (column.clone(), Value::from(field)))
        .collect())
}

//! The lines of a file of requests: JSON objects, or the records of a CSV file as objects.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::line::{COLUMNS, LineError};
use crate::commands::import::files;
use crate::error::CommandError;

/// The most bytes of a line of JSON.
const LINE_LENGTH_MAX: u64 = 1_000_000;

/// The lines that are read ahead.
const AHEAD: usize = 4_000;

/// A line: its number in the file, from 1, and its fields.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) fields: Result<Map<String, Value>, LineError>,
}

/// Opens a file and returns its lines, which a thread reads ahead.
pub(super) fn lines(path: &Path) -> Result<Receiver<Line>, CommandError> {
    let mut stream = BufReader::new(files::source(path)?);
    let failed = |error: std::io::Error| {
        CommandError::failed("file", format!("{}: {error}", path.display()))
    };
    // Some programs begin a text with a byte-order mark.
    if stream
        .fill_buf()
        .map_err(failed)?
        .starts_with(b"\xef\xbb\xbf")
    {
        stream.consume(3);
    }
    let (sender, receiver) = mpsc::channel(AHEAD);
    let begin = stream.fill_buf().map_err(failed)?;
    let first = begin.iter().find(|byte| !byte.is_ascii_whitespace());
    // A file without a line has no request either.
    if matches!(first, None | Some(b'{')) {
        std::thread::spawn(move || read_json(stream, &sender));
    } else {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(stream);
        let columns = columns(&mut reader)?;
        std::thread::spawn(move || read_csv(reader, &columns, &sender));
    }
    Ok(receiver)
}

/// Reads lines until the file or the run ends.
fn read_json(mut stream: impl BufRead, sender: &Sender<Line>) {
    let mut number = 0;
    loop {
        number += 1;
        let mut bytes = Vec::new();
        let read = (&mut stream)
            .take(LINE_LENGTH_MAX)
            .read_until(b'\n', &mut bytes);
        let is_cut = bytes.len() as u64 == LINE_LENGTH_MAX && !bytes.ends_with(b"\n");
        let fields = match read {
            Ok(0) => return,
            Ok(_) if is_cut => Err(LineError::file(format!(
                "a line has at most {LINE_LENGTH_MAX} bytes"
            ))),
            Ok(_) if bytes.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(_) => serde_json::from_slice(&bytes)
                .map_err(|error| LineError::file(format!("not a JSON object: {error}"))),
            Err(error) => Err(LineError::file(format!("the file cannot be read: {error}"))),
        };
        let is_last = is_cut || fields.as_ref().is_err_and(|error| error.is_of_stream());
        if sender.blocking_send(Line { number, fields }).is_err() || is_last {
            return;
        }
    }
}

/// Returns the columns of a CSV file, all of which must be known.
fn columns(reader: &mut csv::Reader<impl Read>) -> Result<Vec<String>, CommandError> {
    let wrong = |reason: String| {
        let mut error = CommandError::usage(reason);
        error.kind = "submit_file";
        error
    };
    let headers = reader.headers().map_err(|error| wrong(error.to_string()))?;
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
fn read_csv(mut reader: csv::Reader<impl Read>, columns: &[String], sender: &Sender<Line>) {
    let mut record = csv::StringRecord::new();
    loop {
        let number = reader.position().line();
        let (number, fields) = match reader.read_record(&mut record) {
            Ok(false) => return,
            Ok(true) => {
                let number = record.position().map_or(number, csv::Position::line);
                (number, fields(&record, columns))
            }
            Err(error) => {
                let number = error.position().map_or(number, csv::Position::line);
                let is_of_stream = matches!(error.kind(), csv::ErrorKind::Io(_));
                let reason = format!("the record cannot be read: {error}");
                let mut error = LineError::file(reason);
                error.ends_stream = is_of_stream;
                (number, Err(error))
            }
        };
        let is_last = fields.as_ref().is_err_and(LineError::is_of_stream);
        if sender.blocking_send(Line { number, fields }).is_err() || is_last {
            return;
        }
    }
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

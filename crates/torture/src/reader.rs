//! The reader of history files.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::history::Event;

/// The events of all processes of a load, in any order: each names its call and its time.
///
/// # Example
///
/// ```
/// use neobank_torture::reader::History;
///
/// let file = concat!(
///     r#"{"event":"sent","call":{"process":1,"number":0},"at":10,"#,
///     r#""operation":{"operation":"read_balances","accounts":[]}}"#,
///     "\n",
///     r#"{"event":"answered","call":{"process":1,"num"#,
/// );
/// let mut history = History::default();
/// history.read_lines(file.as_bytes())?;
/// assert_eq!(history.events.len(), 1);
/// assert_eq!(history.cut_lines, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
    /// The number of last lines that their processes did not write to the end.
    pub cut_lines: usize,
}

/// A line that is no event, though its process wrote it to the end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadLineError {
    /// The text is no event.
    #[error("line {line} is no event: {source}")]
    NotAnEvent {
        /// The line's number, from 1.
        line: usize,
        /// The reason.
        source: serde_json::Error,
    },
    /// The line cannot be read.
    #[error("line {line} cannot be read: {source}")]
    Read {
        /// The line's number, from 1.
        line: usize,
        /// The reason.
        source: io::Error,
    },
}

/// A history file that cannot be read.
#[derive(Debug, Error)]
#[error("the history {}: {source}", path.display())]
#[non_exhaustive]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub source: ReadLineError,
}

impl History {
    /// Reads the files of the processes of a load.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read, or if a line other than a file's last one is no
    /// event.
    pub fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ReadError> {
        let mut history = Self::default();
        for path in paths {
            let path = path.as_ref();
            let opened = File::open(path).map_err(|source| ReadLineError::Read { line: 1, source });
            opened
                .and_then(|file| history.read_lines(BufReader::new(file)))
                .map_err(|source| ReadError {
                    path: path.to_owned(),
                    source,
                })?;
        }
        Ok(history)
    }

    /// Adds the lines of one process. Its last line may lack its end, as that of a killed process
    /// can.
    ///
    /// # Errors
    ///
    /// [`ReadLineError`] if a line cannot be read, or if a line that has its end is no event.
    pub fn read_lines(&mut self, mut lines: impl BufRead) -> Result<(), ReadLineError> {
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let read = lines.read_until(b'\n', &mut text);
            if read.map_err(|source| ReadLineError::Read { line, source })? == 0 {
                break;
            }
            match serde_json::from_slice(&text) {
                Ok(event) => self.events.push(event),
                Err(_) if !text.ends_with(b"\n") => self.cut_lines += 1,
                Err(source) => return Err(ReadLineError::NotAnEvent { line, source }),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{CallId, Operation};

    fn line(number: u64) -> String {
        let sent = Event::Sent {
            call: CallId { process: 3, number },
            at: number,
            operation: Operation::ReadBalances { accounts: vec![] },
        };
        serde_json::to_string(&sent).unwrap()
    }

    #[test]
    fn events_of_several_files_are_read_together() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [0, 1].map(|number| folder.path().join(format!("{number}.jsonl")));
        for (number, path) in (0..).zip(&paths) {
            std::fs::write(path, format!("{}\n{}\n", line(number), line(number + 10))).unwrap();
        }
        let history = History::read(&paths).unwrap();
        assert_eq!((history.events.len(), history.cut_lines), (4, 0));
    }

    #[test]
    fn cut_last_line_is_counted_and_any_other_bad_line_is_an_error() {
        let whole = line(0);
        for length in 1..whole.len() {
            let mut history = History::default();
            let text = format!("{whole}\n{}", &whole[..length]);
            history.read_lines(text.as_bytes()).unwrap();
            assert_eq!((history.events.len(), history.cut_lines), (1, 1), "{text}");
        }
        let text = format!("{whole}\n{}\n{whole}\n", &whole[..20]);
        let error = History::default().read_lines(text.as_bytes()).unwrap_err();
        assert!(
            error.to_string().starts_with("line 2 is no event"),
            "{error}"
        );
    }

    #[test]
    fn missing_file_is_named() {
        let error = History::read(["/nowhere/1.jsonl"]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/1.jsonl"), "{error}");
    }
}

//! The files of a process's history.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::history::Event;

/// The file of the current round. Each line is with the operating system before the call is sent.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: PathBuf,
    process: u32,
    file: Mutex<Option<File>>,
}

impl Recorder {
    pub(crate) const fn new(folder: PathBuf, process: u32) -> Self {
        Self {
            folder,
            process,
            file: Mutex::new(None),
        }
    }

    /// Begins the file of a round.
    pub(crate) fn begin(&self, round: u32) -> anyhow::Result<()> {
        let path = self.folder.join(format!("{round}-{}.jsonl", self.process));
        let file = File::options().create(true).append(true).open(path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    /// Writes a line. A history that cannot be written ends the process: the checker would miss it.
    pub(crate) fn write(&self, event: &Event) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_vec(event).map(|mut line| {
            line.push(b'\n');
            file.as_mut()
                .is_some_and(|file| file.write_all(&line).is_ok())
        });
        if !written.unwrap_or_default() {
            eprintln!("the history cannot be written");
            std::process::exit(3);
        }
    }
}

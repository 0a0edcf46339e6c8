//! The output of a command: tables for people, JSON for programs.

mod block;
mod contract;
mod redact;
mod table;
mod terminal;

pub(crate) use block::{Block, Cell, Column, Style, Table, cell, optional, text};
pub(crate) use contract::{error_as_json, output_as_json};
pub(crate) use neobank_domain::printable::printable;
pub(crate) use redact::redact;
pub(crate) use table::render;
pub(crate) use terminal::{Color, Terminal};

use serde::Serialize;

use crate::error::CommandError;
use crate::exit::Exit;
use crate::nagios::Check;

/// The output of a command, for programs and for people.
#[derive(Debug)]
pub(crate) struct Output {
    /// The command's name in the contract, such as `account show`.
    pub(crate) command: &'static str,
    /// The data of the contract, as the operator's guide documents it.
    pub(crate) data: serde_json::Value,
    /// The output as text.
    pub(crate) blocks: Vec<Block>,
    /// The exit code: [`Exit::Done`] where the command found no problem.
    pub(crate) exit: Exit,
    /// The output as a check, where the command can be one.
    pub(crate) check: Option<Check>,
    /// A text that is printed verbatim instead, such as a shell's script.
    pub(crate) script: Option<String>,
    /// True when the command has printed its output itself.
    pub(crate) is_printed: bool,
}

impl Output {
    /// Builds an output without a problem.
    pub(crate) fn new(
        command: &'static str,
        data: impl Serialize,
        blocks: Vec<Block>,
    ) -> Result<Self, CommandError> {
        let data = serde_json::to_value(data)
            .map_err(|error| CommandError::failed("json", format!("{command}: {error}")))?;
        Ok(Self {
            command,
            data,
            blocks,
            exit: Exit::Done,
            check: None,
            script: None,
            is_printed: false,
        })
    }

    /// Returns the same output, which can be a check.
    pub(crate) fn with_check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Builds an output of a verbatim script; in JSON it is the `text` of the data.
    pub(crate) fn script(command: &'static str, text: String) -> Self {
        Self {
            command,
            data: serde_json::json!({ "text": text }),
            script: Some(text),
            blocks: Vec::new(),
            exit: Exit::Done,
            check: None,
            is_printed: false,
        }
    }

    /// Returns the same output with a sentence below it; in JSON it is a field of the data.
    pub(crate) fn with_note(mut self, field: &str, sentence: String) -> Self {
        if let Some(data) = self.data.as_object_mut() {
            data.insert(field.to_owned(), sentence.as_str().into());
        }
        self.blocks.push(Block::Note(sentence));
        self
    }

    /// Returns the same output, with the exit code of a problem if there is one.
    pub(crate) const fn failed_if(mut self, wrong: bool) -> Self {
        if wrong {
            self.exit = Exit::Rejected;
        }
        self
    }
}

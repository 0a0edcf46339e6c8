//! The settings file of the service: its values are the defaults of the options, so that an option
//! and a variable of the environment take precedence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::OsStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::arguments::COMMAND_LINE_ONLY;

/// The command whose options the file has.
const COMMAND: &str = "serve";

/// The options that a file has not, beside those of the command line only.
const OTHERS: [&str; 3] = ["config", "help", "version"];

/// A settings file that was read: the values of options, by the options' names.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    settings: BTreeMap<String, Setting>,
}

#[derive(Debug)]
struct Setting {
    line: usize,
    values: Vec<String>,
}

impl SettingsFile {
    /// Reads the settings file that the command line or the environment names.
    ///
    /// # Errors
    ///
    /// An error that names the line: a member that is no option, or a value of no text, number or
    /// truth value.
    pub(crate) fn named_by(matches: &ArgMatches, command: &Command) -> Result<Option<Self>, Error> {
        let serve = matches.subcommand_matches(COMMAND);
        let path = serve.and_then(|serve| serve.get_one::<PathBuf>("config"));
        path.map(|path| Self::read(path, command)).transpose()
    }

    fn read(path: &Path, command: &Command) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| invalid(format!("{}: {error}", path.display())))?;
        let table = DeTable::parse(&text);
        let table = table.map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            let message = error.message();
            invalid(format!("{}, line {line}: {message}", path.display()))
        })?;
        let names = option_names(command);
        let mut settings = BTreeMap::new();
        for (name, value) in table.into_inner() {
            let line = line_of(&text, name.span().start);
            let name = name.into_inner().into_owned();
            let at = |fault: &str| invalid(format!("{}, line {line}: {fault}", path.display()));
            if !names.contains(&name) {
                let name = neobank_domain::shortened(&name);
                let known = names.join(", ");
                return Err(at(&format!(
                    "there is no setting {name:?}; there are {known}"
                )));
            }
            let Some(values) = texts(value) else {
                let fault = format!("{name} is a text, a number, true, false or a list of them");
                return Err(at(&fault));
            };
            settings.insert(name, Setting { line, values });
        }
        Ok(Self {
            path: path.to_owned(),
            settings,
        })
    }

    /// Returns the command with the file's values as the defaults of its options.
    pub(crate) fn apply_to(&self, command: Command) -> Command {
        command.mut_subcommand(COMMAND, |serve| {
            serve.mut_args(|argument| {
                let setting = argument.get_long().and_then(|name| self.settings.get(name));
                match setting {
                    Some(setting) => {
                        let values = setting.values.iter();
                        argument.default_values(values.map(|value| OsStr::from(value.clone())))
                    }
                    None => argument,
                }
            })
        })
    }

    /// Returns the error of a wrong value with the file's line, if the value is the file's.
    pub(crate) fn explained(&self, error: Error, matches: &ArgMatches) -> Error {
        let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
            return error;
        };
        let mut settings = self.settings.iter();
        let found = settings.find(|(name, _)| {
            let option = format!("--{name}");
            argument
                .split([' ', '[', '='])
                .next()
                .is_some_and(|text| text == option)
                && !is_given(matches, name)
        });
        let Some((name, setting)) = found else {
            return error;
        };
        let reason = std::error::Error::source(&error).map_or_else(
            || "the value is not allowed".to_owned(),
            ToString::to_string,
        );
        let (path, line) = (self.path.display(), setting.line);
        invalid(format!("{path}, line {line}: {name}: {reason}"))
    }
}

/// Returns true if the command line or the environment has the option.
fn is_given(matches: &ArgMatches, name: &str) -> bool {
    let serve = matches.subcommand_matches(COMMAND);
    let source = serve.and_then(|serve| serve.value_source(&name.replace('-', "_")));
    source.is_some_and(|source| source != ValueSource::DefaultValue)
}

/// Returns the names of the options that a file may have.
fn option_names(command: &Command) -> Vec<String> {
    let serve = command.find_subcommand(COMMAND);
    let arguments = serve.into_iter().flat_map(Command::get_arguments);
    let names = arguments.filter(|argument| !argument.is_global_set());
    let names = names.filter_map(|argument| argument.get_long());
    let names = names.filter(|name| !OTHERS.contains(name) && !COMMAND_LINE_ONLY.contains(name));
    names.map(str::to_owned).collect()
}

/// Returns a value as the command line has it.
fn texts(value: Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    match value.into_inner() {
        DeValue::Array(values) => {
            let values = values.into_iter().map(|value| text(value.into_inner()));
            values.collect()
        }
        value => text(value).map(|text| vec![text]),
    }
}

fn text(value: DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn invalid(message: String) -> Error {
    Error::raw(ErrorKind::InvalidValue, format!("{message}\n"))
}

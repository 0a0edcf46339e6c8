//! The program, from the command line to the exit code.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind as UsageKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use neobank_domain::{MoneyError, shortened};
use neobank_ops::checks::Severity;
use serde_json::Value;

use crate::arguments::{Arguments, CheckArguments, Command};
use crate::commands;
#[cfg(feature = "serve")]
use crate::commands::serve::SettingsFile;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::logging;
use crate::nagios::{self, exit_code};
use crate::output::{
    Color, Output, Terminal, error_as_json, output_as_json, printable, redact, render,
};
use crate::schema;

/// Runs the program: reads the arguments (the first is the program's name), executes the command,
/// prints its output and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match parse(&arguments) {
        Ok(read) => run(read),
        Err(mut error) => match invalid_amount(&error) {
            Some(invalid) => {
                let wants_json = has_option(&arguments, "--json");
                reported(&invalid, &named_command(&arguments), wants_json)
            }
            None => {
                cut_values(&mut error);
                misread(&error, &arguments)
            }
        },
    }
}

/// Returns the tree of the commands with their arguments, as the program reads them.
#[must_use]
pub fn command() -> clap::Command {
    with_negative_numbers(Arguments::command())
}

fn parse(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    #[cfg(feature = "serve")]
    if let Some(file) = SettingsFile::named_by(&matches, &command)? {
        command = file.apply_to(self::command());
        let with_file = command.try_get_matches_from_mut(arguments);
        matches = with_file.map_err(|error| file.explained(error, &matches))?;
    }
    Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Lets every argument take a negative number as its value, so that the argument's own rule rejects
/// it and not the parser of options.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let has_value = argument.get_action().takes_values();
        if has_value {
            argument.allow_negative_numbers(true)
        } else {
            argument
        }
    });
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, with_negative_numbers)
    })
}

fn run(arguments: Arguments) -> ExitCode {
    let errors = Terminal::of_errors(arguments.global.color);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = CommandError::failed("runtime", format!("no threads: {error}"));
            return failed(&arguments, &error);
        }
    };
    #[cfg(feature = "otlp")]
    if let Command::Serve(serve) = &arguments.command {
        let _entered = runtime.enter();
        if let Err(error) = serve.start_telemetry() {
            return failed(&arguments, &error);
        }
    }
    if !owns_the_terminal(&arguments.command) {
        let is_service = arguments.command.is_service();
        logging::start(arguments.global.verbose, is_service, errors.colored);
    }
    if arguments.global.json && check_arguments(&arguments.command).is_some() {
        // clap does not see this conflict where --json stands before the command.
        let error =
            CommandError::usage("--check prints a line for a monitoring system: not with --json");
        let document = error_as_json(arguments.command.name(), &error);
        return printed(&document, exit_code(Severity::Unknown));
    }
    let outcome = runtime.block_on(outcome(&arguments));
    // Results of tasks that still wait for the network are not needed.
    runtime.shutdown_background();
    match outcome {
        Ok(output) => print_output(&arguments, &output),
        Err(error) => failed(&arguments, &error),
    }
}

/// Runs the command, within a check's time limit.
async fn outcome(arguments: &Arguments) -> Result<Output, CommandError> {
    let check = check_arguments(&arguments.command);
    let host = check.and_then(|check| check.hostname.clone());
    let connection = Connection::new(arguments.global.url.clone())
        .with_host(host)
        .with_actor(arguments.global.actor.clone());
    let work = async {
        match commands::run(&arguments.command, &connection, arguments.global.json).await {
            Ok(output) => Ok(with_schema(output, &arguments.command, &connection).await),
            Err(error) => Err(schema::explained(error, &connection).await),
        }
    };
    let Some(seconds) = check.and_then(|check| check.timeout) else {
        return work.await;
    };
    let late = || CommandError::failed("unavailable", format!("no result within {seconds} s"));
    let limit = Duration::from_secs(seconds);
    let outcome = tokio::time::timeout(limit, work).await;
    outcome.unwrap_or_else(|_| Err(late()))
}

/// Returns the output of monitoring, with the command to run where a section is n/a because the
/// schema has another version.
async fn with_schema(output: Output, command: &Command, connection: &Connection) -> Output {
    if !matches!(command, Command::Ops(_)) || !has_missing(&output.data) {
        return output;
    }
    match schema::sentence(connection).await {
        Ok(Some(sentence)) => output.with_note("schema", sentence),
        _ => output,
    }
}

/// Returns true when a section of the output is n/a because an object or an extension is missing.
fn has_missing(data: &Value) -> bool {
    match data {
        Value::Object(fields) => {
            fields.get("cause").is_some_and(|cause| cause == "missing")
                || fields.values().any(has_missing)
        }
        Value::Array(values) => values.iter().any(has_missing),
        _ => false,
    }
}

/// A log line on the terminal would corrupt a live view; a log in a file does not.
fn owns_the_terminal(command: &Command) -> bool {
    let is_live = matches!(command, Command::Top(options) if !options.once);
    is_live && std::io::stderr().is_terminal()
}

fn print_output(arguments: &Arguments, output: &Output) -> ExitCode {
    if let (Some(options), Some(check)) = (check_arguments(&arguments.command), &output.check) {
        let check = check
            .clone()
            .with_thresholds(options.warning, options.critical);
        return checked(&check.line(), check.severity());
    }
    if output.is_printed {
        return output.exit.into();
    }
    let text = if arguments.global.json {
        output_as_json(output.command, &output.data)
    } else if let Some(script) = &output.script {
        script.clone()
    } else {
        render(&output.blocks, Terminal::of_output(arguments.global.color))
    };
    printed(&text, output.exit.into())
}

fn failed(arguments: &Arguments, error: &CommandError) -> ExitCode {
    let command = arguments.command.name();
    if check_arguments(&arguments.command).is_some() {
        // The same name as in the line of a successful check.
        let service = command.strip_prefix("ops ").unwrap_or(command);
        return checked(&nagios::unknown(service, error), Severity::Unknown);
    }
    reported(error, command, arguments.global.json)
}

/// Prints an error, as JSON on standard output where the caller wants it.
fn reported(error: &CommandError, command: &str, wants_json: bool) -> ExitCode {
    if wants_json {
        let document = error_as_json(command, &error.redacted());
        return printed(&document, error.exit.into());
    }
    print_error(&format!("error: {}\n", printable(&redact(&error.message))));
    error.exit.into()
}

fn check_arguments(command: &Command) -> Option<&CheckArguments> {
    command.check().filter(|arguments| arguments.check)
}

/// Prints the error of an invalid command line, or the requested help.
fn misread(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let is_help = matches!(
        error.kind(),
        UsageKind::DisplayHelp | UsageKind::DisplayVersion
    );
    let terminal = if is_help {
        Terminal::of_output(Color::Auto)
    } else {
        Terminal::of_errors(Color::Auto)
    };
    let page = error.render();
    let page = if terminal.colored {
        page.ansi().to_string()
    } else {
        page.to_string()
    };
    let has = |option: &str| has_option(arguments, option);
    if is_help && has("--json") {
        let data = serde_json::json!({ "text": error.render().to_string() });
        let document = output_as_json(&named_command(arguments), &data);
        return printed(&document, Exit::Done.into());
    }
    if is_help {
        return printed(&page, Exit::Done.into());
    }
    let page = redact(&page);
    // The --check of an import and of the service is no check of a monitoring system.
    let is_other = ["import", "serve"].contains(&named_command(arguments).as_str());
    let is_check = has("--check") && !is_other;
    if has("--json") {
        let message = redact(error.render().to_string().trim_end());
        let document = error_as_json(&named_command(arguments), &CommandError::usage(message));
        // Beside --check, the exit code is that of a check.
        let code = if is_check {
            exit_code(Severity::Unknown)
        } else {
            Exit::Usage.into()
        };
        return printed(&document, code);
    }
    // A monitoring system would take the exit code 2 of a misspelt option for a critical state.
    if is_check {
        let line = page.lines().next().unwrap_or("wrong usage");
        let error = CommandError::usage(line.to_owned());
        return checked(&nagios::unknown("usage", &error), Severity::Unknown);
    }
    print_error(&page);
    Exit::Usage.into()
}

/// Cuts the texts that an invalid command line repeats, as every other error does.
fn cut_values(error: &mut clap::Error) {
    for kind in [
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
    ] {
        if let Some(ContextValue::String(text)) = error.get(kind) {
            let cut = shortened(text);
            error.insert(kind, ContextValue::String(cut));
        }
    }
}

/// Returns the error of a number that is no amount in its currency. It is rejected as the ledger
/// rejects it, not as wrong usage.
fn invalid_amount(error: &clap::Error) -> Option<CommandError> {
    let error = std::error::Error::source(error)?.downcast_ref::<MoneyError>()?;
    match error {
        MoneyError::NoCurrency { .. } | MoneyError::UnknownCurrency { .. } => None,
        other => Some(other.clone().into()),
    }
}

/// Returns `true` if an option occurs in an invalid command line.
fn has_option(arguments: &[OsString], option: &str) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == option)
}

/// Returns the command of an invalid command line, as the contract names it; empty where it names
/// none.
fn named_command(arguments: &[OsString]) -> String {
    let mut names = Vec::new();
    let mut command = Arguments::command();
    for argument in arguments.iter().skip(1).filter_map(|one| one.to_str()) {
        let Some(named) = command.find_subcommand(argument).cloned() else {
            continue;
        };
        names.push(named.get_name().to_owned());
        command = named;
    }
    names.join(" ")
}

/// Prints the line of a check. If that fails, the check is unknown, because another exit code would
/// be read as a warning.
fn checked(line: &str, severity: Severity) -> ExitCode {
    printed_or(line, exit_code(severity), exit_code(Severity::Unknown))
}

/// Prints on standard output; a failure to print is a failure of the command.
fn printed(text: &str, code: ExitCode) -> ExitCode {
    printed_or(text, code, Exit::Failed.into())
}

/// Prints on standard output. A closed pipe is no failure, because its reader needs no more.
fn printed_or(text: &str, code: ExitCode, failure: ExitCode) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Ok(()) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            print_error(&format!("error: the output cannot be printed: {error}\n"));
            failure
        }
    }
}

/// Prints on standard error. A failure is ignored, because there is no other stream for it.
fn print_error(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

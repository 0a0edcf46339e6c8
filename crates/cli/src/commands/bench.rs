//! The command `neobank bench`.

use std::io::IsTerminal as _;

use neobank_bench::{BenchError, Options, Subject};
use serde::Serialize;

use crate::connection::Connection;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::output::{Block, Output};

pub(crate) async fn run(
    options: &Options,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let mut options = options.clone();
    // A benchmark loads only a server that the command line names, never one from the environment.
    options.server.url = connection.given_as_url()?;
    options.quiet |= !std::io::stderr().is_terminal();
    match options.subject {
        Subject::Ways => output(neobank_bench::run(&options).await),
        Subject::Costs => output(neobank_bench::costs(&options).await),
        Subject::Growth => output(neobank_bench::growth(&options).await),
        Subject::Knee => output(neobank_bench::knee(&options).await),
        Subject::Faults => output(neobank_bench::faults(&options).await),
        Subject::Soak => {
            let soak = neobank_bench::soak(&options).await;
            let failed = soak
                .as_ref()
                .is_ok_and(|soak| soak.grows || soak.unsound.is_some());
            let mut output = output(soak)?;
            if failed {
                output.exit = Exit::Rejected;
            }
            Ok(output)
        }
    }
}

/// The role may not create a database.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The server is a standby, or read only for another reason.
const READ_ONLY: &str = "25006";

fn output(measured: Result<impl Serialize + ToString, BenchError>) -> Result<Output, CommandError> {
    let measured = measured.map_err(|error| match error {
        BenchError::Option { .. } => CommandError::usage(error.to_string()),
        BenchError::Config(error) => error.into(),
        BenchError::Database(error) => error.into(),
        BenchError::Migration(error) => error.into(),
        BenchError::Ledger(error) => error.into(),
        error if error.sqlstate() == Some(INSUFFICIENT_PRIVILEGE) => {
            CommandError::failed("privilege", error)
        }
        error if error.sqlstate() == Some(READ_ONLY) => CommandError::failed("read_only", error),
        error if error.is_unreachable() => CommandError::failed("connection", error),
        error => CommandError::failed("bench", error),
    })?;
    let text = measured.to_string();
    Output::new("bench", measured, vec![Block::Text(text)])
}

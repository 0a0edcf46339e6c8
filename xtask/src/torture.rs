//! The command `cargo xtask torture`: builds the bench of faults, and runs it.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::files::project_root;
use crate::test::cargo;

/// Injects faults into a server under load, and checks every answer against the books.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct TortureArguments {
    /// Arguments of the bench: --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &TortureArguments) -> anyhow::Result<ExitCode> {
    // The bench runs in the caller's folder, to which a report's path is relative.
    let status = cargo()
        .args([
            "run",
            "--quiet",
            "--package",
            "neobank-torture",
            "--manifest-path",
        ])
        .arg(project_root().join("Cargo.toml"))
        .arg("--")
        .args(&arguments.rest)
        .status()
        .context("cannot run cargo run")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

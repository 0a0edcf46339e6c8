//! The command `cargo xtask test`: installs the tests' requirements, then runs the tests.

use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Args;

use crate::files::project_root;

/// Makes PostgreSQL 15 and 18 available, then runs every test and every example of the workspace.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Arguments of `cargo test`, such as the name of a test
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &TestArguments) -> anyhow::Result<ExitCode> {
    let install = project_root().join("scripts/install-servers");
    let status = Command::new(&install)
        .status()
        .with_context(|| format!("cannot run {}", install.display()))?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut test = cargo();
    let status = test
        .current_dir(project_root())
        .args(["test", "--workspace"])
        .args(&arguments.rest)
        .status()
        .context("cannot run cargo test")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns a command of cargo, without the variables that cargo has set for this package: build
/// scripts would run again if they saw them.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_this_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

fn is_of_this_package(variable: &str) -> bool {
    const STARTS: [&str; 5] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ];
    STARTS.iter().any(|start| variable.starts_with(start))
}

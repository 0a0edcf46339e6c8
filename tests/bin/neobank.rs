//! The operator's command as the integration tests run it: the same program as the binary of `crates/cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    neobank_cli::main(std::env::args_os())
}

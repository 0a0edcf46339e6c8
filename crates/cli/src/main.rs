//! The operator's command; the code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    neobank_cli::main(std::env::args_os())
}

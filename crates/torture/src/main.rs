//! The program of the bench of faults; `cargo xtask torture` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    neobank_torture::main()
}

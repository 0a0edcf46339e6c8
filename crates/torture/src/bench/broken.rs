//! The command that breaks a ledger on purpose, to show that the checker finds it.

use std::process::ExitCode;

use clap::Args;

use crate::checker::{Violation, check};
use crate::simulation::{Settings, broken_ledgers, simulate};

/// Checks seven ledgers that are broken on purpose, and a right one
#[derive(Debug, Args)]
pub(crate) struct BrokenArguments {
    /// The seed of the load
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Prints what the checker finds in each ledger. Fails unless it finds the invariant that each defect
/// breaks, and nothing in the right ledger.
pub(crate) fn run(arguments: &BrokenArguments) -> ExitCode {
    let seed = arguments.seed;
    let (history, books) = simulate(&Settings::new(seed));
    let right = check(&history, &books);
    println!("seed {seed}: {}", right.checked);
    let mut is_good = right.violations.is_empty();
    print(
        "right",
        if is_good { "sound" } else { "NOT SOUND" },
        &right.violations,
    );
    for (defect, mut violations) in broken_ledgers(seed) {
        violations.retain(|violation| violation.invariant == defect.violates());
        let is_found = !violations.is_empty();
        let verdict = if is_found { "found" } else { "NOT FOUND" };
        print(defect.name(), verdict, &violations);
        is_good &= is_found;
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints a ledger's verdict and the first violation, within 80 columns where the names are short.
fn print(ledger: &str, verdict: &str, violations: &[Violation]) {
    println!(
        "{ledger:<40}{verdict:<12}{:>4} violations",
        violations.len()
    );
    if let Some(first) = violations.first() {
        println!("    {first}");
    }
}

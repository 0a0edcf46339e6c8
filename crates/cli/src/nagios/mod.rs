//! Output for Nagios, Icinga and other programs of their plugin protocol: one line, performance
//! data, an exit code.
//!
//! It follows the Monitoring Plugins Development Guidelines,
//! <https://www.monitoring-plugins.org/doc/guidelines.html>.

mod line;
mod measure;

pub(crate) use line::{Check, unknown};
pub(crate) use measure::Measure;

use std::process::ExitCode;

use neobank_ops::checks::Severity;

/// Returns the exit code of a plugin.
pub(crate) fn exit_code(severity: Severity) -> ExitCode {
    severity.code().into()
}

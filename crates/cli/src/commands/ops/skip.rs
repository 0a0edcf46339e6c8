//! The option `--skip NAME`, for sections that are not queried.

use clap::Args;
use neobank_domain::shortened;
use neobank_ops::checks::Scope;

use crate::error::CommandError;

/// The sections that a command with several of them skips.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SkipArguments {
    /// Skip this section, for example because another tool watches it; can be given several times
    #[arg(long, value_name = "NAME", help_heading = "Monitoring")]
    skip: Vec<String>,
}

impl SkipArguments {
    /// Returns true for a section that the caller named with `--skip`.
    pub(super) fn leaves_out(&self, name: &str) -> bool {
        self.skip.iter().any(|skipped| skipped == name)
    }

    /// Returns the same scope without the sections that the caller named.
    pub(super) fn apply(&self, scope: Scope) -> Scope {
        scope.without_sections(self.skip.iter().cloned())
    }

    /// Rejects a name that no section has, and a command that skips all sections, because a check
    /// without queries always passes.
    pub(super) fn check(&self, sections: &[&str]) -> Result<(), CommandError> {
        let unknown = self
            .skip
            .iter()
            .find(|skipped| !sections.contains(&skipped.as_str()));
        if let Some(unknown) = unknown {
            return Err(CommandError::usage(format!(
                "--skip {}: there is no such section; the sections are {}",
                shortened(unknown),
                sections.join(", ")
            )));
        }
        if sections.iter().all(|section| self.leaves_out(section)) {
            return Err(CommandError::usage("--skip leaves no section"));
        }
        Ok(())
    }
}

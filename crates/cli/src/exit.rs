//! What the program tells its caller by its exit code.

use std::process::ExitCode;

/// How a command ended, outside of `--check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, and nothing is wrong.
    Done,
    /// 1: refused or failed, or what was looked at is not as it should be.
    Failed,
    /// 2: the command line, the environment or a file of settings is wrong; nothing was done.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        })
    }
}

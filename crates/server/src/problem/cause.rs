//! The cause of a failure, which the log has and the caller does not learn.

use std::fmt::Display;

use tracing::Level;

use super::Problem;
use crate::trace::TraceId;

/// The cause of a failure, which the log has and the caller does not learn.
#[derive(Debug)]
pub(super) struct Cause {
    level: Level,
    text: String,
}

impl Cause {
    /// Returns a cause with its level in the log, which is `ERROR` or `WARN`.
    pub(super) fn new(level: Level, subject: &str, error: impl Display) -> Self {
        Self {
            level,
            text: format!("{subject}: {error}"),
        }
    }
}

impl Problem {
    pub(super) fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Logs the cause, with the identifiers of the request that failed.
    pub(crate) fn log(&self, request: &str, trace: TraceId) {
        let Some(Cause { level, text }) = &self.cause else {
            return;
        };
        if *level == Level::ERROR {
            tracing::error!(request, %trace, "{text}");
        } else {
            tracing::warn!(request, %trace, "{text}");
        }
    }
}

//! The severity of a session in a live view.

use super::Severity;

/// Returns the severity of a session's state: critical while it waits for a lock or its transaction
/// failed and stays open, a warning while it holds a transaction open without work.
#[must_use]
pub fn session_severity(state: Option<&str>, is_waiting_for_lock: bool) -> Severity {
    match state {
        _ if is_waiting_for_lock => Severity::Critical,
        Some("active" | "idle") | None => Severity::Ok,
        Some("idle in transaction (aborted)") => Severity::Critical,
        Some(_) => Severity::Warning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_and_idle_in_transaction_sessions_alert() {
        for (state, is_waiting, expected) in [
            (Some("active"), false, Severity::Ok),
            (Some("idle"), false, Severity::Ok),
            (None, false, Severity::Ok),
            (Some("idle in transaction"), false, Severity::Warning),
            (
                Some("idle in transaction (aborted)"),
                false,
                Severity::Critical,
            ),
            (Some("active"), true, Severity::Critical),
            (None, true, Severity::Critical),
        ] {
            assert_eq!(session_severity(state, is_waiting), expected, "{state:?}");
        }
    }
}

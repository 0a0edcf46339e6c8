//! The program's exit codes, and the rule that maps errors to them.

use std::process::ExitCode;

use neobank_domain::ErrorKind;

/// The result of a command, outside of `--check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, without a problem.
    Done,
    /// 1: rejected by a rule, or the command found a problem.
    Rejected,
    /// 2: the command line, the environment or a settings file is invalid; nothing was done.
    Usage,
    /// 3: an account, a customer or another named object does not exist.
    NotFound,
    /// 4: the request may have taken effect, or is less durable than required.
    Unknown,
    /// 5: the server cannot be reached, was lost, or has no capacity at present.
    Unavailable,
    /// 6: the role or its password does not give the privilege.
    Denied,
    /// 7: a file, a terminal, the program or the server failed in another way.
    Failed,
}

impl Exit {
    /// Every exit, in the order of the codes.
    pub(crate) const ALL: [Self; 8] = [
        Self::Done,
        Self::Rejected,
        Self::Usage,
        Self::NotFound,
        Self::Unknown,
        Self::Unavailable,
        Self::Denied,
        Self::Failed,
    ];

    /// Returns the code for the caller's shell.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Rejected => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unknown => 4,
            Self::Unavailable => 5,
            Self::Denied => 6,
            Self::Failed => 7,
        }
    }

    /// Returns the meaning, as the help, the manual pages and the operator's guide give it.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rejected => {
                "rejected by a rule of the bank, nothing was changed; or a problem was found \
                 (a violation, a pending migration, a section that is n/a)"
            }
            Self::Usage => {
                "wrong usage: an argument, a variable or the content of a file; nothing was done"
            }
            Self::NotFound => "an account, a customer or another named object does not exist",
            Self::Unknown => {
                "the result is unknown, or a standby did not confirm it; \
                 send the same request again with the same key"
            }
            Self::Unavailable => {
                "the server cannot be reached, was lost, accepts no writes, or did not respond in time; \
                 no money was moved, try again later"
            }
            Self::Denied => "the role or its password does not have the privilege",
            Self::Failed => "a file, a terminal, the program or the server failed in another way",
        }
    }

    /// Returns the exit of an error that does not come from the domain, by the error's name in the
    /// contract. An unlisted name is a rejection: each of the many rules has its own name.
    pub(crate) fn of_kind(kind: &str) -> Self {
        match kind {
            "usage" | "configuration" | "pool_size" | "pgbouncer" | "pooler" => Self::Usage,
            "unknown_account" | "unknown_customer" | "unknown_hold" | "unknown_limit"
            | "unknown_transfer" | "unknown_api_key" | "unknown_webhook" => Self::NotFound,
            "outcome_unknown" | "not_replicated" => Self::Unknown,
            "connection" | "unavailable" | "busy" | "lock_timeout" | "statement_timeout"
            | "read_only" => Self::Unavailable,
            "privilege" | "authorization" | "role" => Self::Denied,
            "account"
            | "bench"
            | "completions"
            | "csv"
            | "customer"
            | "database"
            | "file"
            | "hostile_setting"
            | "isolation"
            | "json"
            | "ledger"
            | "listen"
            | "ops"
            | "rollout"
            | "runtime"
            | "statement"
            | "terminal"
            | "unsupported_version" => Self::Failed,
            _ => Self::Rejected,
        }
    }

    /// Returns the exit of a domain's class of errors.
    pub(crate) const fn of_class(class: ErrorKind) -> Self {
        match class {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Rejected | ErrorKind::SchemaMismatch => Self::Rejected,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::OutcomeUnknown | ErrorKind::NotReplicated => Self::Unknown,
            _ => Self::Failed,
        }
    }

    /// Returns the table of codes for help texts.
    pub(crate) fn table() -> String {
        let mut table = String::from("Exit codes, without --check:\n");
        for exit in Self::ALL {
            table.push_str(&format!("  {}  {}\n", exit.code(), exit.meaning()));
        }
        table.push_str("With --check: 0 ok, 1 warning, 2 critical, 3 unknown.");
        table
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_the_guide_has_each_with_its_meaning() {
        let guide = include_str!("../../../docs/operators-guide.md");
        for (number, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), number);
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(guide.contains(&row), "missing in the guide: {row}");
        }
    }

    #[test]
    fn each_class_of_error_has_its_exit() {
        for (kind, exit) in [
            ("usage", Exit::Usage),
            ("insufficient_funds", Exit::Rejected),
            ("unknown_account", Exit::NotFound),
            ("outcome_unknown", Exit::Unknown),
            ("connection", Exit::Unavailable),
            ("privilege", Exit::Denied),
            ("database", Exit::Failed),
        ] {
            assert_eq!(Exit::of_kind(kind), exit, "{kind}");
        }
    }
}

//! The report for a caller that got no connection.

use std::fmt;
use std::time::Duration;

use super::checkouts::Checkout;

/// The reason why there was no connection: the longest checkouts, and advice. Contains no
/// parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReport {
    /// The longest checkouts, five at most.
    pub checkouts: Vec<Checkout>,
    /// The most likely cause, and the remedy.
    pub advice: Advice,
}

/// The most likely cause for which callers of a pool wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Connections cannot be opened.
    CannotOpen {
        /// The last error of the network or the server.
        reason: String,
    },
    /// Most connections are checked out by callers that run no statement: leaked, or held over slow
    /// work elsewhere.
    HeldIdle,
    /// Most connections run the same statement, which may wait for a lock.
    SameStatement {
        /// The pattern of the statement.
        statement: String,
    },
    /// Most connections are being rolled back, because their callers dropped them.
    Recovering,
    /// Every connection is busy.
    Busy,
}

/// The highest number of checkouts in a report.
pub(crate) const NAMED: usize = 5;

impl Advice {
    /// Determines the most likely cause from the open checkouts.
    pub(crate) fn for_checkouts(
        checkouts: &[Checkout],
        last_failure: Option<String>,
        acquire_timeout: Duration,
    ) -> Self {
        let most = |count: usize| count > 0 && count * 2 >= checkouts.len();
        if let Some(reason) = last_failure {
            return Self::CannotOpen { reason };
        }
        if most(
            checkouts
                .iter()
                .filter(|checkout| checkout.recovering)
                .count(),
        ) {
            return Self::Recovering;
        }
        let is_idle = |checkout: &&Checkout| {
            checkout.running.is_none() && checkout.held >= acquire_timeout / 2
        };
        if most(checkouts.iter().filter(is_idle).count()) {
            return Self::HeldIdle;
        }
        let running = checkouts
            .iter()
            .filter(|checkout| checkout.running.is_some());
        let longest = running.max_by_key(|checkout| checkout.running);
        if let Some(statement) = longest.and_then(|checkout| checkout.statement.clone()) {
            let same = checkouts.iter().filter(|checkout| {
                checkout.running.is_some() && checkout.statement.as_ref() == Some(&statement)
            });
            if checkouts.len() > 1 && most(same.count()) {
                return Self::SameStatement {
                    statement: statement.to_string(),
                };
            }
        }
        Self::Busy
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotOpen { reason } => write!(
                formatter,
                "connections cannot be opened ({reason}): look at the server and the network first"
            ),
            Self::HeldIdle => formatter.write_str(
                "connections are held by owners that run nothing: look for a leak, or for slow work elsewhere inside a \
                 transaction; a larger pool does not help",
            ),
            Self::SameStatement { statement } => write!(
                formatter,
                "most connections run the same statement: look for a lock that it waits for, or for its plan; a larger \
                 pool does not help ({statement})"
            ),
            Self::Recovering => formatter.write_str(
                "connections are being rolled back after their owners went away: look for callers with a limit that is \
                 too short",
            ),
            Self::Busy => formatter.write_str(
                "every connection is busy: look whether the server's processors are saturated; if they are not, the pool is \
                 too small",
            ),
        }
    }
}

impl fmt::Display for PoolReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.advice.fmt(formatter)?;
        if !self.checkouts.is_empty() {
            formatter.write_str("; held longest: ")?;
            for (place, checkout) in self.checkouts.iter().enumerate() {
                let separator = if place == 0 { "" } else { "; " };
                write!(formatter, "{separator}{checkout}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(statement: Option<&str>, running: bool, held: u64) -> Checkout {
        Checkout {
            connection: 1,
            taken_at: "src/teller.rs:7:9".to_owned(),
            held: Duration::from_millis(held),
            statement: statement.map(std::sync::Arc::from),
            running: running.then_some(Duration::from_millis(held)),
            recovering: false,
        }
    }

    fn advice(checkouts: &[Checkout]) -> Advice {
        Advice::for_checkouts(checkouts, None, Duration::from_secs(1))
    }

    #[test]
    fn each_advice_has_its_case() {
        let idle = checkout(Some("SELECT ?"), false, 5000);
        let busy = checkout(Some("SELECT ?"), true, 900);
        let other = checkout(Some("UPDATE t SET a = ?"), true, 100);
        let third = checkout(Some("DELETE FROM t"), true, 90);
        let mut recovering = idle.clone();
        recovering.recovering = true;
        assert_eq!(
            advice(&[idle.clone(), idle.clone(), busy.clone()]),
            Advice::HeldIdle
        );
        assert_eq!(advice(&[recovering, busy.clone()]), Advice::Recovering);
        let same = Advice::SameStatement {
            statement: "SELECT ?".to_owned(),
        };
        assert_eq!(advice(&[busy.clone(), busy.clone(), other.clone()]), same);
        assert_eq!(advice(&[busy, other, third]), Advice::Busy);
        assert_eq!(advice(&[]), Advice::Busy);
        let reason = "connection refused".to_owned();
        assert_eq!(
            Advice::for_checkouts(&[idle], Some(reason.clone()), Duration::from_secs(1)),
            Advice::CannotOpen { reason }
        );
    }

    #[test]
    fn report_names_location_duration_and_statement() {
        let report = PoolReport {
            checkouts: vec![
                checkout(Some("SELECT ?"), false, 5250),
                checkout(None, false, 40),
            ],
            advice: Advice::HeldIdle,
        };
        let text = report.to_string();
        assert!(
            text.contains(
                "held longest: src/teller.rs:7:9 for 5.25s, running nothing since: SELECT ?; "
            ),
            "{text}"
        );
        assert!(
            text.ends_with("src/teller.rs:7:9 for 40ms, has sent no statement"),
            "{text}"
        );
    }
}

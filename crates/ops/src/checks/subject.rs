//! The registry of subjects.

use serde::{Serialize, Serializer};

use super::{
    Metric, bloat, cache, connections, deadlocks, health, idle, indexes, locks, sealing,
    statements, transactions, vacuum,
};
use crate::error::OpsError;

/// Defines the enum of subjects, its list, and the texts about each. Each subject has one entry
/// here. Renderers iterate over [`Subject::ALL`], or match on [`Findings`](super::Findings), which
/// the compiler checks.
macro_rules! subjects {
    ($($(#[$meta:meta])* $subject:ident: $module:ident, $title:literal, $description:literal;)+) => {
        /// A subject of a check. The enum is exhaustive: a program that shows each subject in its
        /// own way does not compile until it handles a new one. A program that only shows verdicts
        /// needs no change.
        ///
        /// # Example
        ///
        /// ```
        /// use neobank_ops::checks::Subject;
        ///
        /// let subject: Subject = "locks".parse()?;
        /// assert_eq!(subject, Subject::Locks);
        /// assert_eq!(subject.metrics()[0].exported_name, "locks_longest_wait_seconds");
        /// assert!(Subject::ALL.contains(&subject));
        /// # Ok::<(), neobank_ops::OpsError>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Subject {
            $(#[doc = concat!($description, ".")] $subject,)+
        }

        impl Subject {
            /// Every subject, in the order of a report.
            pub const ALL: [Self; [$($title),+].len()] = [$(Self::$subject),+];

            /// Returns the name in the JSON contract, on the command line and in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$subject => stringify!($module),)+ }
            }

            /// Returns the readable name.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$subject => $title,)+ }
            }

            /// Returns a description in one line.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$subject => $description,)+ }
            }

            /// Returns the subject's metrics. A plugin's `--warning` and `--critical` apply to the
            /// first.
            #[must_use]
            pub fn metrics(self) -> &'static [&'static Metric] {
                match self { $(Self::$subject => $module::METRICS,)+ }
            }

            /// Returns the names of the sections, each of which may be unavailable on its own. A
            /// subject with one section has none.
            #[must_use]
            pub const fn sections(self) -> &'static [&'static str] {
                match self { $(Self::$subject => $module::SECTIONS,)+ }
            }
        }
    };
}

subjects! {
    Connections: connections, "Connections",
        "The limits of connections, and their use";
    Idle: idle, "Idle connections",
        "Idle connections, above all those in a transaction";
    Locks: locks, "Locks and blocking sessions",
        "Blocking sessions, deadlocks and waits, with advice";
    Deadlocks: deadlocks, "Deadlocks",
        "Past deadlocks, and sessions at risk of one";
    Health: health, "Health of the server and of the pools",
        "Problems of the server, its settings and its pools, with advice";
    Transactions: transactions, "Long transactions",
        "Transactions that stay open for a long time";
    Statements: statements, "Slowest statements",
        "The statements with the most execution time, from pg_stat_statements";
    Cache: cache, "Buffer cache",
        "The hit ratio of the server's buffers";
    Bloat: bloat, "Bloat (estimated)",
        "Free space in tables and indexes, estimated with a margin";
    Indexes: indexes, "Indexes that cost more than they help",
        "Indexes that are invalid, duplicate or unused";
    Vacuum: vacuum, "Vacuum: xmin horizon and wraparound",
        "The sessions and slots that hold back vacuum, and transaction ID wraparound";
    Sealing: sealing, "Sealing and consumers of events",
        "The lags of the sealer and of the consumers of events";
}

impl std::fmt::Display for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Subject {
    type Err = OpsError;

    fn from_str(text: &str) -> Result<Self, OpsError> {
        let found = Self::ALL.into_iter().find(|subject| subject.name() == text);
        found.ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            let names = Self::ALL.map(Self::name).join(", ");
            OpsError::invalid("subject", &shown, format!("one of {names}"))
        })
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::checks::Unit;

    #[test]
    fn every_metric_has_an_exported_name_and_a_description_of_its_own() {
        let metrics = || Subject::ALL.into_iter().flat_map(Subject::metrics);
        let names: BTreeSet<_> = metrics().map(|metric| metric.exported_name).collect();
        let descriptions: BTreeSet<_> = metrics().map(|metric| metric.description).collect();
        assert_eq!(names.len(), metrics().count());
        assert_eq!(descriptions.len(), metrics().count());
        for metric in metrics() {
            let suffix = match metric.unit {
                Unit::Percent => "_ratio",
                Unit::Seconds | Unit::Milliseconds => "_seconds",
                Unit::Kibibytes => "_bytes",
                Unit::Count => "",
            };
            assert!(metric.exported_name.ends_with(suffix), "{metric:?}");
            assert!(metric.description.ends_with('.'), "{metric:?}");
        }
    }

    #[test]
    fn metrics_of_a_subject_with_sections_begin_with_the_name_of_a_section() {
        for subject in Subject::ALL {
            let names: BTreeSet<_> = subject.metrics().iter().map(|one| one.name).collect();
            assert_eq!(names.len(), subject.metrics().len(), "{subject}");
            for name in names {
                let begins = |section: &&str| name.starts_with(&format!("{section}_"));
                let is_of_one = subject.sections().iter().any(begins);
                assert!(
                    is_of_one || subject.sections().is_empty(),
                    "{subject} {name}"
                );
            }
        }
    }

    #[test]
    fn names_parse_back_and_others_are_rejected() {
        for subject in Subject::ALL {
            assert_eq!(subject.name().parse::<Subject>().unwrap(), subject);
        }
        let error = "lokcs".parse::<Subject>().unwrap_err().to_string();
        assert!(error.starts_with("subject is lokcs, but must be one of connections, idle"));
    }
}

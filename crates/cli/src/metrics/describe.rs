//! The names and help texts of the figures, after Prometheus' rules: base units, and one true sentence for each.

use crate::nagios::{Measure, Unit};

/// A figure as Prometheus gets it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Described {
    /// Its name without `neobank_`.
    pub(super) name: String,
    pub(super) help: String,
    /// In base units.
    pub(super) value: f64,
}

/// Section, label of the measure, name, help.
const FIGURES: &[(&str, &str, &str, &str)] = &[
    (
        "connections",
        "limits_usage",
        "connections_usage_ratio",
        "Connections in use, as a share of those that clients may open.",
    ),
    (
        "connections",
        "limits_used",
        "connections_used",
        "Connections in use by clients.",
    ),
    (
        "connections",
        "limits_usable",
        "connections_usable",
        "Connections that clients may open at most.",
    ),
    (
        "connections",
        "analysis_active",
        "connections_active",
        "Connections that run a statement.",
    ),
    (
        "connections",
        "analysis_idle",
        "connections_idle",
        "Connections that do nothing, outside of a transaction.",
    ),
    (
        "connections",
        "analysis_idle_in_transaction",
        "connections_idle_in_transaction",
        "Connections that do nothing and hold a transaction open.",
    ),
    (
        "connections",
        "analysis_waiting_for_lock",
        "connections_waiting_for_lock",
        "Connections that wait for a lock.",
    ),
    (
        "idle",
        "longest_in_transaction",
        "idle_in_transaction_longest_seconds",
        "The longest time that an idle session has held a transaction open.",
    ),
    (
        "idle",
        "idle",
        "idle_listed",
        "Idle sessions that the section lists.",
    ),
    (
        "idle",
        "in_transaction",
        "idle_in_transaction_listed",
        "Idle sessions with an open transaction that the section lists.",
    ),
    (
        "locks",
        "longest_wait",
        "locks_longest_wait_seconds",
        "The longest time that a session has waited for a lock.",
    ),
    (
        "locks",
        "waiting",
        "locks_waiting",
        "Sessions that wait for a lock.",
    ),
    (
        "locks",
        "roots",
        "locks_roots",
        "Sessions that block others and wait for none.",
    ),
    (
        "locks",
        "deadlocks",
        "locks_deadlocks",
        "Deadlocks that exist at present and were not ended yet.",
    ),
    (
        "deadlocks",
        "log_logged",
        "deadlocks_logged",
        "Deadlocks in the log of the period that the section covers.",
    ),
    (
        "deadlocks",
        "counts_counted",
        "deadlocks_counted",
        "Deadlocks that the server has ended since its statistics began.",
    ),
    (
        "deadlocks",
        "risks_risks",
        "deadlock_risks",
        "Pairs of sessions that may run into a deadlock.",
    ),
    (
        "deadlocks",
        "risks_certain",
        "deadlock_risks_certain",
        "Pairs of sessions that are in a deadlock.",
    ),
    (
        "health",
        "server_warnings",
        "health_server_warnings",
        "Checks of the server that warn.",
    ),
    (
        "health",
        "server_criticals",
        "health_server_criticals",
        "Checks of the server that are critical.",
    ),
    (
        "health",
        "settings_warnings",
        "health_setting_warnings",
        "Settings of the server, a database or a role that cut calls short.",
    ),
    (
        "health",
        "settings_criticals",
        "health_setting_criticals",
        "Settings of the server, a database or a role that endanger the data.",
    ),
    (
        "health",
        "pools_warnings",
        "health_pool_warnings",
        "Checks of the pools that warn.",
    ),
    (
        "health",
        "pools_criticals",
        "health_pool_criticals",
        "Checks of the pools that are critical.",
    ),
    (
        "transactions",
        "longest",
        "transactions_longest_seconds",
        "The age of the oldest open transaction that is judged.",
    ),
    (
        "transactions",
        "long",
        "transactions_long",
        "Transactions that have been open for longer than the threshold.",
    ),
    (
        "statements",
        "slowest_mean_milliseconds",
        "statements_slowest_mean_seconds",
        "The mean time of the statement whose mean time is longest.",
    ),
    (
        "cache",
        "hits",
        "cache_hit_ratio",
        "Blocks that were found in the server's buffers, as a share of all that were read.",
    ),
    (
        "bloat",
        "tables_worst",
        "bloat_tables_worst_ratio",
        "The largest estimated share of a table that a rewrite would give back.",
    ),
    (
        "bloat",
        "indexes_worst",
        "bloat_indexes_worst_ratio",
        "The largest estimated share of an index that a rewrite would give back.",
    ),
    (
        "bloat",
        "tables_tables_kilobytes",
        "bloat_tables_bytes",
        "The estimated space in tables that a rewrite would give back.",
    ),
    (
        "bloat",
        "indexes_indexes_kilobytes",
        "bloat_indexes_bytes",
        "The estimated space in indexes that a rewrite would give back.",
    ),
    (
        "indexes",
        "removable",
        "indexes_removable",
        "Indexes that could be removed.",
    ),
    (
        "indexes",
        "invalid",
        "indexes_invalid",
        "Indexes that are invalid.",
    ),
    (
        "vacuum",
        "wraparound_oldest",
        "vacuum_oldest_transaction_ids",
        "Transaction numbers used since the oldest that is not frozen.",
    ),
    (
        "vacuum",
        "wraparound_overdue",
        "vacuum_databases_overdue",
        "Databases whose oldest transaction number should have been frozen.",
    ),
    (
        "vacuum",
        "wraparound_critical",
        "vacuum_databases_critical",
        "Databases that are near the end of transaction numbers.",
    ),
    (
        "vacuum",
        "horizon_oldest_transactions",
        "vacuum_horizon_transaction_ids",
        "Transaction numbers used since the oldest that a session, slot or prepared transaction needs.",
    ),
];

/// Units that are no base units, as measures name them, and what one of them is in the base unit.
const UNITS: [(&str, &str, f64); 2] = [
    ("_milliseconds", "_seconds", 0.001),
    ("_kilobytes", "_bytes", 1024.0),
];

/// A measure of a section with its name, its help and its value in base units.
#[allow(clippy::float_arithmetic, reason = "figures, no money")]
pub(super) fn describe(section: &str, title: &str, measure: &Measure) -> Described {
    let label = measure.label.as_str();
    let found = UNITS.iter().find(|(unit, ..)| label.ends_with(unit));
    let factor = match (measure.unit, found) {
        (Unit::Percent, _) => 0.01,
        (_, Some((.., factor))) => *factor,
        _ => 1.0,
    };
    let known = FIGURES
        .iter()
        .find(|(of, name, ..)| (*of, *name) == (section, label));
    let (name, help) = match known {
        Some((.., name, help)) => ((*name).to_owned(), (*help).to_owned()),
        None => (
            composed(section, measure.unit, label),
            format!("{title}: {label}."),
        ),
    };
    Described {
        name,
        help,
        value: measure.value * factor,
    }
}

/// A name for a figure that is not in the table.
fn composed(section: &str, unit: Unit, label: &str) -> String {
    let in_base = UNITS
        .iter()
        .fold(label.to_owned(), |label, (unit, base, _)| {
            label
                .strip_suffix(unit)
                .map_or(label.clone(), |rest| format!("{rest}{base}"))
        });
    let suffix = match unit {
        Unit::Count => "",
        Unit::Percent => "_ratio",
        Unit::Seconds => "_seconds",
    };
    format!("{section}_{in_base}{suffix}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_figure_has_a_name_and_a_help_text_of_its_own() {
        let names: BTreeSet<_> = FIGURES.iter().map(|figure| figure.2).collect();
        let helps: BTreeSet<_> = FIGURES.iter().map(|figure| figure.3).collect();
        assert_eq!((names.len(), helps.len()), (FIGURES.len(), FIGURES.len()));
    }

    #[test]
    fn figures_come_in_base_units() {
        let of = |section, label: &str, value, unit| {
            let measure = Measure::new(label, value, unit);
            let described = describe(section, "Title", &measure);
            (described.name, described.value)
        };
        for (found, name, value) in [
            (
                of("cache", "hits", 99.0, Unit::Percent),
                "cache_hit_ratio",
                0.99,
            ),
            (
                of(
                    "statements",
                    "slowest_mean_milliseconds",
                    1500.0,
                    Unit::Count,
                ),
                "statements_slowest_mean_seconds",
                1.5,
            ),
            (
                of("bloat", "tables_tables_kilobytes", 2.0, Unit::Count),
                "bloat_tables_bytes",
                2048.0,
            ),
            (
                of("new", "share", 50.0, Unit::Percent),
                "new_share_ratio",
                0.5,
            ),
            (
                of("new", "a_kilobytes", 1.0, Unit::Count),
                "new_a_bytes",
                1024.0,
            ),
        ] {
            assert_eq!(found.0, name);
            assert!((found.1 - value).abs() < 1e-9, "{found:?}");
        }
    }
}

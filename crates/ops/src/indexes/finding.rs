//! Indexes with a problem, and reasons against dropping them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::IndexRow;

/// An index with a problem.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndexFinding {
    /// The index.
    pub index: IndexRow,
    /// The problem.
    pub problem: IndexProblem,
    /// Its uses beside queries; an index with such a use must stay.
    pub needed_for: Vec<IndexUse>,
    /// `true` if a failed rebuild left it beside the index that it was to replace.
    pub is_leftover: bool,
    /// `true` if the counters are younger than [`UNUSED_SECONDS_MIN`], so that they do not prove
    /// that the index is unused.
    pub is_too_early: bool,
    /// Warnings to read before it is dropped.
    pub caveats: Vec<String>,
}

/// The problem of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexProblem {
    /// A build of it failed: no query uses it, and writes may still maintain it.
    Invalid,
    /// Another index is the same.
    Duplicate {
        /// The other index.
        of: String,
    },
    /// Another index begins with the same keys, and serves the same queries, if more slowly.
    Prefix {
        /// The other index.
        of: String,
    },
    /// No query used it since the counters began.
    Unused,
}

/// A use of an index beside queries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "use", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexUse {
    /// It rejects equal rows.
    Unique,
    /// It enforces a constraint.
    Constraint {
        /// The constraint.
        name: String,
    },
    /// A foreign key finds rows by it.
    ForeignKey {
        /// The foreign key.
        name: String,
    },
    /// Logical replication identifies rows by it.
    ReplicaIdentity,
    /// It belongs to the index of a partitioned table.
    Partition,
}

impl IndexFinding {
    /// Returns `true` if the index has no use beside queries, and the counters are old enough.
    #[must_use]
    pub fn is_removable(&self) -> bool {
        self.needed_for.is_empty() && !self.is_too_early
    }
}

/// The least time that an index must be unused before it is proposed for removal: a week, in
/// seconds.
pub const UNUSED_SECONDS_MIN: f64 = 604_800.0;

/// Returns the problem of each index, the first in the order of [`IndexProblem`].
#[must_use]
pub fn findings(indexes: &[IndexRow]) -> Vec<IndexFinding> {
    let mut of_tables: BTreeMap<_, Vec<&IndexRow>> = BTreeMap::new();
    for index in indexes {
        of_tables.entry(table(index)).or_default().push(index);
    }
    indexes
        .iter()
        .filter_map(|index| {
            let problem = problem(index, of_tables.get(&table(index))?)?;
            Some(IndexFinding {
                needed_for: uses(index, &problem),
                is_leftover: problem == IndexProblem::Invalid
                    && is_leftover(index, of_tables.get(&table(index))?),
                is_too_early: problem == IndexProblem::Unused
                    && index.counted_seconds < UNUSED_SECONDS_MIN,
                caveats: caveats(index, &problem),
                index: index.clone(),
                problem,
            })
        })
        .collect()
}

/// Returns `true` for an invalid index with a name as `REINDEX CONCURRENTLY` creates them, beside
/// the index that it was to replace.
fn is_leftover(index: &IndexRow, of_table: &[&IndexRow]) -> bool {
    let name = index
        .index_name
        .trim_end_matches(|last: char| last.is_ascii_digit());
    (name.ends_with("_ccnew") || name.ends_with("_ccold"))
        && of_table
            .iter()
            .any(|other| other.is_valid && is_beside(index, other) && is_same(index, other))
}

fn table(index: &IndexRow) -> (&str, &str) {
    (&index.schema_name, &index.table_name)
}

fn problem(index: &IndexRow, of_table: &[&IndexRow]) -> Option<IndexProblem> {
    if !index.is_valid {
        return (!index.is_being_built).then_some(IndexProblem::Invalid);
    }
    let mut others = of_table
        .iter()
        .copied()
        .filter(|other| other.is_valid && is_beside(index, other));
    if let Some(other) = others
        .clone()
        .find(|other| is_same(index, other) && is_to_stay(other, index))
    {
        return Some(IndexProblem::Duplicate {
            of: other.index_name.clone(),
        });
    }
    if let Some(other) = others.find(|other| is_prefix(index, other)) {
        return Some(IndexProblem::Prefix {
            of: other.index_name.clone(),
        });
    }
    (index.scans == 0).then_some(IndexProblem::Unused)
}

/// Returns `true` for another index of the same kind on the same rows.
fn is_beside(index: &IndexRow, other: &IndexRow) -> bool {
    index.index_name != other.index_name
        && index.method == other.method
        && index.predicate == other.predicate
}

fn is_same(index: &IndexRow, other: &IndexRow) -> bool {
    index.keys == other.keys && index.included == other.included
}

/// Of two equal indexes, the one with more uses stays; with the same uses, the one whose name comes
/// first.
fn is_to_stay(one: &IndexRow, other: &IndexRow) -> bool {
    let rank = |index: &IndexRow| {
        (
            !index.is_of_partition,
            index.constraint_name.is_none(),
            !index.is_replica_identity,
            !index.is_unique,
            index.index_name.clone(),
        )
    };
    rank(one) < rank(other)
}

/// Only a B-tree finds rows by its first keys as well as by all of them. A longer index does not
/// replace one that is unique, or that includes further columns.
fn is_prefix(index: &IndexRow, other: &IndexRow) -> bool {
    let has = |column: &String| {
        other.included.contains(column)
            || other
                .keys
                .iter()
                .any(|key| key.rsplitn(4, ' ').last() == Some(column))
    };
    index.method == "btree"
        && !index.is_unique
        && index.keys.len() < other.keys.len()
        && other.keys.starts_with(&index.keys)
        && index.included.iter().all(has)
}

fn uses(index: &IndexRow, problem: &IndexProblem) -> Vec<IndexUse> {
    // Another index that begins with the same keys serves a foreign key as well.
    let foreign_key = index
        .foreign_key_name
        .as_ref()
        .filter(|_| *problem == IndexProblem::Unused)
        .map(|name| IndexUse::ForeignKey { name: name.clone() });
    let constraint = index
        .constraint_name
        .as_ref()
        .map(|name| IndexUse::Constraint { name: name.clone() });
    [
        index.is_unique.then_some(IndexUse::Unique),
        constraint,
        foreign_key,
        index
            .is_replica_identity
            .then_some(IndexUse::ReplicaIdentity),
        index.is_of_partition.then_some(IndexUse::Partition),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn caveats(index: &IndexRow, problem: &IndexProblem) -> Vec<String> {
    let mut caveats = Vec::new();
    if *problem == IndexProblem::Unused {
        caveats.push(match index.counted_since {
            Some(since) => format!("scans are counted since {since:?}"),
            None => {
                "the start of the scan counters is unknown: they restart after a crash".to_owned()
            }
        });
        caveats.push("the creation time of the index is unknown".to_owned());
        if index.has_standbys {
            caveats.push(
                "queries on standbys may use it; their scans are not counted here".to_owned(),
            );
        }
    }
    if index.is_clustered {
        caveats.push("CLUSTER keeps the table in its order".to_owned());
    }
    caveats
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(name: &str, keys: &[&str]) -> IndexRow {
        IndexRow {
            schema_name: "s".to_owned(),
            table_name: "t".to_owned(),
            index_name: name.to_owned(),
            method: "btree".to_owned(),
            size_bytes: Some(8192),
            is_valid: true,
            is_ready: true,
            is_being_built: false,
            is_unique: false,
            constraint_name: None,
            is_replica_identity: false,
            is_clustered: false,
            is_of_partition: false,
            keys: keys.iter().map(|key| format!("{key} 1 0 0")).collect(),
            included: Vec::new(),
            predicate: None,
            scans: 1,
            last_scan: None,
            counted_since: None,
            counted_seconds: UNUSED_SECONDS_MIN,
            foreign_key_name: None,
            has_standbys: false,
        }
    }

    #[test]
    fn index_is_redundant_only_if_the_other_has_its_included_columns() {
        let mut short = index("short", &["a"]);
        short.included = vec!["c".to_owned()];
        let found = findings(&[short.clone(), index("long", &["a", "b"])]);
        assert_eq!(found, []);
        let found = findings(&[short, index("longer", &["a", "b", "c"])]);
        assert_eq!(
            found[0].problem,
            IndexProblem::Prefix {
                of: "longer".to_owned()
            }
        );
    }

    #[test]
    fn index_under_construction_is_no_finding() {
        let mut half = index("half", &["a"]);
        half.is_valid = false;
        assert_eq!(findings(&[half.clone()])[0].problem, IndexProblem::Invalid);
        half.is_being_built = true;
        assert_eq!(findings(&[half]), []);
    }

    proptest! {
        /// After dropping all removable redundant indexes, another index with all keys of each
        /// remains.
        #[test]
        fn removable_redundant_index_leaves_another_with_its_keys(
            shapes in prop::collection::vec((1..4_usize, any::<bool>(), any::<bool>()), 1..8)
        ) {
            let all: Vec<IndexRow> = shapes
                .iter()
                .enumerate()
                .map(|(number, (length, is_unique, is_constraint))| {
                    let mut one = index(&format!("i{number}"), &["a", "b", "c"][..*length]);
                    one.is_unique = *is_unique || *is_constraint;
                    one.constraint_name = is_constraint.then(|| format!("c{number}"));
                    one
                })
                .collect();
            let dropped: Vec<String> = findings(&all)
                .into_iter()
                .filter(IndexFinding::is_removable)
                .map(|finding| finding.index.index_name)
                .collect();
            let left: Vec<&IndexRow> = all.iter().filter(|one| !dropped.contains(&one.index_name)).collect();
            for one in &all {
                prop_assert!(left.iter().any(|other| other.keys.starts_with(&one.keys)));
            }
        }
    }
}

//! The differences between the shipped catalogue and a database's. Pure functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Key, Properties};

/// The longest shown prefix of a definition, in characters.
const SHOWN: usize = 200;

/// An object of the schemas that differs from the shipped one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The kind of object, such as `table`, `trigger` or `role`.
    pub kind: String,
    /// Its name, such as `banking.accounts` or `customers_touch on banking.customers`.
    pub name: String,
    /// The difference.
    pub change: Change,
    /// `true` for a difference that is no violation: storage options, members of the group roles,
    /// an added index that rejects no row, privileges of PUBLIC on the database.
    pub is_note: bool,
}

/// The kind of difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A shipped object is missing.
    Missing,
    /// The object was not shipped.
    Foreign,
    /// The object has other properties.
    Changed(Vec<PropertyChange>),
}

/// A property that differs from the shipped one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PropertyChange {
    /// The property, such as `body`, `fires` or `privileges of neobank_app`. Bodies of functions
    /// and queries of views are compared by their SHA-256.
    pub property: String,
    /// The shipped value; `None` for no value.
    pub shipped: Option<String>,
    /// The database's value; `None` for no value.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.kind, self.name, self.change)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("is missing"),
            Self::Foreign => formatter.write_str("was not shipped"),
            Self::Changed(properties) => {
                let shown: Vec<String> = properties.iter().map(ToString::to_string).collect();
                write!(formatter, "is not as shipped: {}", shown.join("; "))
            }
        }
    }
}

impl fmt::Display for PropertyChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            property,
            shipped,
            found,
        } = self;
        if matches!(property.as_str(), "body" | "query") {
            return write!(formatter, "another {property}");
        }
        let shown = |value: &Option<String>| match value {
            None => "nothing".to_owned(),
            Some(value) if value.chars().count() > SHOWN => {
                value.chars().take(SHOWN).chain(['…']).collect()
            }
            Some(value) => value.clone(),
        };
        write!(
            formatter,
            "{property}: {} (shipped: {})",
            shown(found),
            shown(shipped)
        )
    }
}

type Objects = BTreeMap<Key, Properties>;

pub(super) fn between(shipped: &Objects, found: &Objects) -> Vec<Difference> {
    let missing = without_parts(shipped.keys().filter(|key| !found.contains_key(*key)))
        .map(|key| difference(key, Change::Missing, false));
    let foreign = without_parts(found.keys().filter(|key| !shipped.contains_key(*key)))
        .map(|key| difference(key, Change::Foreign, is_harmless(key, &found[key])));
    let changed = shipped.iter().flat_map(|(key, properties)| {
        let found = found.get(key);
        found.map_or_else(Vec::new, |found| changes(key, properties, found))
    });
    let mut all: Vec<Difference> = missing.chain(foreign).chain(changed).collect();
    all.sort_by(|a, b| (&a.kind, &a.name, a.is_note).cmp(&(&b.kind, &b.name, b.is_note)));
    all
}

fn difference(key: &Key, change: Change, is_note: bool) -> Difference {
    Difference {
        kind: key.0.clone(),
        name: key.1.clone(),
        change,
        is_note,
    }
}

/// Omits objects that belong to another listed object: a missing table is listed without its
/// columns and constraints.
fn without_parts<'a>(keys: impl Iterator<Item = &'a Key>) -> impl Iterator<Item = &'a Key> {
    let keys: Vec<&Key> = keys.collect();
    let wholes: BTreeSet<String> = keys.iter().map(|(_, name)| name.clone()).collect();
    keys.into_iter()
        .filter(move |(kind, name)| whole(kind, name).is_none_or(|whole| !wholes.contains(whole)))
}

/// Returns the table, view or domain that an object belongs to.
fn whole<'a>(kind: &str, name: &'a str) -> Option<&'a str> {
    match kind {
        "column" => Some(name.rsplit_once('.')?.0),
        "constraint" | "index" | "trigger" | "rule" | "policy" => Some(name.rsplit_once(" on ")?.1),
        _ => None,
    }
}

/// Returns `true` if an object that was not shipped rejects no row and executes no code.
fn is_harmless((kind, _): &Key, properties: &Properties) -> bool {
    match kind.as_str() {
        "index" => properties
            .get("harmless")
            .is_some_and(|values| values.contains("yes")),
        "statistics object" => true,
        _ => false,
    }
}

/// Returns the differences of an existing object: violations, and apart from them notes.
fn changes(key: &Key, shipped: &Properties, found: &Properties) -> Vec<Difference> {
    let names: BTreeSet<&String> = shipped.keys().chain(found.keys()).collect();
    let changed = names.into_iter().filter_map(|property| {
        let (shipped, found) = (shipped.get(property), found.get(property));
        let is_same = match (shipped, found) {
            (Some(shipped), Some(found)) => found.is_subset(shipped),
            (shipped, found) => shipped == found,
        };
        let first = |values: Option<&BTreeSet<String>>| values?.first().cloned();
        (!is_same).then(|| PropertyChange {
            property: property.clone(),
            shipped: first(shipped),
            found: first(found),
        })
    });
    // The database belongs to its owner, who may be another role than the one that runs the
    // rollout.
    let is_note =
        |property: &str| key.0 == "database" || matches!(property, "storage options" | "members");
    let (notes, violations): (Vec<_>, Vec<_>) =
        changed.partition(|change| is_note(&change.property));
    [(violations, false), (notes, true)]
        .into_iter()
        .filter(|(changes, _)| !changes.is_empty())
        .map(|(changes, is_note)| difference(key, Change::Changed(changes), is_note))
        .collect()
}

//! The catalogue of the schemas: the shipped one, and that of a database.

mod difference;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use neobank_db::driver::Row;
use neobank_db::{DatabaseError, Executor, statement};

use crate::session::column;

pub use difference::{Change, Difference, PropertyChange};

/// The roles that the schema grants privileges to.
const ROLES: [&str; 3] = ["neobank_app", "neobank_import", "neobank_read"];

/// The schema of the rollout's own records, which is shipped too.
const RECORDS: &str = "migration";

const QUERY: &str = include_str!("../../sql/catalogue.sql");

/// Fixes the form in which the server writes names, times and numbers in definitions, until the
/// transaction's end.
const SETTINGS: &str = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
    pg_catalog.set_config('TimeZone', 'UTC', true),
    pg_catalog.set_config('DateStyle', 'ISO, MDY', true),
    pg_catalog.set_config('IntervalStyle', 'postgres', true),
    pg_catalog.set_config('bytea_output', 'hex', true),
    pg_catalog.set_config('extra_float_digits', '1', true),
    pg_catalog.set_config('quote_all_identifiers', 'off', true),
    pg_catalog.set_config('standard_conforming_strings', 'on', true)";

/// The objects of the schemas with their definitions: signatures and bodies, triggers, constraints,
/// indexes, rules, columns, owners, and the privileges of every role but the owner.
///
/// Equal rollouts have equal catalogues, whatever the owner's name is. A property may have more
/// than one value where versions of the server write the same definition in different ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    objects: BTreeMap<Key, Properties>,
}

/// The kind of an object and its name, such as `trigger` and `customers_touch on
/// banking.customers`.
type Key = (String, String);

type Properties = BTreeMap<String, BTreeSet<String>>;

impl Catalogue {
    /// Reads the catalogue of a database. The session's settings stay changed until the end of its
    /// transaction, which the caller has begun.
    pub(crate) async fn read(on: &impl Executor, schemas: &[&str]) -> Result<Self, DatabaseError> {
        let schemas = schemas.iter().copied().chain([RECORDS]);
        let schemas: Vec<String> = schemas.map(str::to_owned).collect();
        let roles: Vec<String> = ROLES.map(str::to_owned).to_vec();
        on.query(statement(SETTINGS, [])).await?;
        let rows = on
            .query(statement(QUERY, [schemas.into(), roles.into()]))
            .await?;
        let mut catalogue = Self::default();
        for row in &rows {
            catalogue.add(row)?;
        }
        Ok(catalogue)
    }

    fn add(&mut self, row: &Row) -> Result<(), DatabaseError> {
        let property: String = column(row, 2)?;
        self.properties((column(row, 0)?, column(row, 1)?))
            .entry(property)
            .or_default()
            .insert(column(row, 3)?);
        Ok(())
    }

    fn properties(&mut self, key: Key) -> &mut Properties {
        self.objects.entry(key).or_default()
    }

    /// Merges two catalogues by uniting their values.
    ///
    /// # Errors
    ///
    /// The first object or property that only one of them has.
    pub fn merged(mut self, other: &Self) -> Result<Self, String> {
        let names = |one: &Self| -> BTreeSet<String> {
            let properties = one.objects.iter().flat_map(|((kind, name), properties)| {
                let properties = properties.keys();
                properties.map(move |property| format!("{kind} {name}: {property}"))
            });
            properties.collect()
        };
        if let Some(lonely) = names(&self).symmetric_difference(&names(other)).next() {
            return Err(format!("only one of the catalogues has {lonely}"));
        }
        for (key, properties) in &other.objects {
            for (property, values) in properties {
                let own = self.properties(key.clone());
                let own = own.entry(property.clone()).or_default();
                own.extend(values.iter().cloned());
            }
        }
        Ok(self)
    }

    /// Returns the differences of `found` from this catalogue, which was shipped, in the order of
    /// kinds and names. The columns and constraints of a missing or foreign table are not listed
    /// beside it.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        difference::between(&self.objects, &found.objects)
    }
}

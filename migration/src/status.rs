//! The status of a database: the schema in the code compared with the applied one and with the
//! catalog. Pure functions.

use std::fmt;

use crate::catalogue::{Catalogue, Change, Difference};
use crate::records::{Record, Records};
use crate::schema::{Object, Schema, is_grants, is_in_the_catalog};

/// The status of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The migrations, in their order; those that only the database contains come last.
    pub migrations: Vec<MigrationStatus>,
    /// The objects, in their order; those that only the database contains come last.
    pub objects: Vec<ObjectStatus>,
    /// The differences from the shipped schema.
    pub catalogue: CatalogueStatus,
}

/// The comparison of the database's catalogue with the shipped one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogueStatus {
    /// Compared: the differences, with notes. Objects that changed in the code since they were
    /// applied are omitted, and with them privileges.
    Compared(Vec<Difference>),
    /// Not compared, since the database is not at the version of the shipped catalogue.
    NotCompared,
}

/// The summary of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every migration and object is applied.
    Current,
    /// A migration or an object is pending.
    Pending,
    /// A problem prevents a rollout, or the schema differs from the shipped one.
    Wrong,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: MigrationState,
}

/// The state of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationState {
    /// Applied, as it is in the code.
    Applied,
    /// To be applied.
    Pending,
    /// Applied, but the code has changed since. A problem.
    Edited,
    /// Not applied, while a later one is. A problem.
    OutOfOrder,
    /// Applied, but not in the code. A problem.
    Missing,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ObjectState,
}

/// The state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectState {
    /// As it is in the code.
    Current,
    /// Not applied yet.
    Pending,
    /// To be applied again: the code has changed, or new objects need the privileges.
    Changed,
    /// Applied, but missing in the database: to be applied again.
    Lost,
    /// Applied, but altered in the database: to be applied again.
    Altered,
    /// Applied, but no longer in the code: to be dropped.
    Removed,
}

impl Status {
    /// Builds the status without a comparison of the catalogues.
    pub(crate) fn new(schema: &Schema, records: &Records) -> Self {
        let migrations = migrations(schema, records);
        let goes_up = migrations
            .iter()
            .any(|migration| migration.state == MigrationState::Pending);
        Self {
            objects: objects(schema, records, goes_up),
            migrations,
            catalogue: CatalogueStatus::NotCompared,
        }
    }

    /// Returns `true` if every migration is applied as it is in the code, so that the catalogue
    /// should be the shipped one except for pending objects.
    pub(crate) fn is_comparable(&self) -> bool {
        let mut migrations = self.migrations.iter();
        migrations.all(|migration| migration.state == MigrationState::Applied)
    }

    pub(crate) fn compare(&mut self, shipped: &Catalogue, found: &Catalogue) {
        let differences = shipped.differences(found).into_iter();
        let differences =
            differences.filter_map(|difference| self.beside_what_is_pending(difference));
        let differences: Vec<Difference> = differences.collect();
        self.mark_altered(&differences);
        self.catalogue = CatalogueStatus::Compared(differences);
    }

    /// Marks objects that their own file restores, and then all grants, as due for the next
    /// rollout.
    fn mark_altered(&mut self, differences: &[Difference]) {
        let altered = differences
            .iter()
            .filter(|difference| is_restored(difference));
        let altered: Vec<String> = altered.filter_map(object_of).collect();
        let mut violations = differences.iter().filter(|difference| !difference.is_note);
        let lacks_privileges = violations.any(lacks_privileges);
        for object in &mut self.objects {
            let is_due = altered.contains(&object.name)
                || is_grants(&object.name) && (lacks_privileges || !altered.is_empty());
            if is_due && object.state == ObjectState::Current {
                object.state = ObjectState::Altered;
            }
        }
    }

    /// Returns the number of objects that the comparison omits, since they changed in the code
    /// after they were applied.
    #[must_use]
    pub fn left_out(&self) -> usize {
        let privileges = self.are_privileges_pending();
        let objects = self
            .objects
            .iter()
            .filter(|object| is_another(object.state));
        objects
            .filter(|object| privileges || !is_grants(&object.name))
            .count()
    }

    /// Returns a difference without the properties that the next rollout applies again because the
    /// code changed. A missing object is kept.
    fn beside_what_is_pending(&self, mut difference: Difference) -> Option<Difference> {
        let is_pending = |name: &str| {
            let mut pending = self
                .objects
                .iter()
                .filter(|object| is_another(object.state));
            pending.any(|object| object.name == name)
        };
        if object_of(&difference).is_some_and(|name| is_pending(&name)) {
            return None;
        }
        if let Change::Changed(properties) = &mut difference.change
            && self.are_privileges_pending()
        {
            properties.retain(|change| !change.property.starts_with("privileges of "));
            if properties.is_empty() {
                return None;
            }
        }
        Some(difference)
    }

    /// Returns `true` if privileges are pending. Grants are also applied again when an object is
    /// missing, and then they should equal the shipped ones.
    fn are_privileges_pending(&self) -> bool {
        let is_lost = |object: &ObjectStatus| object.state == ObjectState::Lost;
        let any_lost = self.objects.iter().any(is_lost);
        let mut pending = self
            .objects
            .iter()
            .filter(|object| is_another(object.state));
        pending.any(|object| !any_lost || !is_grants(&object.name))
    }

    /// Returns the differences from the shipped schema, without notes.
    pub fn violations(&self) -> impl Iterator<Item = &Difference> {
        self.differences().filter(|difference| !difference.is_note)
    }

    /// Returns the harmless differences from the shipped schema.
    pub fn notes(&self) -> impl Iterator<Item = &Difference> {
        self.differences().filter(|difference| difference.is_note)
    }

    fn differences(&self) -> impl Iterator<Item = &Difference> {
        let differences = match &self.catalogue {
            CatalogueStatus::Compared(differences) => differences.as_slice(),
            CatalogueStatus::NotCompared => &[],
        };
        differences.iter()
    }

    /// Returns `true` if no migration or object is pending. [`Status::violations`] returns the
    /// differences from the shipped schema.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.migrations
            .iter()
            .all(|migration| migration.state == MigrationState::Applied)
            && self
                .objects
                .iter()
                .all(|object| object.state == ObjectState::Current)
    }

    /// Returns the number of migrations and objects that a rollout would apply, apply again or
    /// drop.
    #[must_use]
    pub fn pending(&self) -> usize {
        let migrations = self
            .migrations
            .iter()
            .filter(|migration| migration.state == MigrationState::Pending);
        let objects = self
            .objects
            .iter()
            .filter(|object| object.state != ObjectState::Current);
        migrations.count() + objects.count()
    }

    /// Returns the summary.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.problems().is_empty() || self.violations().next().is_some() {
            Verdict::Wrong
        } else if self.is_current() {
            Verdict::Current
        } else {
            Verdict::Pending
        }
    }

    /// Returns the problems that prevent a rollout, one sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.migrations
            .iter()
            .filter_map(|migration| match migration.state {
                MigrationState::Edited => Some(format!(
                    "{} was edited after it had been applied; restore it and write a new migration",
                    migration.name
                )),
                MigrationState::OutOfOrder => Some(format!(
                    "{} is not applied, but a later one is; give it a later name",
                    migration.name
                )),
                MigrationState::Missing => Some(format!(
                    "{} was applied, but this version does not know it; use a newer one",
                    migration.name
                )),
                MigrationState::Applied | MigrationState::Pending => None,
            })
            .collect()
    }
}

/// Returns `true` if an object differs in the code from the applied one.
const fn is_another(state: ObjectState) -> bool {
    !matches!(
        state,
        ObjectState::Current | ObjectState::Lost | ObjectState::Altered
    )
}

/// Returns `true` if applying the object's file restores it; its owner and its privileges stay
/// then.
fn is_restored(difference: &Difference) -> bool {
    match &difference.change {
        Change::Changed(properties) => properties.iter().any(|change| {
            change.property != "owner" && !change.property.starts_with("privileges of ")
        }),
        _ => false,
    }
}

/// Returns `true` if a shipped privilege is missing.
fn lacks_privileges(difference: &Difference) -> bool {
    let Change::Changed(properties) = &difference.change else {
        return false;
    };
    let mut privileges = properties
        .iter()
        .filter(|change| change.property.starts_with("privileges of "));
    privileges.any(|change| {
        let found = change.found.as_deref().unwrap_or_default();
        let shipped = change.shipped.as_deref().unwrap_or_default();
        let mut shipped = shipped.split(", ").filter(|one| !one.is_empty());
        shipped.any(|one| !found.split(", ").any(|other| other == one))
    })
}

/// Returns the name of an object's file, for those that have one of their own.
fn object_of(difference: &Difference) -> Option<String> {
    let name = difference.name.as_str();
    let (schema, file) = match difference.kind.as_str() {
        "function" | "procedure" => {
            let (schema, name) = name.split('(').next()?.split_once('.')?;
            (schema, format!("function_{name}"))
        }
        "view" | "materialized view" => {
            let (schema, name) = name.split_once('.')?;
            (schema, format!("view_{name}"))
        }
        "trigger" => {
            let (trigger, table) = name.split_once(" on ")?;
            (table.split('.').next()?, format!("trigger_{trigger}"))
        }
        _ => return None,
    };
    Some(format!("{schema}/{file}"))
}

fn migrations(schema: &Schema, records: &Records) -> Vec<MigrationStatus> {
    let last_applied = records.migrations.last().map(|record| record.name.as_str());
    let known = schema.migrations.iter().map(|migration| {
        let state = match find(&records.migrations, migration.name) {
            Some(Record {
                sha256: Some(sha256),
                ..
            }) if *sha256 != migration.checksum() => MigrationState::Edited,
            Some(_) => MigrationState::Applied,
            None if Some(migration.name) < last_applied => MigrationState::OutOfOrder,
            None => MigrationState::Pending,
        };
        (migration.name, state)
    });
    let is_known = |name: &str| schema.migrations.iter().any(|known| known.name == name);
    let missing = records
        .migrations
        .iter()
        .filter(|record| !is_known(&record.name))
        .map(|record| (record.name.as_str(), MigrationState::Missing));
    known
        .chain(missing)
        .map(|(name, state)| MigrationStatus {
            name: name.to_owned(),
            state,
        })
        .collect()
}

fn objects(schema: &Schema, records: &Records, goes_up: bool) -> Vec<ObjectStatus> {
    let mut objects: Vec<_> = schema
        .objects
        .iter()
        .map(|object| ObjectStatus {
            name: object.name.to_owned(),
            state: object_state(object, records),
        })
        .collect();
    if goes_up || objects.iter().any(|o| o.state != ObjectState::Current) {
        for object in objects.iter_mut().filter(|o| is_grants(&o.name)) {
            if object.state == ObjectState::Current {
                object.state = ObjectState::Changed;
            }
        }
    }
    let is_known = |name: &str| schema.objects.iter().any(|known| known.name == name);
    let removed = records
        .objects
        .iter()
        .filter(|record| !is_known(&record.name));
    objects.extend(removed.map(|record| ObjectStatus {
        name: record.name.clone(),
        state: ObjectState::Removed,
    }));
    objects
}

fn object_state(object: &Object, records: &Records) -> ObjectState {
    match find(&records.objects, object.name) {
        None => ObjectState::Pending,
        Some(record) if record.sha256 != Some(object.checksum()) => ObjectState::Changed,
        Some(_) if is_in_the_catalog(object.name) && !records.catalog.contains(object.name) => {
            ObjectState::Lost
        }
        Some(_) => ObjectState::Current,
    }
}

fn find<'a>(records: &'a [Record], name: &str) -> Option<&'a Record> {
    records.iter().find(|record| record.name == name)
}

impl fmt::Display for MigrationState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Edited => "EDITED after it was applied",
            Self::OutOfOrder => "OUT OF ORDER: a later one is applied",
            Self::Missing => "MISSING in the code",
        })
    }
}

impl fmt::Display for ObjectState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Current => "current",
            Self::Pending => "pending",
            Self::Changed => "changed: to be applied again",
            Self::Lost => "LOST: missing in the database, to be applied again",
            Self::Altered => "ALTERED in the database, to be applied again",
            Self::Removed => "removed: to be dropped",
        })
    }
}

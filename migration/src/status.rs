//! How far a database is: the schema in the code held against what was applied. Pure.

use std::fmt;

use crate::records::{Record, Records};
use crate::schema::{Object, Schema, is_grants, is_in_the_catalog};

/// How far a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The migrations, in their order; those that only the database knows come last.
    pub migrations: Vec<MigrationStatus>,
    /// The objects, in their order; those that only the database knows come last.
    pub objects: Vec<ObjectStatus>,
}

/// The whole of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is nothing to do.
    Current,
    /// There is something to do.
    Pending,
    /// Something forbids a roll-out.
    Wrong,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: MigrationState,
}

/// Where a migration stands.
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
pub struct ObjectStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: ObjectState,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectState {
    /// As it is in the code.
    Current,
    /// Not there yet.
    Pending,
    /// There, but to be applied again: the code has changed since, or privileges that came before something new.
    Changed,
    /// Applied, but gone from the database since: to be applied again.
    Lost,
    /// There, but no longer in the code: to be dropped.
    Removed,
}

impl Status {
    pub(crate) fn new(schema: &Schema, records: &Records) -> Self {
        let migrations = migrations(schema, records);
        let goes_up = migrations
            .iter()
            .any(|migration| migration.state == MigrationState::Pending);
        Self {
            objects: objects(schema, records, goes_up),
            migrations,
        }
    }

    /// Whether there is nothing to do and nothing wrong.
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

    /// How many migrations and objects a roll-out would apply, apply again or drop.
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

    /// The whole of it in a word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.problems().is_empty() {
            Verdict::Wrong
        } else if self.is_current() {
            Verdict::Current
        } else {
            Verdict::Pending
        }
    }

    /// What forbids a roll-out, one sentence each.
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
            Self::Lost => "LOST: gone from the database, to be applied again",
            Self::Removed => "removed: to be dropped",
        })
    }
}

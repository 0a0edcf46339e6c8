//! The steps of a rollout as SQL. `up` and `down` run these very texts, so a plan shows exactly
//! what they would run.

use std::fmt::Write as _;

use crate::options::RolloutOptions;
use crate::records::{self, INSTALL, Record, Records};
use crate::report::Report;
use crate::schema::{Object, Schema, SqlMigration, is_grants};
use crate::status::{MigrationState, ObjectState, Status};

/// The beginning of a step, whatever the defaults of the role and the database are.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The suffix of migrations whose `down` affects more than the schemas, and can run in any
/// database.
const DATABASE_PRIVILEGES: &str = "_database_privileges";

/// A group of changes that succeeds or fails as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) title: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) transactional: bool,
    /// The report after success.
    pub(crate) report: Report,
}

/// A text that is sent to the server at once.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The name for errors.
    pub(crate) name: String,
    pub(crate) sql: String,
}

/// Returns every pending migration, then every object that is due.
pub(crate) fn up(schema: &Schema, records: &Records, status: &Status) -> Vec<Step> {
    let mut steps = Vec::new();
    if !records.installed {
        let mut step = Step::new("the tables of the rollout itself");
        step.add("schema migration", INSTALL);
        steps.push(step);
    }
    let pending = in_state(schema, status, MigrationState::Pending);
    steps.extend(pending.map(|migration| ascend(migration, records)));
    steps.extend(objects(schema, records, status));
    steps
}

/// Returns the last applied migrations, each with the objects that depend on it.
pub(crate) fn down(schema: &Schema, records: &Records, status: &Status, steps: usize) -> Vec<Step> {
    let mut left = records.objects.clone();
    let applied: Vec<_> = in_state(schema, status, MigrationState::Applied).collect();
    let last = applied.into_iter().rev().take(steps);
    last.map(|migration| revert(migration, schema, &mut left))
        .collect()
}

/// Drops every schema with all objects in it.
pub(crate) fn drop_everything(schema: &Schema) -> Step {
    let mut step = Step::new("dropping the schemas");
    let outside = schema.migrations.iter().rev();
    for migration in outside.filter(|migration| migration.name.ends_with(DATABASE_PRIVILEGES)) {
        step.add(migration.name, migration.down);
    }
    for name in schema.names.iter().copied().chain(["migration"]) {
        let quoted = name.replace('"', "\"\"");
        step.add(
            &format!("schema {name}"),
            &format!("DROP SCHEMA IF EXISTS \"{quoted}\" CASCADE;"),
        );
    }
    step
}

fn ascend(migration: &SqlMigration, records: &Records) -> Step {
    let mut step = Step::new(&format!("migration {}", migration.name));
    step.transactional = migration.transactional;
    for statement in migration.statements(migration.up) {
        step.add(migration.name, statement);
    }
    step.add("its record", &records::add_migration(migration));
    step.distrust_grants(&records.objects);
    step.report.migrations.push(migration.name.to_owned());
    step
}

fn revert(migration: &SqlMigration, schema: &Schema, left: &mut Vec<Record>) -> Step {
    let mut step = Step::new(&format!("migration {} down", migration.name));
    step.transactional = migration.transactional;
    let needs_it = |record: &Record| match place(schema, record) {
        Some(place) => schema.objects[place].since >= migration.name,
        // Objects that the code no longer contains may depend on anything.
        None => true,
    };
    let (mut standing, others): (Vec<_>, Vec<_>) = left.drain(..).partition(needs_it);
    *left = others;
    in_order_of_dropping(schema, &mut standing);
    for object in &standing {
        step.drop_object(object);
        step.report.dropped.push(object.name.clone());
    }
    for statement in migration.statements(migration.down) {
        step.add(migration.name, statement);
    }
    step.add("its record", &records::remove_migration(migration.name));
    step.distrust_grants(left);
    step.report.migrations.push(migration.name.to_owned());
    step
}

fn objects(schema: &Schema, records: &Records, status: &Status) -> Option<Step> {
    let mut step = Step::new("the functions, triggers, views and grants");
    let state = |name: &str| {
        status
            .objects
            .iter()
            .find(|o| o.name == name)
            .map(|o| o.state)
    };
    let is_removed = |record: &&Record| state(&record.name) == Some(ObjectState::Removed);
    let mut removed: Vec<_> = records.objects.iter().filter(is_removed).cloned().collect();
    in_order_of_dropping(schema, &mut removed);
    for object in &removed {
        step.drop_object(object);
        step.report.dropped.push(object.name.clone());
    }
    let is_due = |object: &&Object| state(object.name) != Some(ObjectState::Current);
    for object in schema.objects.iter().filter(is_due) {
        let recorded = records.objects.iter().find(|r| r.name == object.name);
        // Another `DROP` means that it was another object, such as a function with other
        // parameters.
        if let Some(other) = recorded.filter(|r| r.drop_sql.as_deref() != Some(object.drop)) {
            step.drop_object(other);
        }
        step.add(object.name, object.create);
        step.add("its record", &records::put_object(object));
        step.report.objects.push(object.name.to_owned());
    }
    (!step.parts.is_empty()).then_some(step)
}

impl Step {
    /// Returns the whole step as a script.
    pub(crate) fn script(&self, options: &RolloutOptions) -> String {
        let mut script = String::new();
        let mut line = |text: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(script, "{text}");
        };
        if self.transactional {
            line(&format!("{BEGIN};"));
            line(&options.limits());
        } else {
            line(&options.session_limits());
        }
        for part in &self.parts {
            let sql = part.sql.trim();
            line(sql);
            if !sql.ends_with(';') {
                line(";");
            }
        }
        if self.transactional {
            line("COMMIT;");
        }
        script
    }

    fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            parts: Vec::new(),
            transactional: true,
            report: Report::default(),
        }
    }

    fn add(&mut self, name: &str, sql: &str) {
        self.parts.push(Part {
            name: name.to_owned(),
            sql: crate::schema::normalised(sql),
        });
    }

    fn drop_object(&mut self, object: &Record) {
        if let Some(sql) = &object.drop_sql {
            let name = format!("dropping {}", object.name);
            if is_grants(&object.name) {
                self.add(&name, &where_it_exists(sql));
            } else {
                self.add(&name, sql);
            }
        }
        self.add("its record", &records::remove_object(&object.name));
    }

    /// A recreated table or function has lost its privileges, even if the file of the grants has
    /// not changed.
    fn distrust_grants(&mut self, objects: &[Record]) {
        for grants in objects.iter().filter(|object| is_grants(&object.name)) {
            self.add(
                "the record of the grants",
                &records::distrust_object(&grants.name),
            );
        }
    }
}

/// Returns a `REVOKE` that does nothing when its table or its function does not exist.
///
/// The statement was recorded for the tables of an earlier version, which a migration of the same
/// rollout may have renamed or dropped. `REVOKE` has no `IF EXISTS`.
fn where_it_exists(revoke: &str) -> String {
    let revoke = revoke.trim().trim_end_matches(';');
    format!(
        "DO $drop$ BEGIN
    {revoke};
EXCEPTION WHEN undefined_table OR undefined_function OR undefined_column OR undefined_object
    OR invalid_schema_name THEN NULL;
END $drop$;"
    )
}

fn in_state<'a>(
    schema: &'a Schema,
    status: &'a Status,
    state: MigrationState,
) -> impl Iterator<Item = &'a SqlMigration> {
    // The states are in the order of the migrations.
    let states = status.migrations.iter().map(|migration| migration.state);
    let pairs = schema.migrations.iter().zip(states);
    pairs.filter(move |(_, s)| *s == state).map(|(m, _)| m)
}

/// Orders objects so that each comes before its dependencies: first those that the code no longer
/// contains, triggers first and functions last, and then the others in reverse order.
fn in_order_of_dropping(schema: &Schema, objects: &mut [Record]) {
    let rank = |name: &str| {
        let file = name.rsplit('/').next().unwrap_or(name);
        match file.split('_').next() {
            Some("trigger") => 0,
            Some("view") => 1,
            Some("function") => 3,
            _ => 2,
        }
    };
    objects.sort_by_key(|object| match place(schema, object) {
        Some(place) => (1, schema.objects.len() - place),
        None => (0, rank(&object.name)),
    });
}

fn place(schema: &Schema, record: &Record) -> Option<usize> {
    schema
        .objects
        .iter()
        .position(|object| object.name == record.name)
}

//! Failures of a command that come from the schema: the schema is missing, or has another version.

use neobank_migration::{MigrationState, Rollout, RolloutOptions, Status};

use crate::connection::Connection;
use crate::error::CommandError;
use crate::exit::Exit;

/// Returns the same error, or one that names the command to run where the schema has another
/// version. The server's code reports a missing object or role; the applied migrations explain it.
pub(crate) async fn explained(error: CommandError, connection: &Connection) -> CommandError {
    if !matches!(error.kind, MISSING | ROLE) {
        return error;
    }
    match sentence(connection).await {
        Ok(Some(message)) => CommandError::failed(MISSING, message),
        // The schema has this version, so the missing object does not belong to it.
        Ok(None) if error.kind == MISSING => CommandError {
            kind: "database",
            exit: Exit::Failed,
            ..error
        },
        Err(_) if error.kind == MISSING => CommandError {
            message: format!(
                "{}; the state of the schema: `neobank migrate status`",
                error.message
            ),
            ..error
        },
        _ => error,
    }
}

/// The name of an error about a missing object in a statement.
pub(crate) const MISSING: &str = "schema";

/// The name of an error about a missing role of the session.
pub(crate) const ROLE: &str = "role";

/// Returns one sentence that names the command to run, or `None` when the schema is this version's.
pub(crate) async fn sentence(connection: &Connection) -> Result<Option<String>, CommandError> {
    let mut config = connection.config("migrate status")?;
    // Every role may read the applied migrations, and a role of the schema may not exist yet.
    config.role = None;
    let rollout = Rollout::connect_with(&config, RolloutOptions::default()).await?;
    let status = rollout.status().await?;
    Ok(advice(rollout.database(), &status))
}

fn advice(database: &str, status: &Status) -> Option<String> {
    let is = |state| {
        let mut migrations = status.migrations.iter();
        migrations.find(|migration| migration.state == state)
    };
    if let Some(newer) = is(MigrationState::Missing) {
        return Some(format!(
            "the schema of the database {database:?} is newer than this neobank {}, which does not know its migration {}: \
             use the neobank that rolled it out",
            env!("CARGO_PKG_VERSION"),
            newer.name
        ));
    }
    if !status.problems().is_empty() {
        return Some(format!(
            "the schema of the database {database:?} is not one that this neobank {} migrates: run `neobank migrate status`",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let pending = status.pending();
    let is_applied = is(MigrationState::Applied).is_some();
    match pending {
        0 => None,
        _ if is_applied => Some(format!(
            "the schema of the database {database:?} is older than this neobank {} ({pending} changes are pending): run \
             `neobank migrate up`",
            env!("CARGO_PKG_VERSION")
        )),
        _ => Some(format!(
            "the database {database:?} does not have the schema yet: run `neobank migrate up`"
        )),
    }
}

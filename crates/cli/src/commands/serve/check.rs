//! `neobank serve --check`: everything that the service needs, without listening.

use neobank_db::{Database, Executor as _, FromRow, statement};
use neobank_domain::api_keys;
use serde::Serialize;
use serde_json::json;

use super::ServeArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell};
use crate::schema;

/// The role whose members the service's role belongs to.
const ROLE: &str = "neobank_app";

/// One check and its result.
#[derive(Debug, Serialize)]
struct Checked {
    subject: &'static str,
    /// The value that the service would use, or the reason for which it would not start.
    finding: String,
    is_problem: bool,
}

/// Checks the settings, the certificate, the database, the schema and the role, and listens nowhere.
pub(super) async fn check(
    arguments: &ServeArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let mut checked = vec![
        of_result("address", arguments.described_address()),
        of_result("encryption", arguments.described_tls()),
        of_result("access", arguments.described_issuer().await),
        of_result("rates", arguments.described_limits()),
        of_result("stop", arguments.described_stop()),
        of_result("workers", arguments.described_workers()),
        #[cfg(feature = "otlp")]
        of_result("telemetry", arguments.described_telemetry()),
    ];
    checked.extend(database(connection).await);
    let problems = checked.iter().filter(|one| one.is_problem).count();
    let mut table = Table::new(&["subject", "result", "finding"], "");
    for one in &checked {
        let result = if one.is_problem {
            cell("problem").style(Style::Bad)
        } else {
            cell("ok").style(Style::Good)
        };
        table.row([cell(one.subject), result, cell(&one.finding)]);
    }
    let note = match problems {
        0 => "the service can start".to_owned(),
        1 => "1 problem: the service would not serve".to_owned(),
        more => format!("{more} problems: the service would not serve"),
    };
    let data = json!({ "checks": checked, "problems": problems });
    let blocks = vec![Block::Table(table), Block::Note(note)];
    Ok(Output::new("serve", data, blocks)?.failed_if(problems > 0))
}

fn of_result(subject: &'static str, result: Result<String, CommandError>) -> Checked {
    match result {
        Ok(finding) => Checked {
            subject,
            finding,
            is_problem: false,
        },
        Err(error) => Checked {
            subject,
            finding: error.redacted().message,
            is_problem: true,
        },
    }
}

/// Checks the connection, and where there is one the schema and the role.
async fn database(connection: &Connection) -> Vec<Checked> {
    let opened = async {
        let config = connection.service_config("serve")?;
        Ok(Database::connect(config).await?)
    };
    let database = match opened.await {
        Ok(database) => database,
        Err(error) => return vec![of_result("database", Err(error))],
    };
    let reached = described_server(&database).await;
    let checked = vec![
        of_result("database", reached),
        of_result("schema", described_schema(connection).await),
        of_result("role", described_role(&database).await),
    ];
    database.close();
    checked
}

/// The server and the role of a session, as the server reports them.
#[derive(Debug, FromRow)]
struct Session {
    database: String,
    version: String,
    role: String,
    is_member: bool,
    is_superuser: bool,
}

async fn session(database: &Database) -> Result<Session, CommandError> {
    let sql = "SELECT pg_catalog.current_database()::text AS database,
                      pg_catalog.current_setting('server_version') AS version,
                      current_user::text AS role,
                      coalesce((SELECT pg_catalog.pg_has_role(current_user, oid, 'USAGE')
                                FROM pg_catalog.pg_roles WHERE rolname = $1::text), false) AS is_member,
                      coalesce((SELECT rolsuper FROM pg_catalog.pg_roles
                                WHERE rolname = current_user), false) AS is_superuser";
    let found = database.fetch_one(statement(sql, [ROLE.into()])).await?;
    found.ok_or_else(|| CommandError::failed("database", "the server answered no row"))
}

async fn described_server(database: &Database) -> Result<String, CommandError> {
    let session = session(database).await?;
    let (name, version) = (session.database, session.version);
    Ok(format!(
        "reaches the database {name:?} on PostgreSQL {version}"
    ))
}

async fn described_schema(connection: &Connection) -> Result<String, CommandError> {
    match schema::sentence(connection).await? {
        None => Ok("is the one of this version".to_owned()),
        Some(problem) => Err(CommandError::failed(schema::MISSING, problem)),
    }
}

/// The role has the privileges of the application, and the service can read keys, as readiness asks.
async fn described_role(database: &Database) -> Result<String, CommandError> {
    let session = session(database).await?;
    let role = &session.role;
    if !session.is_member {
        let message = format!("the role {role:?} is no member of {ROLE}: GRANT {ROLE} TO it");
        return Err(CommandError::failed("privilege", message));
    }
    if session.is_superuser {
        let message = format!("the role {role:?} is a superuser: use a member of {ROLE}");
        return Err(CommandError::failed("privilege", message));
    }
    api_keys::find_by_prefix(database, "").await?;
    Ok(format!("{role:?} has the privileges of {ROLE}"))
}

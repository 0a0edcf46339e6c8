//! A running server and its owner.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use crate::local::LocalProcess;
use crate::{StartError, StopError, password, probe, url_form};

/// A running PostgreSQL server.
///
/// A server that this crate started is stopped, and its data removed, when this value is dropped or
/// its process ends for whatever reason. A server given by URL is left as it is.
#[must_use = "the server stops when this is dropped"]
pub struct LocalServer {
    url: Url,
    major: u32,
    origin: String,
    ownership: Ownership,
    /// The password of the role [`OWNER`], once that exists.
    owner_password: Mutex<Option<String>>,
}

/// A server that outlives its owner; see [`LocalServer::keep`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptServer {
    /// The URL of its database `postgres`, with the password.
    pub url: String,
    /// The process id of the server; `None` when it was given by URL or runs in a container.
    pub process_id: Option<u32>,
    /// A shell command that stops the server and removes its data; `None` when it was given by URL.
    pub stop_command: Option<String>,
}

/// The ordinary role that owns the databases of [`LocalServer::create_database`].
const OWNER: &str = "neobank_owner";

/// The time limit for creating a database; a busy machine needs some seconds.
const DATABASE_LIMIT: Duration = Duration::from_secs(60);

/// The resources that end with the server.
pub(crate) enum Ownership {
    /// None: the server was given.
    Given,
    /// Processes and a folder.
    Process(LocalProcess),
    /// A container.
    #[cfg(feature = "container")]
    Container(Box<crate::container::RunningContainer>),
}

impl LocalServer {
    pub(crate) fn new(url: Url, major: u32, origin: String, ownership: Ownership) -> Self {
        Self {
            url,
            major,
            origin,
            ownership,
            owner_password: Mutex::new(None),
        }
    }

    /// Returns the URL of the database `postgres` (of the given database, for a given URL), with
    /// the password, as superuser. tokio-postgres, sqlx and libpq all read it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the URL of another database of this server, which need not exist yet.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        url_form::with_database(&self.url, database).into()
    }

    /// Creates a database that an ordinary role owns, and returns that role's URL of it.
    ///
    /// The role may log in and create roles, and nothing more: the privileges that a managed server
    /// gives to the owner of a bank's database. All databases that this value creates have the same
    /// owner. On a server that was given by URL the role of that URL creates and owns the database.
    ///
    /// # Errors
    ///
    /// [`StartError::Database`]: the server rejected it, for example because it exists.
    pub fn create_database(&self, database: &str) -> Result<String, StartError> {
        let failed = |failure: probe::Failure| StartError::Database {
            database: database.to_owned(),
            reason: failure.reason,
            sqlstate: failure.sqlstate,
        };
        let create = format!("CREATE DATABASE {}", quoted(database));
        let execute = |statement| probe::execute(self.url(), &[statement], DATABASE_LIMIT);
        if matches!(self.ownership, Ownership::Given) {
            execute(create).map_err(failed)?;
            return Ok(self.database_url(database));
        }
        let password = self.owner_password().map_err(failed)?;
        execute(format!("{create} OWNER {OWNER}")).map_err(failed)?;
        let url = url_form::with_database(&self.url, database);
        Ok(url_form::with_role(&url, OWNER, &password).into())
    }

    /// Creates the role [`OWNER`] with the first call, and returns its password.
    fn owner_password(&self) -> Result<String, probe::Failure> {
        let mut known = self
            .owner_password
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(password) = known.as_ref() {
            return Ok(password.clone());
        }
        let password = password::random().map_err(|error| error.to_string())?;
        let create = format!("CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{password}'");
        probe::execute(self.url(), &[create], DATABASE_LIMIT)?;
        *known = Some(password.clone());
        Ok(password)
    }

    /// Returns the major version, such as 18.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.major
    }

    /// Returns the origin of the server, for people.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the folder with the server's programs (`psql`, `pg_dump`, `pgbench` may be there
    /// too); `None` when the server was given by URL or runs in a container.
    #[must_use]
    pub fn bin_directory(&self) -> Option<&Path> {
        match &self.ownership {
            Ownership::Process(process) => Some(process.programs()),
            _ => None,
        }
    }

    /// Returns the process id of the server; `None` when it was given by URL or runs in a
    /// container.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        match &self.ownership {
            Ownership::Process(process) => Some(process.server_id()),
            _ => None,
        }
    }

    /// Stops the server and removes its data, as dropping it does, and returns errors. Connected
    /// clients are disconnected. It takes at most some 20 seconds, usually a tenth of one.
    ///
    /// # Errors
    ///
    /// [`StopError`]: the server still runs, or its folder still exists.
    pub fn stop(self) -> Result<(), StopError> {
        match self.ownership {
            Ownership::Given => Ok(()),
            Ownership::Process(process) => process.stop(),
            #[cfg(feature = "container")]
            Ownership::Container(container) => container.stop(),
        }
    }

    /// Leaves the server running after its owner's end, and returns its URL and the command that
    /// stops it. Its data is removed when it ends.
    ///
    /// # Errors
    ///
    /// The server's supervisor does not respond, so that the server would be unsupervised.
    pub fn keep(self) -> Result<KeptServer, StopError> {
        let url = self.url.into();
        let (process_id, stop_command) = match self.ownership {
            Ownership::Given => (None, None),
            Ownership::Process(process) => {
                let server_id = process.server_id();
                (Some(server_id), Some(process.keep()?))
            }
            #[cfg(feature = "container")]
            Ownership::Container(container) => (None, Some(container.keep()?)),
        };
        Ok(KeptServer {
            url,
            process_id,
            stop_command,
        })
    }
}

/// Returns the identifier as SQL text.
fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

impl fmt::Debug for LocalServer {
    /// The password is omitted.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LocalServer")
            .field("url", &url_form::without_password(&self.url))
            .field("version", &self.major)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_be_shared_by_the_tests_of_a_process() {
        fn shared<T: Send + Sync>() {}
        shared::<LocalServer>();
    }
}

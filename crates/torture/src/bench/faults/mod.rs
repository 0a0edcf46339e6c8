//! The faults: one table, and a file for each family.

mod access;
mod client;
mod clock;
mod ddl;
mod limits;
mod locks;
mod network;
mod pooler;
mod replication;
mod server;
mod settings;
mod table;

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::sys::signal::Signal;
use tokio_postgres::Client;

use super::stage::Stage;
use crate::checker::Invariant;

pub(crate) use table::all;

/// A fault of the table.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) family: &'static str,
    /// The fault in one sentence, for people.
    pub(crate) what: &'static str,
    /// The rule for service, reads and losses. In every case nothing is doubled or invented.
    pub(crate) holds: Holds,
    /// The length of the fault, in milliseconds.
    pub(crate) lasts: u64,
    pub(crate) inject: Inject,
}

/// The rule for service, reads and losses. After every fault each process of the load is served
/// within 5 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing more.
    Afterwards,
    /// Every process is served while the fault lasts.
    Throughout,
    /// The process with a direct connection is served while the fault lasts.
    ThroughoutDirect,
    /// Reads from a standby may show what was true a moment before.
    StaleReads,
    /// Requests that only the lost server had are lost; the bench counts them.
    DeclaredLoss,
}

/// Injects a fault, and returns its end.
pub(crate) type Inject = for<'a> fn(&'a mut Stage) -> BoxFuture<'a, anyhow::Result<Healing>>;

/// Ends a fault.
pub(crate) type Healing =
    Box<dyn for<'a> FnOnce(&'a mut Stage) -> BoxFuture<'a, anyhow::Result<()>> + Send>;

/// The reason why this machine cannot have a fault.
#[derive(Debug)]
pub(crate) struct NotPossible(pub(crate) String);

impl std::fmt::Display for NotPossible {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NotPossible {}

impl Fault {
    pub(crate) const fn lasts(&self) -> Duration {
        Duration::from_millis(self.lasts)
    }
}

impl Holds {
    /// Returns true if a violation of an invariant counts.
    pub(crate) const fn covers(self, invariant: Invariant) -> bool {
        match self {
            Self::DeclaredLoss => matches!(invariant, Invariant::ExactlyOnce),
            Self::StaleReads => !matches!(
                invariant,
                Invariant::RealTimeRead | Invariant::StrictSerialisability
            ),
            Self::Afterwards | Self::Throughout | Self::ThroughoutDirect => true,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Afterwards => "service within 5 s afterwards",
            Self::Throughout => "service throughout",
            Self::ThroughoutDirect => "direct service throughout",
            Self::StaleReads => "service afterwards; reads may be late",
            Self::DeclaredLoss => "loss is counted; nothing twice",
        }
    }
}

/// Ends a fault by what always happens: all that has ended is started, and the network is sound.
fn by_itself() -> Healing {
    Box::new(|_| async { Ok(()) }.boxed())
}

/// Ends a fault by statements of the superuser.
fn by_sql(sql: &'static str) -> Healing {
    Box::new(move |stage| async move { stage.node.sql(sql).await }.boxed())
}

/// Ends a fault by the continuation of stopped processes; some may have ended meanwhile.
fn by_continuing(processes: Vec<u32>) -> Healing {
    Box::new(move |_| {
        async move {
            for process in processes {
                let _ = super::node::signal(process, Signal::SIGCONT);
            }
            Ok(())
        }
        .boxed()
    })
}

/// Ends a fault by the end of the session that holds something.
fn by_ending(client: Client) -> Healing {
    Box::new(move |_| {
        async move {
            drop(client);
            Ok(())
        }
        .boxed()
    })
}

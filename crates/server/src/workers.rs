//! The workers of a server: sealing, the record of the ends of holds, and webhooks.

use std::time::Duration;

use neobank_domain::Ledger;
use neobank_domain::chain;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::state::ServiceState;
use crate::webhooks::supervise;

/// The work that a server does beside its requests. Several servers of a bank may do it at the same
/// time: one of them seals, and each hold ends once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workers {
    /// The pause between two calls that seal records, so that events appear; `None` does not seal.
    pub seal_interval: Option<Duration>,
    /// The pause between two calls that record the ends of holds whose time is over; `None` records
    /// none. Decisions and balances are right without it.
    pub expiry_interval: Option<Duration>,
    /// True to send the events of webhooks. Of several servers one at a time sends those of a webhook.
    pub webhooks: bool,
}

/// The work at work, which ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct RunningWorkers {
    _tasks: JoinSet<()>,
    webhooks: JoinSet<()>,
    /// Tells webhooks that their attempts are waited for no longer.
    give_up: watch::Sender<bool>,
}

/// The most records that one call seals.
const RECORDS_MAX: u32 = 20_000;

/// The most holds whose end one call records.
const HOLDS_MAX: usize = 500;

/// The longest time in which the webhooks are given back when the service stops.
const RELEASE_TIME: Duration = Duration::from_secs(3);

/// The actor of the ends of holds.
const ACTOR: &str = "service:expiry";

impl Default for Workers {
    fn default() -> Self {
        Self {
            seal_interval: Some(Duration::from_secs(1)),
            expiry_interval: Some(Duration::from_secs(10)),
            webhooks: true,
        }
    }
}

impl Workers {
    /// Returns workers that do nothing: other processes do their work.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            seal_interval: None,
            expiry_interval: None,
            webhooks: false,
        }
    }

    /// Starts the work.
    pub(crate) fn start(self, state: &ServiceState) -> RunningWorkers {
        let ledger = state.ledger();
        let mut tasks = JoinSet::new();
        if let Some(pause) = self.seal_interval {
            tasks.spawn(seal(ledger.clone(), pause));
        }
        if let Some(pause) = self.expiry_interval {
            let ledger = match ACTOR.parse() {
                Ok(actor) => ledger.acting_as(actor),
                Err(_) => ledger.clone(),
            };
            tasks.spawn(expire(ledger, pause));
        }
        let mut webhooks = JoinSet::new();
        let (give_up, given_up) = watch::channel(false);
        if self.webhooks {
            webhooks.spawn(supervise(state.clone(), given_up));
        }
        RunningWorkers {
            _tasks: tasks,
            webhooks,
            give_up,
        }
    }
}

impl RunningWorkers {
    /// Gives up the attempts of webhooks at work, which have had the time of the requests, and gives
    /// the webhooks to another server.
    pub(crate) async fn finish(mut self) {
        self.give_up.send_replace(true);
        let ended = async { while self.webhooks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(RELEASE_TIME, ended).await;
    }
}

async fn seal(ledger: Ledger, pause: Duration) {
    loop {
        match chain::seal(ledger.database(), RECORDS_MAX).await {
            Ok(report) if report.has_more => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!("records were not sealed: {error}"),
        }
        tokio::time::sleep(pause).await;
    }
}

async fn expire(ledger: Ledger, pause: Duration) {
    loop {
        match ledger.expire_holds(HOLDS_MAX).await {
            Ok(ended) if ended.len() == HOLDS_MAX => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!("the ends of holds were not recorded: {error}"),
        }
        tokio::time::sleep(pause).await;
    }
}

//! The stage of a run: a server, a pooler, the proxies before them, and the load.

use std::path::PathBuf;

use anyhow::Context;
use uuid::Uuid;

use super::bank::{self, DATABASE, TELLER};
use super::fleet::{Fleet, Plan, Way};
use super::node::Node;
use super::pgbouncer::Pgbouncer;
use super::proxy::{Proxy, Upstream, Weather};
use super::workplace::Workplace;

/// The size of the file system that a fault fills, in megabytes; a sparse file.
const SMALL_DISK: u32 = 8_192;

pub(crate) struct Stage {
    // In the order of their ends.
    pub(crate) fleet: Fleet,
    pub(crate) pgbouncer: Pgbouncer,
    pub(crate) node: Node,
    pub(crate) direct_proxy: Proxy,
    pub(crate) pooled_proxy: Proxy,
    /// Between the pooler and the server.
    pub(crate) pool_proxy: Proxy,
    pub(crate) upstream: Upstream,
    pub(crate) password: String,
    pub(crate) accounts: Vec<Uuid>,
    /// The reason why the server's data is not on a small file system.
    pub(crate) no_small_disk: Option<String>,
    pub(crate) round: u32,
    owner_password: String,
    folders: u32,
    workplace: Workplace,
}

/// The size of the load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) seed: u64,
    /// Processes for each way to the server.
    pub(crate) processes: u32,
    /// Callers of each process.
    pub(crate) callers: u32,
}

impl Stage {
    pub(crate) async fn set(version: u32, load: Load) -> anyhow::Result<Self> {
        let workplace = Workplace::new()?;
        let (folder, no_small_disk) = match workplace.small_disk("disk", SMALL_DISK) {
            Ok(folder) => (folder, None),
            Err(reason) => (workplace.folder("server")?, Some(format!("{reason:#}"))),
        };
        let password = Uuid::new_v4().simple().to_string();
        let owner_password = Uuid::new_v4().simple().to_string();
        let node = bank::start(version, &folder, &password).await?;
        let sql = format!("ALTER ROLE neobank_owner PASSWORD '{owner_password}'");
        node.sql(&sql).await?;
        let upstream = Upstream::new(node.port());
        let direct_proxy = Proxy::start(upstream.clone()).await?;
        let pool_proxy = Proxy::start(upstream.clone()).await?;
        let folder = workplace.folder("pgbouncer")?;
        let pgbouncer = Pgbouncer::start(folder, pool_proxy.port(), &password).await?;
        let pooled_proxy = Proxy::start(Upstream::new(pgbouncer.port())).await?;
        let history = workplace.path().join("history");
        std::fs::create_dir_all(&history)?;
        let url =
            |port: u16| format!("postgresql://{TELLER}:{password}@127.0.0.1:{port}/{DATABASE}");
        let plan = |way, port| Plan {
            way,
            url: url(port),
            callers: load.callers,
            seed: load.seed,
            history: history.clone(),
        };
        let mut plans = Vec::new();
        for _ in 0..load.processes {
            plans.push(plan(Way::Direct, direct_proxy.port()));
            plans.push(plan(Way::Pooled, pooled_proxy.port()));
        }
        let fleet = Fleet::start(plans, &history)?;
        Ok(Self {
            fleet,
            pgbouncer,
            node,
            direct_proxy,
            pooled_proxy,
            pool_proxy,
            upstream,
            password,
            accounts: Vec::new(),
            no_small_disk,
            round: 0,
            owner_password,
            folders: 0,
            workplace,
        })
    }

    /// Begins a round of load among new accounts.
    pub(crate) async fn begin_round(&mut self) -> anyhow::Result<()> {
        self.round += 1;
        self.accounts = bank::open_accounts(&self.node, &self.password)
            .await
            .context("no accounts")?;
        self.fleet.load(self.round, &self.accounts)
    }

    /// Opens two accounts that the load does not use.
    pub(crate) async fn accounts_apart(&self) -> anyhow::Result<[Uuid; 2]> {
        let opened = bank::open_accounts(&self.node, &self.password).await?;
        let [first, second, ..] = opened.as_slice() else {
            anyhow::bail!("no accounts");
        };
        Ok([*first, *second])
    }

    /// Connects to the server as the load does, without a proxy.
    pub(crate) async fn database(&self) -> anyhow::Result<neobank_db::Database> {
        bank::connect(&self.node, &self.password).await
    }

    /// Starts all that has ended, and calms the network.
    pub(crate) async fn recover(&mut self) -> anyhow::Result<()> {
        for proxy in [&self.direct_proxy, &self.pooled_proxy, &self.pool_proxy] {
            proxy.set(Weather::default());
        }
        self.node.start().await?;
        self.pgbouncer.ensure_running().await
    }

    /// Returns the proxies before the server and before the pooler.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        [&self.direct_proxy, &self.pooled_proxy].into_iter()
    }

    pub(crate) fn hot_account(&self) -> Uuid {
        self.accounts.first().copied().unwrap_or_default()
    }

    /// Returns the URL of the schema's owner.
    pub(crate) fn owner_url(&self) -> String {
        format!(
            "postgresql://neobank_owner:{}@127.0.0.1:{}/{DATABASE}",
            self.owner_password,
            self.node.port()
        )
    }

    /// Returns a new folder for a further server.
    pub(crate) fn new_folder(&mut self) -> anyhow::Result<PathBuf> {
        self.folders += 1;
        self.workplace.folder(&format!("server-{}", self.folders))
    }
}

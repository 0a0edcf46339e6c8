//! The places where every command is run: servers, poolers, roles and neighbours.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::ledger::HoldRequest;
use neobank_domain::{AccountType, Money, PostingRequest};
use neobank_ops::pgbouncer::PgbouncerUser;
use neobank_postgres::{Durability, LocalServer, ServerOptions};

use crate::harness::{Certificates, Pgbouncer, Standby, czk, migrate, single};
use crate::ops::session::Session;

/// Where commands are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The primary, as its database's ordinary owner.
    Owner,
    /// The primary, as a member of `neobank_app`.
    Application,
    /// The primary, as a member of `neobank_read`.
    Reader,
    /// The primary, as a member of `pg_monitor`.
    Monitor,
    /// The primary, as a role that may connect, and nothing more.
    Stranger,
    /// The primary, as its superuser.
    Superuser,
    /// The same, beside a LATIN1 database in which a session ran a query that is not UTF-8.
    BesideLatin1,
    /// A streaming standby, as the owner.
    Standby,
    /// The same with `DB_POOLER=transaction`.
    StandbyAsPooled,
    /// PgBouncer in session mode, as the owner.
    SessionPooler,
    /// PgBouncer in transaction mode, as the owner, with `DB_POOLER=transaction`.
    TransactionPooler,
    /// TLS with a certificate that its own key signed.
    SelfSigned,
    /// TLS with a certificate by an authority, without the host's name.
    LeafWithoutName,
    /// TLS with a certificate by an authority, with the host's name.
    Leaf,
}

impl Place {
    /// All of them, in the order of the table's columns.
    pub(super) const ALL: [Self; 14] = [
        Self::Owner,
        Self::Application,
        Self::Reader,
        Self::Monitor,
        Self::Stranger,
        Self::Superuser,
        Self::BesideLatin1,
        Self::Standby,
        Self::StandbyAsPooled,
        Self::SessionPooler,
        Self::TransactionPooler,
        Self::SelfSigned,
        Self::LeafWithoutName,
        Self::Leaf,
    ];

    pub(super) const fn certificates(self) -> Option<Certificates> {
        match self {
            Self::SelfSigned => Some(Certificates::SelfSigned),
            Self::LeafWithoutName => Some(Certificates::LeafWithoutName),
            Self::Leaf => Some(Certificates::Leaf),
            _ => None,
        }
    }

    const fn is_on_a_standby(self) -> bool {
        matches!(self, Self::Standby | Self::StandbyAsPooled)
    }
}

/// A place that is ready, with a database of its own and what the commands' arguments name.
pub(super) struct Cell {
    pub(super) url: String,
    pub(super) variables: Vec<(&'static str, &'static str)>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) folder: tempfile::TempDir,
    _guest: Option<Session>,
    _pgbouncer: Option<Pgbouncer>,
}

/// The servers of all places, of one major version.
pub(super) struct Servers {
    primary: LocalServer,
    standby: Standby,
    version: u32,
    data: PathBuf,
}

const PASSWORD: &str = "of the matrix";

/// Settings that a standby must have like its primary.
const SETTINGS: [(&str, &str); 1] = [("shared_preload_libraries", "pg_stat_statements")];

impl Servers {
    pub(super) async fn start(version: u32) -> Self {
        let start = move || {
            let options = ServerOptions::default()
                .version(Some(version))
                .durability(Durability::Fast);
            let set = |options: ServerOptions, (name, value)| options.setting(name, value);
            SETTINGS.into_iter().fold(options, set).start().unwrap()
        };
        let primary = tokio::task::spawn_blocking(start).await.unwrap();
        let standby = Standby::of(&primary, &SETTINGS).await;
        let data: String = database(primary.url())
            .await
            .fetch_value(statement("SHOW data_directory", []))
            .await
            .unwrap();
        let servers = Self {
            primary,
            standby,
            version,
            data: data.into(),
        };
        // The rollout makes the group roles, which the other roles are members of.
        migrate(&servers.primary.create_database("matrix_first").unwrap()).await;
        servers.make_roles().await;
        servers
    }

    async fn make_roles(&self) {
        let superuser = database(self.primary.url()).await;
        for (name, group) in [
            ("application", "IN ROLE neobank_app"),
            ("reader", "IN ROLE neobank_read"),
            ("monitor", "IN ROLE pg_monitor"),
            ("stranger", ""),
        ] {
            let sql = format!("CREATE ROLE matrix_{name} LOGIN PASSWORD '{PASSWORD}' {group}");
            superuser.execute(statement(&sql, [])).await.unwrap();
        }
    }

    /// Whether the place can be had: the wheel's PostgreSQL 18 is built without TLS.
    pub(super) fn has(&self, place: Place) -> bool {
        place.certificates().is_none() || self.version == 15
    }

    /// Makes the place's database, rolls the schema out as its owner, and fills it.
    pub(super) async fn prepare(&self, place: Place) -> Cell {
        let name = format!("matrix_{place:?}").to_lowercase();
        let owner = self.primary.create_database(&name).unwrap();
        let superuser = self.primary.database_url(&name);
        migrate(&owner).await;
        for role in ["matrix_monitor", "matrix_stranger"] {
            let grant = format!("GRANT CONNECT ON DATABASE {name} TO {role}");
            let database = database(self.primary.url()).await;
            database.execute(statement(&grant, [])).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let extension = "CREATE EXTENSION pg_stat_statements SCHEMA public";
        let mut facts = fill(&superuser).await;
        database(&superuser)
            .await
            .execute(statement(extension, []))
            .await
            .unwrap();
        facts.push(("database", name.clone()));
        facts.push(("folder", folder.path().display().to_string()));
        write_files(folder.path());
        write_requests(folder.path(), &facts);
        let mut cell = Cell {
            url: owner.clone(),
            variables: Vec::new(),
            facts,
            folder,
            _guest: None,
            _pgbouncer: None,
        };
        let in_the_role_of = |role: &str| {
            let (_, rest) = owner.rsplit_once('@').unwrap();
            format!(
                "postgresql://matrix_{role}:{}@{rest}",
                PASSWORD.replace(' ', "%20")
            )
        };
        match place {
            Place::Owner => {}
            Place::Application => cell.url = in_the_role_of("application"),
            Place::Reader => cell.url = in_the_role_of("reader"),
            Place::Monitor => cell.url = in_the_role_of("monitor"),
            Place::Stranger => cell.url = in_the_role_of("stranger"),
            Place::Superuser => cell.url = superuser,
            Place::BesideLatin1 => {
                cell.url = superuser;
                cell._guest = Some(self.neighbour().await);
            }
            Place::Standby | Place::StandbyAsPooled => cell.url = self.standby.url(&owner),
            Place::SessionPooler | Place::TransactionPooler => {
                let mode = if place == Place::SessionPooler {
                    "session"
                } else {
                    "transaction"
                };
                let pgbouncer = pooler(&owner, mode);
                let mut config = DatabaseConfig::from_url(&owner).unwrap();
                pgbouncer.stand_before(&mut config);
                let (credentials, _) = owner.rsplit_once('@').unwrap();
                cell.url = format!("{credentials}@127.0.0.1:{}/bank", config.ports[0]);
                cell._pgbouncer = Some(pgbouncer);
            }
            Place::SelfSigned | Place::LeafWithoutName | Place::Leaf => {
                let trusted = self.protect(place, cell.folder.path()).await;
                cell.url = format!(
                    "{}?sslmode=verify-full&sslrootcert={}",
                    owner.replacen("127.0.0.1", "localhost", 1),
                    trusted.display()
                );
            }
        }
        if matches!(place, Place::StandbyAsPooled | Place::TransactionPooler) {
            cell.variables.push(("DB_POOLER", "transaction"));
        }
        if place.is_on_a_standby() {
            self.standby.follow(&self.primary).await;
        }
        cell
    }

    /// A session of a database in LATIN1, in a transaction, whose query has a byte that is not
    /// UTF-8.
    async fn neighbour(&self) -> Session {
        let sql = "CREATE DATABASE matrix_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
        let superuser = database(self.primary.url()).await;
        superuser.execute(statement(sql, [])).await.unwrap();
        let guest = Session::open(&self.primary.database_url("matrix_latin1")).await;
        guest.run("BEGIN; SELECT 'caf\u{e9}'").await;
        guest
    }

    /// Gives the server another certificate, and returns the file that clients are to trust.
    async fn protect(&self, place: Place, folder: &Path) -> PathBuf {
        let certificates = place.certificates().unwrap();
        let trusted = certificates.give(folder, &self.data);
        let superuser = database(self.primary.url()).await;
        let loaded = "SELECT extract(epoch FROM pg_conf_load_time())::double precision";
        let before: f64 = superuser.fetch_value(statement(loaded, [])).await.unwrap();
        for sql in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            superuser.execute(statement(sql, [])).await.unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // A new session has what the server read last.
            let session = database(self.primary.url()).await;
            let after: f64 = session.fetch_value(statement(loaded, [])).await.unwrap();
            if after > before {
                return trusted;
            }
            assert!(Instant::now() < deadline, "the certificate is not read");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A PgBouncer that knows the owner.
fn pooler(owner: &str, mode: &str) -> Pgbouncer {
    let server = DatabaseConfig::from_url(owner).unwrap();
    let password = owner.split(['@', ':']).nth(2).unwrap();
    let user = PgbouncerUser::new(&server.user, password);
    Pgbouncer::start_with_text(
        &server,
        &server.database,
        &[user],
        |config| config.pool_size = 5,
        |text| text.replace("pool_mode = transaction", &format!("pool_mode = {mode}")),
    )
}

async fn database(url: &str) -> Database {
    Database::connect(DatabaseConfig::from_url(url).unwrap())
        .await
        .unwrap()
}

/// A customer with two accounts that have money, and two that are empty, one of them in euros. The
/// first has a hold for the second.
async fn fill(superuser: &str) -> Vec<(&'static str, String)> {
    let config = DatabaseConfig::from_url(superuser)
        .unwrap()
        .with_role("neobank_app");
    let database = Database::connect(config).await.unwrap();
    let mut customer = NewCustomer::individual("Ada", "Lovelace");
    customer.email = Some("ada@bank.example".to_owned());
    let customer = customers::create(&database, &customer).await.unwrap();
    let mut facts = Vec::new();
    let mut opened = Vec::new();
    let euro = "0 EUR".parse::<Money>().unwrap();
    for (name, zero) in [
        ("payer", czk("0")),
        ("payee", czk("0")),
        ("empty", czk("0")),
        ("euro", euro),
    ] {
        let new = NewAccount::new(customer.customer_id, AccountType::Checking, zero.currency());
        let account = accounts::open(&database, &new).await.unwrap();
        if matches!(name, "payer" | "payee") {
            let deposit = PostingRequest::deposit(account.account_id, czk("100"))
                .with_idempotency_key(format!("{name}-opening"));
            single(database.clone()).submit(deposit).await.unwrap();
        }
        facts.push((name, account.account_id.to_string()));
        opened.push(account.account_id);
    }
    let hold = HoldRequest::new(opened[0], czk("10")).with_destination(opened[1]);
    let hold = single(database).hold(hold).await.unwrap();
    facts.push(("hold", hold.hold_id.to_string()));
    facts
}

/// A file of requests.
fn write_requests(folder: &Path, facts: &[(&'static str, String)]) {
    let payer = facts.iter().find(|(name, _)| *name == "payer");
    let (_, payer) = payer.unwrap();
    let text = format!("kind,account,amount\ndeposit,{payer},1 CZK\n");
    std::fs::write(folder.join("requests.csv"), text).unwrap();
}

/// The importer's files.
fn write_files(folder: &Path) {
    for (name, text) in [
        ("customers.csv", "customer_id,date_of_birth\n7,1970-01-01\n"),
        (
            "accounts.csv",
            "account_id,customer_id,opened_on\n1,7,1993-01-01\n",
        ),
        (
            "transactions.csv",
            "transaction_id,account_id,date,movement,balance,operation,purpose\n\
             1,1,1993-01-02,100.00,100.00,,\n",
        ),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

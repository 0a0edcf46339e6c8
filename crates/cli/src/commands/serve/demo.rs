//! `neobank serve --demo`: a bank with a real bank's year on a server of its own.

use std::io::{Cursor, Write as _};

use flate2::bufread::MultiGzDecoder;
use neobank_db::{Database, DatabaseConfig};
use neobank_domain::api_keys::{self, NewApiKey, Scope};
use neobank_domain::import::{self, History, ImportOptions, Sources};
use neobank_domain::{Account, AccountId, Currency, Ledger, accounts};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::{LocalServer, ServerOptions};
use neobank_server::ApiKeySecret;

use crate::commands::import::progress;
use crate::error::CommandError;

const DATABASE: &str = "neobank_demo";

/// The folder of the bank's year, seen from this file.
macro_rules! folder {
    () => {
        "../../../../../data/czech-bank-1999/"
    };
}

/// The bank's year: its customers, accounts and transactions.
const CUSTOMERS: &[u8] = include_bytes!(concat!(folder!(), "customers.csv.gz"));
const ACCOUNTS: &[u8] = include_bytes!(concat!(folder!(), "accounts.csv.gz"));
const TRANSACTIONS: &[u8] = include_bytes!(concat!(folder!(), "transactions-1993.csv.gz"));

/// A bank that ends with the program.
pub(super) struct Demo {
    pub(super) database: Database,
    key: ApiKeySecret,
    from: Account,
    to: Account,
    /// The server, which stops when it is dropped.
    _server: LocalServer,
}

/// Starts a server, rolls the schema out, and fills it with the bank's year.
pub(super) async fn start() -> Result<Demo, CommandError> {
    let started = tokio::task::spawn_blocking(|| ServerOptions::default().start()).await;
    let server = started.map_err(|error| CommandError::failed("runtime", error))?;
    let server = server.map_err(not_started)?;
    say(&format!(
        "PostgreSQL {} from {}; it ends with this program",
        server.version(),
        server.origin()
    ));
    let owner = server.create_database(DATABASE).map_err(not_started)?;
    Rollout::connect(&owner, RolloutOptions::default())
        .await?
        .up()
        .await?;
    let history = history()?;
    let importer = connect(&server, "neobank_import").await?;
    let bar = progress::bar(history.transactions.len(), false);
    let report = import::run(&importer, &history, |done| {
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await?;
    bar.finish_and_clear();
    importer.close();
    say(&format!(
        "a bank's year: {} customers, {} accounts, {} transactions",
        report.customers, report.accounts, report.posted
    ));
    let database = connect(&server, "neobank_app").await?;
    let (from, to) = two_accounts(&database, &history).await?;
    Ok(Demo {
        key: key(&database).await?,
        database,
        from,
        to,
        _server: server,
    })
}

impl Demo {
    /// Prints the addresses, the key and a command that moves money.
    pub(super) fn introduce(&self, address: &str) {
        let (from, to) = (self.from.account_id, self.to.account_id);
        let currency = self.from.current_balance.currency();
        say(&format!(
            "\n\
             Console        {address}/console\n\
             Documentation  {address}/docs\n\
             Key            {key}\n\n\
             Move money from account {from_number} to account {to_number}:\n\n\
             curl -i {address}/v1/transfers \\\n    \
                 -H 'Authorization: Bearer {key}' \\\n    \
                 -H 'Idempotency-Key: first' -H 'Content-Type: application/json' \\\n    \
                 -d '{{\"from\": \"{from}\",\n         \
                 \"to\": \"{to}\",\n         \
                 \"amount\": {{\"amount\": \"250.00\", \"currency\": \"{currency}\"}}}}'\n",
            key = self.key.reveal(),
            from_number = self.from.account_number,
            to_number = self.to.account_number,
        ));
    }
}

fn history() -> Result<History, CommandError> {
    let read = |bytes: &'static [u8]| MultiGzDecoder::new(Cursor::new(bytes));
    let sources = Sources::new(read(CUSTOMERS), read(ACCOUNTS), read(TRANSACTIONS));
    let currency = Currency::from_code("CZK")?;
    let options = ImportOptions::new("czech-bank-1999", currency).with_time_zone("Europe/Prague");
    let mut problems = match History::read_all(sources, &options) {
        Ok(history) => return Ok(history),
        Err(problems) => problems.into_iter(),
    };
    let first = problems.next().map(|problem| problem.to_string());
    Err(CommandError::failed(
        "import_file",
        first.unwrap_or_default(),
    ))
}

fn not_started(error: neobank_postgres::StartError) -> CommandError {
    CommandError::failed("server", error)
}

/// Connects as a member of a role.
async fn connect(server: &LocalServer, role: &str) -> Result<Database, CommandError> {
    let config = DatabaseConfig::from_url(&server.database_url(DATABASE))?;
    let mut config = config.with_role(role);
    config.application_name = "neobank serve".to_owned();
    config.pool_max = 16;
    config.statement_timeout = std::time::Duration::from_secs(60);
    Ok(Database::connect(config).await?)
}

/// Returns the two accounts with the most money.
async fn two_accounts(
    database: &Database,
    history: &History,
) -> Result<(Account, Account), CommandError> {
    let identifiers: Vec<AccountId> = history
        .transactions
        .iter()
        .map(|line| line.account_id)
        .collect();
    let mut found = accounts::find_many(database, &identifiers).await?;
    found.sort_by_key(|account| account.current_balance.amount());
    let (to, from) = (found.pop(), found.pop());
    from.zip(to)
        .ok_or_else(|| CommandError::failed("runtime", "the bank has too few accounts"))
}

/// Creates a key that may do everything.
async fn key(database: &Database) -> Result<ApiKeySecret, CommandError> {
    let secret = ApiKeySecret::generate();
    let secret = secret.map_err(|error| CommandError::failed("runtime", error))?;
    let scopes = Scope::ALL.to_vec();
    let new = NewApiKey::new("demo", secret.prefix(), secret.hash(), scopes);
    let ledger = Ledger::new(database.clone());
    let actor = "demo:operator".parse();
    let actor = actor.map_err(|error| CommandError::failed("runtime", error))?;
    let change = ledger.acting_as(actor).begin_change().await?;
    api_keys::create(&change, &new).await?;
    change.commit().await?;
    Ok(secret)
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

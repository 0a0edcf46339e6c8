//! The bank: its rollout, the accounts of a round, and its books.

use std::path::Path;

use anyhow::Context;
use neobank_db::{Database, DatabaseConfig};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{AccountType, Currency, Money};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::ServerOptions;
use rust_decimal::Decimal;
use tokio_postgres::Client;
use uuid::Uuid;

use super::node::Node;
use super::worker::CURRENCY;
use crate::books::{Account, Books, Hold, Transfer};
use crate::history::Entry;

/// The name of the database.
pub(crate) const DATABASE: &str = "bank";

/// The role of the load: a member of `neobank_app`, as in production.
pub(crate) const TELLER: &str = "teller";

/// The accounts of a round.
const ACCOUNTS: usize = 12;

/// The overdraft limit of each account. Every account begins with nothing.
const OVERDRAFT: i64 = 2_000;

/// Starts a server whose schema an ordinary owner has rolled out.
pub(crate) async fn start(version: u32, folder: &Path, password: &str) -> anyhow::Result<Node> {
    let options = ServerOptions::new()
        .version(version)
        .setting("wal_level", "replica");
    let source = tokio::task::spawn_blocking(move || options.start()).await??;
    let source = std::sync::Arc::new(source);
    let given = std::sync::Arc::clone(&source);
    let url = tokio::task::spawn_blocking(move || given.create_database(DATABASE)).await??;
    let rollout = Rollout::connect(&url, RolloutOptions::default()).await?;
    rollout.up().await?;
    drop(rollout);
    let owner = super::node::connect(&url.parse()?).await?;
    owner
        .batch_execute(&format!(
            "CREATE ROLE {TELLER} LOGIN PASSWORD '{password}' IN ROLE neobank_app"
        ))
        .await?;
    drop(owner);
    let programs = source.bin_directory().context("no programs")?;
    Node::copy(programs, folder.to_owned(), source.url(), false).await
}

/// Connects as the load's role, directly to the server.
pub(crate) async fn connect(node: &Node, password: &str) -> anyhow::Result<Database> {
    let url = format!(
        "postgresql://{TELLER}:{password}@127.0.0.1:{}/{DATABASE}",
        node.port()
    );
    let mut config = DatabaseConfig::from_url(&url)?;
    config.pool_max = 1;
    Ok(Database::connect(config).await?)
}

/// Opens the accounts of a round; the first is the hot one.
pub(crate) async fn open_accounts(node: &Node, password: &str) -> anyhow::Result<Vec<Uuid>> {
    let database = connect(node, password).await?;
    let currency = Currency::from_code(CURRENCY)?;
    let ada = customers::create(&database, &NewCustomer::individual("Ada", "Lovelace")).await?;
    let mut opened = Vec::new();
    for _ in 0..ACCOUNTS {
        let new = NewAccount::new(ada.customer_id, AccountType::Checking, currency)
            .with_overdraft_limit(Money::new(Decimal::new(OVERDRAFT, 0), currency)?);
        opened.push(accounts::open(&database, &new).await?.account_id.as_uuid());
    }
    database.close();
    Ok(opened)
}

const READ_ACCOUNTS: &str = "
    SELECT account_id, current_balance::numeric, held_balance::numeric, overdraft_limit::numeric
    FROM banking.accounts WHERE account_id = ANY($1) ORDER BY account_id";

const READ_TRANSFERS: &str = "
    SELECT t.transfer_id, t.amount::numeric, t.reverses_transfer_id, t.hold_id,
           coalesce(t.idempotency_key,
                    (SELECT g.idempotency_key FROM banking.transfers AS g
                     WHERE g.group_id = t.group_id AND g.idempotency_key IS NOT NULL LIMIT 1))
    FROM banking.transfers AS t
    WHERE t.from_account_id = ANY($1) OR t.to_account_id = ANY($1)";

const READ_ENTRIES: &str = "
    SELECT transfer_id, account_id, entry_number, running_balance::numeric,
           CASE WHEN transaction_type = 'credit' THEN amount::numeric ELSE -amount::numeric END
    FROM banking.transactions WHERE account_id = ANY($1) ORDER BY account_id, entry_number";

const READ_HOLDS: &str = "
    SELECT h.hold_id, h.account_id, h.amount::numeric,
           coalesce(sum(abs(e.amount::numeric)) FILTER (WHERE e.event_type = 'captured'), 0),
           coalesce(sum(abs(e.amount::numeric)) FILTER (WHERE e.event_type IN ('released', 'expired')), 0),
           max(e.idempotency_key) FILTER (WHERE e.event_type = 'authorised'),
           coalesce(array_agg(coalesce(e.idempotency_key, t.idempotency_key) ORDER BY e.event_number)
                    FILTER (WHERE e.event_type = 'captured'
                            OR e.event_type <> 'authorised' AND e.idempotency_key IS NOT NULL), '{}')
    FROM banking.holds AS h
    JOIN banking.hold_events AS e USING (hold_id)
    LEFT JOIN banking.transfers AS t ON t.transfer_id = e.transfer_id
    WHERE h.account_id = ANY($1)
    GROUP BY h.hold_id";

/// Reads the books of a round's accounts in one snapshot.
pub(crate) async fn books(node: &Node, accounts: &[Uuid]) -> anyhow::Result<Books> {
    let client = node.connect(DATABASE).await?;
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let books = Books {
        accounts: read_accounts(&client, accounts).await?,
        transfers: read_transfers(&client, accounts).await?,
        entries: read_entries(&client, accounts).await?,
        holds: read_holds(&client, accounts).await?,
    };
    client.batch_execute("ROLLBACK").await?;
    Ok(books)
}

async fn read_accounts(client: &Client, accounts: &[Uuid]) -> anyhow::Result<Vec<Account>> {
    let rows = client.query(READ_ACCOUNTS, &[&accounts]).await?;
    let account = |row: &tokio_postgres::Row| {
        let overdraft: Option<Decimal> = row.try_get(3)?;
        Ok(Account {
            id: row.try_get(0)?,
            opening_balance: Decimal::ZERO,
            balance: row.try_get(1)?,
            held: row.try_get(2)?,
            least_balance: overdraft.map(|limit| -limit),
        })
    };
    rows.iter().map(account).collect()
}

async fn read_transfers(client: &Client, accounts: &[Uuid]) -> anyhow::Result<Vec<Transfer>> {
    let rows = client.query(READ_TRANSFERS, &[&accounts]).await?;
    let transfer = |row: &tokio_postgres::Row| {
        Ok(Transfer {
            id: row.try_get(0)?,
            amount: row.try_get(1)?,
            reverses: row.try_get(2)?,
            hold: row.try_get(3)?,
            key: row.try_get(4)?,
        })
    };
    rows.iter().map(transfer).collect()
}

async fn read_entries(client: &Client, accounts: &[Uuid]) -> anyhow::Result<Vec<Entry>> {
    let rows = client.query(READ_ENTRIES, &[&accounts]).await?;
    let entry = |row: &tokio_postgres::Row| {
        Ok(Entry {
            transfer: row.try_get(0)?,
            account: row.try_get(1)?,
            number: row.try_get(2)?,
            balance: row.try_get(3)?,
            amount: Some(row.try_get(4)?),
        })
    };
    rows.iter().map(entry).collect()
}

async fn read_holds(client: &Client, accounts: &[Uuid]) -> anyhow::Result<Vec<Hold>> {
    let rows = client.query(READ_HOLDS, &[&accounts]).await?;
    let hold = |row: &tokio_postgres::Row| {
        Ok(Hold {
            id: row.try_get(0)?,
            account: row.try_get(1)?,
            amount: row.try_get(2)?,
            captured: row.try_get(3)?,
            released: row.try_get(4)?,
            key: row.try_get(5)?,
            change_keys: row.try_get(6)?,
        })
    };
    rows.iter().map(hold).collect()
}

/// Returns the violations that the database's own audit finds.
pub(crate) async fn audit(node: &Node) -> anyhow::Result<Vec<String>> {
    let mut config = DatabaseConfig::from_url(&node.url())?;
    DATABASE.clone_into(&mut config.database);
    config.pool_max = 1;
    config.reject_hostile_settings = false;
    config.statement_timeout = std::time::Duration::from_secs(120);
    let database = Database::connect(config).await?;
    let found = neobank_domain::audit::violations(&database).await?;
    database.close();
    Ok(found
        .into_iter()
        .map(|one| format!("{}: {}: {}", one.check_name, one.subject, one.detail))
        .collect())
}

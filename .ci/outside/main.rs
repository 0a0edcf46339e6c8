//! Gives the README's examples a server with the schema, and what is the reader's own: tables, accounts and a request.
//! Each example must run to its end.

use std::error::Error;
use std::process::Command;

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{
    AccountId, AccountType, Currency, Ledger, Money, PostingRequest, TransferRequest,
};
use neobank_migration::{Rollout, RolloutOptions};
use neobank_postgres::ServerOptions;

const OWN_TABLES: [&str; 6] = [
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.payments (transfer_id uuid PRIMARY KEY)",
    "CREATE TABLE shop.seats (seat integer PRIMARY KEY, free boolean NOT NULL)",
    "INSERT INTO shop.seats VALUES (12, true)",
    "GRANT USAGE ON SCHEMA shop TO neobank_app",
    "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA shop TO neobank_app",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = tokio::task::spawn_blocking(|| ServerOptions::default().start()).await??;
    let url = server.create_database("newcomer")?;
    Rollout::connect(&url, RolloutOptions::default()).await?.up().await?;
    let owner = Database::connect(DatabaseConfig::from_url(&url)?).await?;
    for sql in OWN_TABLES {
        owner.execute(statement(sql, [])).await?;
    }
    let url = server.database_url("newcomer");

    for program in std::env::args().skip(1) {
        let output = Command::new(&program)
            .env("DATABASE_URL", &url)
            .env("DB_ROLE", "neobank_app")
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        print!("{text}{}", String::from_utf8(output.stderr)?);
        assert!(output.status.success(), "{program} failed");
        assert!(text.contains("69.50 CZK left"), "{text}");
    }

    let database = Database::connect(DatabaseConfig::from_url(&url)?.with_role("neobank_app")).await?;
    let ledger = Ledger::new(database.clone());
    let koruna = Currency::from_code("CZK")?;
    let amount = Money::parse("1", koruna)?;
    let (from, to) = (open(&database, koruna).await?, open(&database, koruna).await?);
    ledger.submit(PostingRequest::deposit(from, Money::parse("100", koruna)?)).await?;

    newcomer::pay(&ledger, TransferRequest::new(from, to, amount)).await?;
    newcomer::pay_salaries(&ledger, to, amount).await?;
    newcomer::serve(&ledger, TransferRequest::new(from, to, amount)).await?;
    newcomer::print_november(&database, from).await?;
    newcomer::take_seat(&database, 12).await?;
    newcomer::end_the_day(&database).await?;
    let limits = newcomer::overdrafts(&database).await?;
    assert_eq!(limits.len(), 4, "two accounts of the first example, two of this program");
    newcomer::suspended(&database).await?;
    newcomer::count_blockers(DatabaseConfig::from_url(&url)?).await?;
    let sums: i64 = owner
        .fetch_value(statement("SELECT count(*) FROM banking.transactions", []))
        .await?;
    // Two of each of the first example's transfers, of a deposit, of two transfers here, and of 10,000 salaries.
    assert_eq!(sums, 2 * (2 + 1 + 2 + 10_000));
    let violations: i64 = owner
        .fetch_value(statement("SELECT count(*) FROM banking.audit()", []))
        .await?;
    assert_eq!(violations, 0);
    println!("every example of the README ran on PostgreSQL {}", server.version());
    Ok(())
}

async fn open(database: &Database, currency: Currency) -> Result<AccountId, Box<dyn Error>> {
    let owner = customers::create(database, &NewCustomer::individual("Grace", "Hopper")).await?;
    let new = NewAccount::new(owner.customer_id, AccountType::Checking, currency);
    Ok(accounts::open(database, &new).await?.account_id)
}

//! The way that most programs take: lock the two rows, look, write what follows, commit; a statement at a time.
//!
//! On the same tables with the same triggers, so with the same invariants; through SeaORM on its own sqlx pool. It locks both
//! rows with one statement and in one order, takes the key's uniqueness for its check, and does not ping connections:
//! anything else would be slower.

use rust_decimal::Decimal;
use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, SqlxPostgresConnector, Statement,
    TransactionTrait, Value,
};
use uuid::Uuid;

use crate::choice::account;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::Mover;

const LOCK: &str = "\
SELECT account_id, current_balance::numeric AS balance, available_balance, last_entry_number, last_entry_at,
       greatest(clock_timestamp(), last_entry_at) AS now
FROM banking.accounts WHERE account_id IN ($1, $2) AND account_status = 'active' ORDER BY account_id FOR NO KEY UPDATE";

const INSERT_TRANSFER: &str = "\
INSERT INTO banking.transfers
    (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
     amount, currency_code, description, idempotency_key, request_hash, posted_at)
VALUES ($1, 'transfer', $2, $3, $4, $5, $6, 'EUR', '', $7, $8, $9)";

const INSERT_ENTRIES: &str = "\
INSERT INTO banking.transactions
    (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount, currency_code,
     running_balance, description, transaction_date)
VALUES ($1, $2, $3, $4, 'debit', $5, 'EUR', $6, 'Transfer', $7), ($8, $2, $9, $10, 'credit', $5, 'EUR', $11, 'Transfer', $7)";

pub(crate) struct Classic {
    database: DatabaseConnection,
}

/// What is read under the lock.
struct Locked {
    balance: Decimal,
    available: Option<Decimal>,
    last_entry_number: i64,
    now: sea_orm::prelude::DateTimeUtc,
}

impl Classic {
    pub(crate) async fn connect(host: &Host, connections: usize) -> Result<Self, BenchError> {
        Self::connect_to(&host.url, connections).await
    }

    pub(crate) async fn connect_to(url: &str, connections: usize) -> Result<Self, BenchError> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|error| BenchError::other("classic", error))?;
        // Slow ones are what is measured here; told one by one they would bury the table.
        let options = options.disable_statement_logging();
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .min_connections(connections)
            .acquire_timeout(std::time::Duration::from_secs(60))
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| BenchError::other("classic", error))?;
        Ok(Self {
            database: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
        })
    }

    async fn attempt(&self, from: Uuid, to: Uuid, key: Option<String>) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        let rows = transaction
            .query_all_raw(statement(LOCK, [from.into(), to.into()]))
            .await?;
        let find = |account: Uuid| {
            let row = rows
                .iter()
                .find(|row| row.try_get::<Uuid>("", "account_id") == Ok(account))
                .ok_or_else(|| DbErr::RecordNotFound("the account".to_owned()))?;
            Ok::<_, DbErr>(Locked {
                balance: row.try_get("", "balance")?,
                available: row.try_get("", "available_balance")?,
                last_entry_number: row.try_get("", "last_entry_number")?,
                now: row.try_get("", "now")?,
            })
        };
        let (payer, payee) = (find(from)?, find(to)?);
        let amount = Decimal::new(1, 2);
        if payer.available.is_none_or(|available| available < amount) {
            return Err(DbErr::Custom("too little money".to_owned()));
        }
        let posted_at = payer.now.max(payee.now);
        let (transfer, debit, credit) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let hash = key.as_ref().map(|_| vec![7_u8; 32]);
        let (from_number, to_number) = (payer.last_entry_number + 1, payee.last_entry_number + 1);
        transaction
            .execute_raw(statement(
                INSERT_TRANSFER,
                [
                    transfer.into(),
                    from.into(),
                    to.into(),
                    from_number.into(),
                    to_number.into(),
                    amount.into(),
                    key.into(),
                    hash.into(),
                    posted_at.into(),
                ],
            ))
            .await?;
        transaction
            .execute_raw(statement(
                INSERT_ENTRIES,
                [
                    debit.into(),
                    transfer.into(),
                    from.into(),
                    from_number.into(),
                    amount.into(),
                    (payer.balance - amount).into(),
                    posted_at.into(),
                    credit.into(),
                    to.into(),
                    to_number.into(),
                    (payee.balance + amount).into(),
                ],
            ))
            .await?;
        transaction.commit().await
    }
}

impl Mover for Classic {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<(), BenchError> {
        self.attempt(account(from).as_uuid(), account(to).as_uuid(), key)
            .await
            .map_err(|error| BenchError::other("classic", error))
    }
}

fn statement(sql: &'static str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

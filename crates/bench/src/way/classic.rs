//! The way of most programs: lock the two rows, read, write, commit, each in a statement of its
//! own.
//!
//! It uses the same tables with the same triggers, and so the same invariants. It runs on the
//! driver itself, with statements that are prepared once for each connection. It locks both rows
//! with one statement and in one order, relies on the unique constraint for the idempotency key,
//! and does not ping connections: each alternative would be slower.

use chrono::{DateTime, Utc};
use deadpool::unmanaged::Pool;
use rust_decimal::Decimal;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Row, Statement};
use uuid::Uuid;

use crate::choice::account;
use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Moved, Mover};

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

const TRANSFER_TYPES: [Type; 9] = [
    Type::UUID,
    Type::UUID,
    Type::UUID,
    Type::INT8,
    Type::INT8,
    Type::NUMERIC,
    Type::TEXT,
    Type::BYTEA,
    Type::TIMESTAMPTZ,
];

const ENTRIES_TYPES: [Type; 11] = [
    Type::UUID,
    Type::UUID,
    Type::UUID,
    Type::INT8,
    Type::NUMERIC,
    Type::NUMERIC,
    Type::TIMESTAMPTZ,
    Type::UUID,
    Type::UUID,
    Type::INT8,
    Type::NUMERIC,
];

/// A pool of sessions. Each caller takes one for the time of a transfer.
pub(crate) struct Classic {
    pool: Pool<Session>,
}

/// A connection with its prepared statements.
struct Session {
    client: Client,
    lock: Statement,
    insert_transfer: Statement,
    insert_entries: Statement,
}

/// A row that is read under the lock.
struct Locked {
    balance: Decimal,
    available: Option<Decimal>,
    last_entry_number: i64,
    now: DateTime<Utc>,
}

impl Session {
    async fn open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        // The task ends with the client; the statements return its errors.
        tokio::spawn(connection);
        Ok(Self {
            lock: client
                .prepare_typed(LOCK, &[Type::UUID, Type::UUID])
                .await?,
            insert_transfer: client
                .prepare_typed(INSERT_TRANSFER, &TRANSFER_TYPES)
                .await?,
            insert_entries: client.prepare_typed(INSERT_ENTRIES, &ENTRIES_TYPES).await?,
            client,
        })
    }

    async fn transfer(
        &mut self,
        from: Uuid,
        to: Uuid,
        key: Option<String>,
    ) -> Result<(), BenchError> {
        let transaction = self.client.transaction().await.map_err(failed)?;
        let rows = transaction
            .query(&self.lock, &[&from, &to])
            .await
            .map_err(failed)?;
        let (payer, payee) = (locked(&rows, from)?, locked(&rows, to)?);
        let amount = Decimal::new(1, 2);
        if payer.available.is_none_or(|available| available < amount) {
            return Err(failed("too little money"));
        }
        let posted_at = payer.now.max(payee.now);
        let (transfer, debit, credit) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let hash = key.as_ref().map(|_| vec![7_u8; 32]);
        let (from_number, to_number) = (payer.last_entry_number + 1, payee.last_entry_number + 1);
        transaction
            .execute(
                &self.insert_transfer,
                &[
                    &transfer,
                    &from,
                    &to,
                    &from_number,
                    &to_number,
                    &amount,
                    &key,
                    &hash,
                    &posted_at,
                ],
            )
            .await
            .map_err(failed)?;
        transaction
            .execute(
                &self.insert_entries,
                &[
                    &debit,
                    &transfer,
                    &from,
                    &from_number,
                    &amount,
                    &(payer.balance - amount),
                    &posted_at,
                    &credit,
                    &to,
                    &to_number,
                    &(payee.balance + amount),
                ],
            )
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}

impl Classic {
    pub(crate) async fn connect(host: &Host, connections: usize) -> Result<Self, BenchError> {
        Self::connect_to(&host.url, connections).await
    }

    pub(crate) async fn connect_to(url: &str, connections: usize) -> Result<Self, BenchError> {
        let mut sessions = Vec::with_capacity(connections);
        for _ in 0..connections {
            sessions.push(Session::open(url).await.map_err(failed)?);
        }
        Ok(Self {
            pool: Pool::from(sessions),
        })
    }
}

impl Mover for Classic {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        let mut session = self.pool.get().await.map_err(failed)?;
        session
            .transfer(account(from).as_uuid(), account(to).as_uuid(), key)
            .await?;
        Ok(Moved::ONE)
    }
}

fn locked(rows: &[Row], account: Uuid) -> Result<Locked, BenchError> {
    let row = rows
        .iter()
        .find(|row| row.get::<_, Uuid>("account_id") == account)
        .ok_or_else(|| failed("the account is not active"))?;
    Ok(Locked {
        balance: row.try_get("balance").map_err(failed)?,
        available: row.try_get("available_balance").map_err(failed)?,
        last_entry_number: row.try_get("last_entry_number").map_err(failed)?,
        now: row.try_get("now").map_err(failed)?,
    })
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::other("classic", error)
}

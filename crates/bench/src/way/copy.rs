//! `COPY` of the same rows into tables with the same columns, checks and indexes, without foreign
//! keys and triggers, a batch in each transaction: no other way to keep the same rows in the same
//! indexes can be faster on this server.
//!
//! The tables begin with the rows of the journal, in their order, because empty indexes would be
//! faster than those of a ledger in use, which batches write to.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use neobank_db::{Executor, statement};
use tokio_postgres::{Client, NoTls};

use crate::bank::Bank;
use crate::choice::{Choice, Chooser, account};
use crate::error::BenchError;
use crate::host::Host;
use crate::latency::Latencies;
use crate::measured::{Moment, Stretches};
use crate::options::Options;
use crate::report::Line;
use crate::way::Way;

const TRANSFERS: &str = "transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, \
    to_entry_number, amount, currency_code, description, idempotency_key, request_hash, posted_at";
const ENTRIES: &str = "transaction_id, transfer_id, account_id, entry_number, transaction_type, amount, currency_code, \
    running_balance, description, transaction_date";

/// Rows of one batch, in the server's own text format.
struct Batch {
    transfers: Vec<Bytes>,
    entries: Vec<Bytes>,
}

pub(crate) async fn measure(
    choice: Choice,
    options: &Options,
    host: &Host,
    bank: &mut Bank,
) -> Result<Line, BenchError> {
    let client = connect(host).await?;
    make_tables(&client).await?;
    host.settle().await?;
    let mut chooser = Chooser::new(choice, options.accounts, 4);
    let warm_up = Instant::now();
    while warm_up.elapsed() < Duration::from_secs(options.warm_up) {
        let batch = prepare(&client, &mut chooser, options, bank).await?;
        copy(&client, batch).await?;
    }
    let latencies = Latencies::new();
    let (mut copied, mut stretches) = (0_u64, Stretches::default());
    // The ledger posts the batch and the rows are read back outside the measured intervals.
    while stretches.elapsed() < options.window() {
        let batch = prepare(&client, &mut chooser, options, bank).await?;
        let moment = Moment::now(host).await?;
        let started = Instant::now();
        copy(&client, batch).await?;
        latencies.record(0, started.elapsed());
        stretches.add(&moment.used_since(host).await?);
        copied += options.batch_size as u64;
    }
    let used = stretches.used();
    let mut line = Line::new(Way::Copy, choice, 1, copied, &used).with_latency(latencies.summary());
    line.group_size = Some(options.batch_size as f64);
    let sql = "DROP TABLE bench.transfers, bench.transactions";
    host.superuser.execute(statement(sql, [])).await?;
    Ok(line)
}

async fn make_tables(client: &Client) -> Result<(), BenchError> {
    // A sequential scan that joins another one half-way would change the order.
    let sql = format!(
        "SET synchronize_seqscans = off;
         CREATE SCHEMA IF NOT EXISTS bench;
         DROP TABLE IF EXISTS bench.transfers, bench.transactions;
         CREATE TABLE bench.transfers (LIKE banking.transfers INCLUDING ALL);
         CREATE TABLE bench.transactions (LIKE banking.transactions INCLUDING ALL);
         INSERT INTO bench.transfers ({TRANSFERS}) SELECT {TRANSFERS} FROM banking.transfers;
         INSERT INTO bench.transactions ({ENTRIES}) SELECT {ENTRIES} FROM banking.transactions;"
    );
    client.batch_execute(&sql).await.map_err(failed)?;
    // VACUUM cannot run in the transaction of the statements above.
    let sql = "VACUUM (ANALYZE) bench.transfers, bench.transactions";
    client.batch_execute(sql).await.map_err(failed)
}

/// Posts a batch and reads its rows back.
async fn prepare(
    client: &Client,
    chooser: &mut Chooser,
    options: &Options,
    bank: &mut Bank,
) -> Result<Batch, BenchError> {
    let cent = neobank_domain::Money::parse("0.01", crate::bank::currency()?)?;
    let postings: Vec<_> = (0..options.batch_size)
        .map(|_| {
            let account = account(chooser.pair().0);
            let mut posting = neobank_domain::PostingRequest::deposit(account, cent);
            posting.idempotency_key =
                (!options.no_keys).then(|| uuid::Uuid::now_v7().simple().to_string());
            posting.into()
        })
        .collect();
    let outcomes = bank.ledger.submit_all(&postings).await?;
    bank.transfers += outcomes.len() as u64;
    let identifiers: Vec<String> = outcomes
        .into_iter()
        .filter_map(|outcome| outcome.into_receipt().ok())
        .map(|receipt| receipt.transfer_id.to_string())
        .collect();
    // COPY takes no parameters; the identifiers are the ledger's own.
    let batch = format!("ANY ('{{{}}}'::uuid[])", identifiers.join(","));
    let transfers = format!(
        "SELECT {TRANSFERS} FROM banking.transfers WHERE transfer_id = {batch} ORDER BY transfer_id"
    );
    let entries = format!(
        "SELECT {ENTRIES} FROM banking.transactions WHERE transfer_id = {batch} ORDER BY transaction_id"
    );
    Ok(Batch {
        transfers: read(client, &transfers).await?,
        entries: read(client, &entries).await?,
    })
}

async fn read(client: &Client, query: &str) -> Result<Vec<Bytes>, BenchError> {
    let stream = client
        .copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)"))
        .await
        .map_err(failed)?;
    let rows: Vec<Bytes> = stream.try_collect().await.map_err(failed)?;
    // A message for each row would measure the client.
    Ok(rows.chunks(500).map(|rows| rows.concat().into()).collect())
}

async fn copy(client: &Client, batch: Batch) -> Result<(), BenchError> {
    client.batch_execute("BEGIN").await.map_err(failed)?;
    write(
        client,
        &format!("bench.transfers ({TRANSFERS})"),
        batch.transfers,
    )
    .await?;
    write(
        client,
        &format!("bench.transactions ({ENTRIES})"),
        batch.entries,
    )
    .await?;
    client.batch_execute("COMMIT").await.map_err(failed)
}

async fn write(client: &Client, table: &str, rows: Vec<Bytes>) -> Result<(), BenchError> {
    let sink = client
        .copy_in::<_, Bytes>(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
        .await
        .map_err(failed)?;
    let mut sink = pin!(sink);
    for part in rows {
        sink.send(part).await.map_err(failed)?;
    }
    sink.finish().await.map_err(failed)?;
    Ok(())
}

async fn connect(host: &Host) -> Result<Client, BenchError> {
    let (client, connection) = tokio_postgres::connect(&host.url, NoTls)
        .await
        .map_err(failed)?;
    tokio::spawn(connection);
    Ok(client)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "so that it can be given to map_err"
)]
fn failed(error: tokio_postgres::Error) -> BenchError {
    let server = error.as_db_error().map(ToString::to_string);
    BenchError::other("copy", server.unwrap_or_else(|| error.to_string()))
}

use std::time::Instant;

use neobank_db::{Executor, statement};
use serde::Serialize;

use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Mover, Running};
use crate::processes;
use crate::report::Latency;
use crate::way::engine::GroupCommit;

/// Sizes, dead rows, updates, and heap-only updates of the accounts.
const ACCOUNTS: &str = "\
SELECT ARRAY[pg_catalog.pg_table_size(relid), pg_catalog.pg_indexes_size(relid), n_dead_tup, n_tup_upd, n_tup_hot_upd]
FROM pg_catalog.pg_stat_all_tables WHERE relid = 'banking.accounts'::regclass";

/// Values at one time, and counts since the previous sample.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Sample {
    /// Seconds since the first measured transfer.
    pub seconds: f64,
    /// Transfers per second since the previous sample.
    pub throughput: f64,
    /// Latency of the callers that were served since the previous sample, in microseconds.
    pub latency: Latency,
    /// Requests that wait for a group.
    pub waiting: usize,
    /// The resident memory of this process, in bytes.
    pub client_memory: Option<u64>,
    /// Memory of all processes of a server that was started here, in bytes; shared memory is
    /// counted once.
    pub server_memory: Option<u64>,
    /// Memory that those processes allocated themselves, without buffers and files, in bytes.
    pub server_private_memory: Option<u64>,
    /// Bytes of the accounts, without their indexes.
    pub table_bytes: u64,
    /// Bytes of the indexes of the accounts.
    pub index_bytes: u64,
    /// Dead row versions of accounts, as the server estimates them.
    pub dead_rows: u64,
    /// The share of heap-only updates among the updates of accounts since the previous sample; the
    /// server's count is up to a second late.
    pub heap_only: Option<f64>,
}

/// A sampler of the client, the server and the accounts.
pub(super) struct Sampler {
    group_commit: GroupCommit,
    started: Instant,
    before: Before,
}

struct Before {
    at: Instant,
    transfers: u64,
    updates: u64,
    heap_only: u64,
}

impl Sampler {
    pub(super) async fn start<M: Mover>(
        host: &Host,
        running: &Running<M>,
        group_commit: GroupCommit,
    ) -> Result<Self, BenchError> {
        let [_, _, _, updates, heap_only] = accounts(host).await?;
        let started = Instant::now();
        running.take_latencies();
        Ok(Self {
            group_commit,
            started,
            before: Before {
                at: started,
                transfers: running.counted(),
                updates,
                heap_only,
            },
        })
    }

    pub(super) async fn sample<M: Mover>(
        &mut self,
        host: &Host,
        running: &Running<M>,
    ) -> Result<Sample, BenchError> {
        let [table_bytes, index_bytes, dead_rows, updates, heap_only] = accounts(host).await?;
        let now = Before {
            at: Instant::now(),
            transfers: running.counted(),
            updates,
            heap_only,
        };
        let before = std::mem::replace(&mut self.before, now);
        let now = &self.before;
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let updated = since(now.updates, before.updates);
        let server = host.process.and_then(processes::server_memory);
        Ok(Sample {
            seconds: (now.at - self.started).as_secs_f64(),
            throughput: since(now.transfers, before.transfers) / (now.at - before.at).as_secs_f64(),
            latency: running.take_latencies(),
            waiting: self.group_commit.waiting(),
            client_memory: processes::memory_now(),
            server_memory: server.map(|server| server.all),
            server_private_memory: server.map(|server| server.private),
            table_bytes,
            index_bytes,
            dead_rows,
            heap_only: (updated > 0.0).then(|| since(now.heap_only, before.heap_only) / updated),
        })
    }
}

async fn accounts(host: &Host) -> Result<[u64; 5], BenchError> {
    let counted: Vec<i64> = host.superuser.fetch_value(statement(ACCOUNTS, [])).await?;
    let counted: Vec<u64> = counted
        .into_iter()
        .filter_map(|count| count.try_into().ok())
        .collect();
    <[u64; 5]>::try_from(counted)
        .map_err(|_| BenchError::other("the accounts", "have no statistics"))
}

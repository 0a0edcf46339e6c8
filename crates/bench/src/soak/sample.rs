use std::time::Instant;

use neobank_db::{Executor, statement};
use serde::Serialize;

use crate::error::BenchError;
use crate::host::Host;
use crate::load::{Mover, Running};
use crate::processes;
use crate::report::Latency;
use crate::way::engine::Gathered;

/// Sizes, dead rows, updates, and those of them that were heap-only.
const ACCOUNTS: &str = "\
SELECT ARRAY[pg_catalog.pg_table_size(relid), pg_catalog.pg_indexes_size(relid), n_dead_tup, n_tup_upd, n_tup_hot_upd]
FROM pg_catalog.pg_stat_all_tables WHERE relid = 'banking.accounts'::regclass";

/// What was seen at one time, and since the time before.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Sample {
    /// Since the first transfer that counts.
    pub seconds: f64,
    /// Transfers each second since the sample before.
    pub throughput: f64,
    /// Of the callers that were served since the sample before, in microseconds.
    pub latency: Latency,
    /// Requests that wait for a group.
    pub waiting: usize,
    /// Memory that this process has in use, in bytes.
    pub client_memory: Option<u64>,
    /// Memory of all processes of a server that was started here, in bytes; what they share is counted once.
    pub server_memory: Option<u64>,
    /// The part of it that they made for themselves: without buffers and files.
    pub server_private_memory: Option<u64>,
    /// Bytes of the accounts, without their indexes.
    pub table_bytes: u64,
    /// Bytes of the indexes of the accounts.
    pub index_bytes: u64,
    /// Row versions of accounts that nobody needs any more, as the server estimates them.
    pub dead_rows: u64,
    /// Of the updates of accounts since the sample before, the share that wrote into no index; the server's count of them is up
    /// to a second late.
    pub heap_only: Option<f64>,
}

/// Looks at everything, again and again.
pub(super) struct Sampler {
    gathered: Gathered,
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
        gathered: Gathered,
    ) -> Result<Self, BenchError> {
        let [_, _, _, updates, heap_only] = accounts(host).await?;
        let started = Instant::now();
        running.take_latencies();
        Ok(Self {
            gathered,
            started,
            before: Before {
                at: started,
                transfers: running.transfers(),
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
            transfers: running.transfers(),
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
            waiting: self.gathered.waiting(),
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

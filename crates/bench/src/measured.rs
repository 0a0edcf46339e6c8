//! Counters of the server and of processes, read before and after a measurement.

use std::time::{Duration, Instant};

use neobank_db::{DatabaseError, Executor, statement};

use crate::host::Host;
use crate::processes;

/// Counters at one moment.
pub(crate) struct Moment {
    at: Instant,
    wal: i64,
    client: Option<Duration>,
    server: Option<Duration>,
}

/// The difference between two moments.
pub(crate) struct Used {
    pub(crate) elapsed: Duration,
    pub(crate) wal_bytes: i64,
    /// In units of one processor: 1.5 is one and a half processors.
    pub(crate) client_cpu: Option<f64>,
    pub(crate) server_cpu: Option<f64>,
}

/// The sum of several measured intervals; work between them does not count.
#[derive(Default)]
pub(crate) struct Stretches {
    elapsed: Duration,
    wal_bytes: i64,
    client_seconds: Option<f64>,
    server_seconds: Option<f64>,
}

impl Stretches {
    pub(crate) fn add(&mut self, used: &Used) {
        let seconds = used.elapsed.as_secs_f64();
        let add =
            |sum: Option<f64>, share: Option<f64>| Some(sum.unwrap_or(0.0) + share? * seconds);
        self.elapsed += used.elapsed;
        self.wal_bytes += used.wal_bytes;
        self.client_seconds = add(self.client_seconds, used.client_cpu);
        self.server_seconds = add(self.server_seconds, used.server_cpu);
    }

    pub(crate) const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    pub(crate) fn used(&self) -> Used {
        let share = |seconds: Option<f64>| Some(seconds? / self.elapsed.as_secs_f64());
        Used {
            elapsed: self.elapsed,
            wal_bytes: self.wal_bytes,
            client_cpu: share(self.client_seconds),
            server_cpu: share(self.server_seconds),
        }
    }
}

impl Moment {
    pub(crate) async fn now(host: &Host) -> Result<Self, DatabaseError> {
        let sql = "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint";
        Ok(Self {
            wal: host.superuser.fetch_value(statement(sql, [])).await?,
            client: processes::own_time(),
            server: host.process.and_then(processes::server_time),
            at: Instant::now(),
        })
    }

    pub(crate) async fn used_since(self, host: &Host) -> Result<Used, DatabaseError> {
        let now = Self::now(host).await?;
        let elapsed = now.at - self.at;
        let share = |before: Option<Duration>, after: Option<Duration>| {
            Some((after?.checked_sub(before?)?).as_secs_f64() / elapsed.as_secs_f64())
        };
        Ok(Used {
            elapsed,
            wal_bytes: now.wal - self.wal,
            client_cpu: share(self.client, now.client),
            server_cpu: share(self.server, now.server),
        })
    }
}

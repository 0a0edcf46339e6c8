//! Every question, asked one after another.

use std::time::Duration;

use chrono::Utc;
use neobank_ops::{Monitor, OpsError, Section, Thresholds};

use super::model::{Answer, Part, Report};
use super::sections::{load, sessions, storage};

/// Slow statements on the page.
const STATEMENTS_MAX: u64 = 20;

pub(super) async fn gather(monitor: &Monitor, thresholds: &Thresholds) -> Result<Report, OpsError> {
    let version = monitor.server_version();
    let config = monitor.config();
    let mut parts = sessions_parts(monitor, thresholds).await?;
    parts.extend(load_parts(monitor, thresholds).await?);
    parts.extend(storage_parts(monitor).await?);
    Ok(Report {
        server: format!(
            "PostgreSQL {}.{}, database {} on {}",
            version.major(),
            version.minor(),
            config.database,
            config.hosts.join(", ")
        ),
        made_at: Utc::now(),
        parts,
    })
}

fn part(
    anchor: &'static str,
    title: &'static str,
    about: &'static str,
    answer: Section<Answer>,
) -> Part {
    Part {
        anchor,
        title,
        about,
        answer,
    }
}

async fn sessions_parts(monitor: &Monitor, thresholds: &Thresholds) -> Result<Vec<Part>, OpsError> {
    let limits = monitor.connection_limits().await?;
    let connections = monitor.connection_analysis().await?;
    let long = Duration::from_secs(thresholds.transactions.long_warning_seconds);
    let idle = Duration::from_secs(thresholds.connections.idle_seconds);
    let log = monitor
        .deadlocks(u32::try_from(thresholds.locks.deadlock_window_hours).unwrap_or(24))
        .await?;
    Ok(vec![
        part(
            "connections",
            "Connections",
            "Who is connected, by user, database and application.",
            sessions::connections(limits, connections, thresholds),
        ),
        part(
            "health",
            "Health",
            "The server's places, and transactions left open.",
            monitor
                .server_health(thresholds)
                .await?
                .map(sessions::health),
        ),
        part(
            "pools",
            "Pools",
            "The verdict on each pool, from the samples that it recorded.",
            monitor.pool_health(thresholds).await?.map(sessions::health),
        ),
        part(
            "blocking",
            "Who blocks whom",
            "Those that wait for nobody and are waited for, each with everybody behind it.",
            monitor
                .blocking()
                .await?
                .map(|report| sessions::blocking(&report, thresholds)),
        ),
        part(
            "deadlocks",
            "Deadlocks",
            "Deadlocks that applications logged in the last hours.",
            log.map(|rows| sessions::deadlocks(rows, thresholds)),
        ),
        part(
            "deadlock-risks",
            "Deadlock risks",
            "Sessions that could end in a deadlock, or are in one.",
            monitor
                .deadlock_risks()
                .await?
                .map(sessions::deadlock_risks),
        ),
        part(
            "transactions",
            "Long transactions",
            "Transactions that are open for longer than the threshold.",
            monitor
                .long_transactions(long)
                .await?
                .map(|rows| sessions::transactions(rows, thresholds)),
        ),
        part(
            "idle",
            "Idle connections",
            "Connections that did nothing for longer than the threshold.",
            monitor.idle_connections(idle).await?.map(sessions::idle),
        ),
    ])
}

async fn load_parts(monitor: &Monitor, thresholds: &Thresholds) -> Result<Vec<Part>, OpsError> {
    Ok(vec![
        part(
            "cache",
            "Cache hits",
            "The share of blocks that were in the server's buffers, since the counters began.",
            monitor
                .cache_hits()
                .await?
                .map(|rows| load::cache(rows, thresholds)),
        ),
        part(
            "statements",
            "Slow statements",
            "The statements of this database that took the most time in all.",
            monitor
                .slow_statements(STATEMENTS_MAX)
                .await?
                .map(|rows| load::statements(rows, thresholds)),
        ),
    ])
}

async fn storage_parts(monitor: &Monitor) -> Result<Vec<Part>, OpsError> {
    Ok(vec![
        part(
            "table-bloat",
            "Bloat of tables",
            "Room that rows do not need, estimated with its margin.",
            monitor.table_bloat(None).await?.map(storage::table_bloat),
        ),
        part(
            "index-bloat",
            "Bloat of indexes",
            "Room that entries of B-trees do not need, estimated with its margin.",
            monitor.index_bloat(None).await?.map(storage::index_bloat),
        ),
        part(
            "indexes",
            "Indexes to look at",
            "Invalid, duplicate and unused indexes, and what they are needed for all the same.",
            monitor.index_findings(None).await?.map(storage::indexes),
        ),
        part(
            "wraparound",
            "Wraparound",
            "How many transactions old the oldest row of each database is.",
            monitor.database_ages().await?.map(storage::wraparound),
        ),
        part(
            "horizon",
            "Who keeps old rows",
            "Whoever keeps dead rows from being cleaned up, the oldest first.",
            monitor.horizon().await?.map(storage::horizon),
        ),
    ])
}

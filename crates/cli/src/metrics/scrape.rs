//! What one scrape asks.

use std::collections::BTreeMap;
use std::time::Duration;

use neobank_db::DatabaseConfig;
use neobank_ops::live::SessionRow;
use neobank_ops::{Monitor, MonitorLimits, OpsError, Section};

use super::exposition::{Facts, SessionLabels};

/// The server's limit on each question of a scrape.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);
/// Groups of sessions; those beyond are one group, so that no application can fill Prometheus with names.
const GROUPS_MAX: usize = 200;

pub(super) async fn scrape(
    monitor: &mut Option<Monitor>,
    config: &DatabaseConfig,
) -> Result<Facts, OpsError> {
    let monitor = match monitor {
        Some(monitor) => monitor,
        None => monitor.insert(
            Monitor::connect(
                config.clone(),
                MonitorLimits::default().with_statement_timeout(STATEMENT_TIMEOUT),
            )
            .await?,
        ),
    };
    let limits = monitor.connection_limits().await?;
    let sessions = monitor.sessions().await?;
    let blocking = monitor.blocking().await?;
    let counters = monitor.counters().await?;
    let ages = monitor.database_ages().await?;
    Ok(Facts {
        sections: vec![
            ("connections", is_there(&limits)),
            ("sessions", is_there(&sessions)),
            ("blocking", is_there(&blocking)),
            ("counters", is_there(&counters)),
            ("wraparound", is_there(&ages)),
        ],
        connections: limits
            .into_value()
            .map(|row| (row.used_connections, i64::from(row.usable_connections))),
        oldest_transaction_milliseconds: sessions.value().map(|rows| oldest(rows)),
        sessions: sessions
            .into_value()
            .map(|rows| grouped(&rows))
            .unwrap_or_default(),
        blocking: blocking.into_value(),
        counters: counters.into_value(),
        database_ages: ages
            .into_value()
            .unwrap_or_default()
            .into_iter()
            .map(|row| (row.database_name, row.transaction_age))
            .collect(),
    })
}

const fn is_there<T>(section: &Section<T>) -> bool {
    matches!(section, Section::Available { .. })
}

fn oldest(sessions: &[SessionRow]) -> i64 {
    let ages = sessions
        .iter()
        .filter_map(|session| session.transaction_age_milliseconds);
    ages.max().unwrap_or_default()
}

fn grouped(sessions: &[SessionRow]) -> BTreeMap<SessionLabels, i64> {
    let mut groups = BTreeMap::new();
    for session in sessions {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let labels = SessionLabels {
            database: text(&session.database),
            user: text(&session.username),
            state: session.state.clone().unwrap_or_else(|| "hidden".to_owned()),
        };
        let is_known = groups.contains_key(&labels);
        let labels = if is_known || groups.len() < GROUPS_MAX {
            labels
        } else {
            SessionLabels {
                database: "(others)".to_owned(),
                user: "(others)".to_owned(),
                state: "(others)".to_owned(),
            }
        };
        *groups.entry(labels).or_insert(0) += 1;
    }
    groups
}

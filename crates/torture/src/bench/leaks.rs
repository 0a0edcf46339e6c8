//! Leaks: sessions, locks and statements that a round leaves behind.

use std::time::{Duration, Instant};

use super::bank::DATABASE;
use super::node::Node;

/// The time in which the server may notice that clients have gone.
const LIMIT: Duration = Duration::from_secs(5);

/// Each query finds what has leaked, with a text for each.
const LEAKS: [&str; 4] = [
    "SELECT 'session ' || pid || ' is idle in transaction: ' || left(query, 60) FROM pg_stat_activity
     WHERE state LIKE 'idle in transaction%' AND datname = current_database()",
    "SELECT 'idle session ' || a.pid || ' holds a lock: ' || l.locktype || ' ' || l.mode
     FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
     WHERE a.state = 'idle' AND a.datname = current_database()",
    "SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts",
    "SELECT 'a statement still runs: ' || left(query, 60) FROM pg_stat_activity
     WHERE state = 'active' AND usename = 'teller'",
];

/// Returns what is left behind once the load has settled.
pub(crate) async fn find(node: &mut Node) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found = find_now(node).await?;
        if found.is_empty() || Instant::now() > deadline {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn find_now(node: &mut Node) -> anyhow::Result<Vec<String>> {
    let client = node.connect(DATABASE).await?;
    let mut found = Vec::new();
    for sql in LEAKS {
        for row in client.query(sql, &[]).await? {
            found.push(row.try_get(0)?);
        }
    }
    found.extend(orphans(node)?);
    Ok(found)
}

/// Returns server processes whose first process is another one than the server's.
fn orphans(node: &Node) -> anyhow::Result<Vec<String>> {
    let first = node.process()?;
    let parent = |process: u32| -> Option<u32> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        text.rsplit(')')
            .next()?
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    let orphan =
        |process: &u32| *process != first && parent(*process).is_some_and(|id| id != first);
    Ok(node
        .processes()
        .iter()
        .filter(|process| orphan(process))
        .map(|process| format!("process {process} has outlived its server"))
        .collect())
}

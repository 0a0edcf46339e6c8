//! Sessions that wait, or may come to wait, for each other.

use serde::Serialize;

use super::orders::LockOrder;
use crate::blocking::{BlockingEdge, BlockingReport, EdgeKind, Who};
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// A pair of sessions at risk of a deadlock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct DeadlockRisk {
    /// The kind of risk.
    pub risk: RiskKind,
    /// The likelihood.
    pub level: RiskLevel,
    /// The waiting session.
    pub first: Who,
    /// Its held and wanted locks.
    pub first_locks: String,
    /// The session that it waits for, or that takes the same locks in another order.
    pub second: Who,
    /// The held and wanted locks of the second session.
    pub second_locks: String,
}

/// The kinds of risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RiskKind {
    /// Both are in a cycle of waits, of two, three or more sessions.
    Cycle,
    /// Both are in a cycle of waits that contains a wait for a safe snapshot, which the server's
    /// deadlock search does not follow.
    UnendingCycle,
    /// The first waits while another session waits for one of its locks: one more wait makes a
    /// cycle.
    HoldAndWait,
    /// Each holds a lock on the table that the other one wants next, if not on the same row: with
    /// other rows this would be a deadlock.
    LockOrderInversion,
}

/// The likelihood of a deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum RiskLevel {
    /// One more wait makes a deadlock.
    Medium,
    /// The existing waits may become a deadlock.
    High,
    /// A deadlock exists; the server has not searched for it yet, or never does.
    Certain,
}

impl Monitor {
    /// Reads pairs of sessions that are in a cycle of waits, that hold and wait, or that take two
    /// locks in different orders.
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn deadlock_risks(&self) -> Result<Section<Vec<DeadlockRisk>>, OpsError> {
        let report = match self.blocking().await? {
            Section::Available { value, .. } => value,
            Section::NotAvailable { reason } => return Ok(Section::NotAvailable { reason }),
        };
        Ok(self
            .lock_orders()
            .await?
            .map(|orders| risks(&report, &orders)))
    }
}

fn risks(report: &BlockingReport, orders: &[LockOrder]) -> Vec<DeadlockRisk> {
    let mut risks: Vec<DeadlockRisk> = report
        .edges
        .iter()
        .filter_map(|edge| risk_of_edge(report, edge))
        .collect();
    for (place, one) in orders.iter().enumerate() {
        for other in &orders[place + 1..] {
            let is_inverse = one.process_id != other.process_id
                && one.held == other.wanted
                && one.wanted == other.held;
            if is_inverse {
                risks.push(inversion(one, other));
            }
        }
    }
    risks.sort();
    risks
}

fn risk_of_edge(report: &BlockingReport, edge: &BlockingEdge) -> Option<DeadlockRisk> {
    let cycle = report.cycles.iter().find(|cycle| {
        cycle.members.contains(&edge.waiter) && cycle.members.contains(&edge.blocker)
    });
    let is_waited_for = || {
        let mut others = report.edges.iter();
        others.any(|other| other.blocker == edge.waiter && other.kind != EdgeKind::Queues)
    };
    let (risk, level) = match cycle {
        Some(cycle) if !cycle.is_ended_by_server => (RiskKind::UnendingCycle, RiskLevel::Certain),
        Some(cycle) if cycle.is_certain => (RiskKind::Cycle, RiskLevel::Certain),
        Some(_) => (RiskKind::Cycle, RiskLevel::High),
        None if is_waited_for() => (RiskKind::HoldAndWait, RiskLevel::Medium),
        None => return None,
    };
    let modes = edge.blocking_modes.join(", ");
    Some(DeadlockRisk {
        risk,
        level,
        first: edge.waiter.clone(),
        first_locks: format!(
            "wants {}",
            edge.wanted_mode.as_deref().unwrap_or("a safe snapshot")
        ),
        second: edge.blocker.clone(),
        second_locks: match edge.kind {
            EdgeKind::Queues => format!("wants {modes}"),
            EdgeKind::Holds => format!("has {modes}"),
            EdgeKind::SafeSnapshot => "has a snapshot".to_owned(),
        },
    })
}

fn inversion(one: &LockOrder, other: &LockOrder) -> DeadlockRisk {
    let who = |order: &LockOrder| Who::Session {
        process_id: order.process_id,
    };
    let locks = |order: &LockOrder| format!("has {}, wants {}", order.held, order.wanted);
    DeadlockRisk {
        risk: RiskKind::LockOrderInversion,
        level: RiskLevel::High,
        first: who(one),
        first_locks: locks(one),
        second: who(other),
        second_locks: locks(other),
    }
}

//! Sessions that wait, or may come to wait, for each other.

use serde::Serialize;

use super::orders::LockOrder;
use crate::blocking::{BlockingEdge, BlockingReport, EdgeKind, Who};
use crate::error::OpsError;
use crate::monitor::Monitor;
use crate::section::Section;

/// Two sessions, and what may come of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct DeadlockRisk {
    /// Of which kind.
    pub risk: RiskKind,
    /// How likely.
    pub level: RiskLevel,
    /// Who waits.
    pub first: Who,
    /// What it has and wants.
    pub first_locks: String,
    /// For whom, or who takes the same in another order.
    pub second: Who,
    /// What that one has and wants.
    pub second_locks: String,
}

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskKind {
    /// Both are in a cycle of waits, of two, three or more.
    Cycle,
    /// Both are in a cycle of waits that goes through a wait for a safe snapshot: the server does not look for it.
    UnendingCycle,
    /// The first waits while another session waits for what it holds: one more wait makes a cycle.
    HoldAndWait,
    /// Each has what the other one wants next, if not the same row of it: with other rows this would be a deadlock.
    LockOrderInversion,
}

/// How likely a deadlock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RiskLevel {
    /// It needs one more wait.
    Medium,
    /// It may come of what there is.
    High,
    /// It is there; the server has only not looked yet, or never does.
    Certain,
}

impl Monitor {
    /// Pairs of sessions in a cycle of waits, that hold and wait, or that take two locks in different orders, now.
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

//! The checker of our own.

use std::collections::HashSet;
use std::fmt;

use super::graph::Graph;
use super::lists::{Element, Lists, Seen};
use super::order::{Reason, graph};

/// The number of nodes of a component from which a short cycle is searched.
const STARTS_MAX: usize = 64;

/// The kind of an anomaly, with the name that Adya and Elle give it where they have one.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::serialisability::AnomalyKind;
///
/// assert_eq!(AnomalyKind::WriteSkew.name(), "write skew (G2)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// A read is no prefix of the list at the end: its order differs, or it has what is not there.
    IncompatibleOrder,
    /// A read has what was appended by a call that did not happen (G1a).
    AbortedRead,
    /// A call has read what it appended after the read.
    FutureRead,
    /// A list has an element twice.
    DuplicateElement,
    /// An append of a call that happened is not in its list.
    LostAppend,
    /// Calls that appended in a circle (G0).
    WriteCycle,
    /// Calls that read each other's appends in a circle (G1c).
    CircularInformationFlow,
    /// A circle in which one call has not read what another appended (G-single).
    ReadSkew,
    /// A circle in which several calls have not read what others appended (G2).
    WriteSkew,
}

/// An anomaly that no strictly serialisable ledger shows.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::serialisability::judge;
/// use neobank_torture::simulation::{Defect, Settings, simulate};
///
/// let (history, books) = simulate(&Settings::new(1).with_defect(Defect::DirtyRead));
/// let first = judge(&history, &books).own.remove(0);
/// assert!(first.to_string().starts_with("incompatible order: call "), "{first}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Anomaly {
    /// The kind.
    pub kind: AnomalyKind,
    /// True if the circle that is named has steps of real time.
    pub in_real_time: bool,
    /// The calls, keys and accounts.
    pub detail: String,
}

/// Returns the anomalies of the calls: their reads, and one cycle for each set of calls that come
/// before each other.
pub(super) fn anomalies(lists: &Lists) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    lists_are_complete(lists, &mut anomalies);
    reads_are_prefixes(lists, &mut anomalies);
    let graph = graph(lists);
    for component in graph.components() {
        anomalies.extend(cycle(lists, &graph, &component));
    }
    anomalies
}

fn lists_are_complete(lists: &Lists, anomalies: &mut Vec<Anomaly>) {
    let mut present = HashSet::new();
    for (list, elements) in lists.last.iter().enumerate() {
        for element in elements {
            if !present.insert((list, *element)) {
                let detail = format!("{} has a transfer twice", name(lists, list));
                anomalies.push(Anomaly::of(AnomalyKind::DuplicateElement, detail));
            }
        }
    }
    for call in &lists.calls {
        let mut appends = call.appends.iter();
        let lost = call.appends.iter().find(|append| !present.contains(append));
        // A call of unknown outcome has appended all or nothing.
        let happened = call.answered.is_some() || appends.any(|append| present.contains(append));
        if let (Some((list, _)), true) = (lost, happened) {
            let detail = format!(
                "{} happened, and is not in {}",
                call.name,
                name(lists, *list)
            );
            anomalies.push(Anomaly::of(AnomalyKind::LostAppend, detail));
        }
    }
}

fn reads_are_prefixes(lists: &Lists, anomalies: &mut Vec<Anomaly>) {
    let aborted: HashSet<(usize, Element)> = lists
        .calls
        .iter()
        .filter(|call| call.is_aborted)
        .flat_map(|call| call.appends.iter().copied())
        .collect();
    for call in &lists.calls {
        for (list, seen) in &call.reads {
            let elements = lists.elements(*list, seen);
            let has = |append: &(usize, Element)| append.0 == *list && elements.contains(&append.1);
            let name = name(lists, *list);
            if aborted.iter().any(has) {
                let detail = format!("{} read in {name} what was not executed", call.name);
                anomalies.push(Anomaly::of(AnomalyKind::AbortedRead, detail));
            } else if call.appends.iter().any(has) {
                let detail = format!("{} read in {name} what it appended later", call.name);
                anomalies.push(Anomaly::of(AnomalyKind::FutureRead, detail));
            } else if let Seen::Other(elements) = seen {
                let count = elements.len();
                let detail = format!(
                    "{} read {count} transfers of {name}, which are not the first of its {}",
                    call.name,
                    lists.last.get(*list).map_or(0, Vec::len),
                );
                anomalies.push(Anomaly::of(AnomalyKind::IncompatibleOrder, detail));
            }
        }
    }
}

/// Returns the shortest cycle that is found from some calls of a component.
fn cycle(lists: &Lists, graph: &Graph<Reason>, component: &[usize]) -> Option<Anomaly> {
    let calls = component.iter().filter(|node| **node < lists.calls.len());
    let inside = component.iter().copied().collect();
    let cycles = calls
        .take(STARTS_MAX)
        .map(|start| graph.cycle(&inside, *start));
    let cycle = cycles
        .filter(|cycle| !cycle.is_empty())
        .min_by_key(Vec::len)?;
    let reasons = || cycle.iter().map(|(_, reason)| reason);
    let not_read = reasons()
        .filter(|reason| matches!(reason, Reason::ReadWrite(_)))
        .count();
    let read = reasons().any(|reason| matches!(reason, Reason::WriteRead(_)));
    let kind = match (not_read, read) {
        (0, false) => AnomalyKind::WriteCycle,
        (0, true) => AnomalyKind::CircularInformationFlow,
        (1, _) => AnomalyKind::ReadSkew,
        _ => AnomalyKind::WriteSkew,
    };
    Some(Anomaly {
        kind,
        in_real_time: reasons().any(|reason| matches!(reason, Reason::RealTime)),
        detail: explained(lists, &cycle),
    })
}

/// Returns the steps of a cycle as a text. The times between calls have no names.
fn explained(lists: &Lists, cycle: &[(usize, Reason)]) -> String {
    let first = cycle.iter().position(|(node, _)| *node < lists.calls.len());
    let first = first.unwrap_or_default();
    let (before, from) = cycle.split_at(first);
    let steps: Vec<_> = from
        .iter()
        .chain(before)
        .filter_map(|(node, reason)| Some((lists.calls.get(*node)?, reason)))
        .collect();
    let nexts = steps.iter().cycle().skip(1);
    let steps = steps.iter().zip(nexts).map(|((call, reason), (next, _))| {
        let (call, next) = (&call.name, &next.name);
        match reason {
            Reason::WriteWrite(list) => {
                format!("{call} wrote to {} before {next}", name(lists, *list))
            }
            Reason::WriteRead(list) => {
                format!(
                    "{next} has read in {} what {call} wrote",
                    name(lists, *list)
                )
            }
            Reason::ReadWrite(list) => {
                format!(
                    "{call} has not read in {} what {next} wrote",
                    name(lists, *list)
                )
            }
            Reason::RealTime => format!("{call} had ended when {next} began"),
        }
    });
    steps.collect::<Vec<_>>().join("; ")
}

fn name(lists: &Lists, list: usize) -> &str {
    lists.names.get(list).map_or("a list", String::as_str)
}

impl Anomaly {
    const fn of(kind: AnomalyKind, detail: String) -> Self {
        Self {
            kind,
            in_real_time: false,
            detail,
        }
    }
}

impl AnomalyKind {
    /// Returns the kind's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IncompatibleOrder => "incompatible order",
            Self::AbortedRead => "aborted read (G1a)",
            Self::FutureRead => "future read",
            Self::DuplicateElement => "duplicate element",
            Self::LostAppend => "lost append",
            Self::WriteCycle => "write cycle (G0)",
            Self::CircularInformationFlow => "circular information flow (G1c)",
            Self::ReadSkew => "read skew (G-single)",
            Self::WriteSkew => "write skew (G2)",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_real_time = if self.in_real_time {
            " in real time"
        } else {
            ""
        };
        write!(
            formatter,
            "{}{in_real_time}: {}",
            self.kind.name(),
            self.detail
        )
    }
}

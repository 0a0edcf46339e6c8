//! The report, built from the server's rows.

use std::collections::BTreeMap;

use super::graph::{Analysis, Blocker, Cycle, Graph};
use super::mode::conflict;
use super::participants::ParticipantRow;
use super::remedy;
use super::report::{
    AwaitedLock, BlockingEdge, BlockingReport, EdgeKind, Participant, RootBlocker, Wait, WaitCycle,
    Who,
};

/// The registry's names of advisory keys.
type LockNames = BTreeMap<i64, (String, String)>;

pub(super) fn assemble(rows: &[ParticipantRow], names: &LockNames) -> BlockingReport {
    let people = Participants::new(rows);
    let graph = people.graph();
    let found = graph.analyse();
    BlockingReport {
        roots: people.roots(&found),
        cycles: people.cycles(&found),
        edges: people.edges(&found),
        participants: (0..rows.len())
            .filter(|node| {
                let is_shown = |shown: &Vec<Blocker>| shown.iter().any(|by| by.node == *node);
                rows[*node].wait.is_some() || found.shown.iter().any(is_shown)
            })
            .map(|node| people.participant(node, &found, &graph, names))
            .collect(),
        lock_waiters_total: rows
            .first()
            .map_or(0, |row| u64::try_from(row.lock_waiters_total).unwrap_or(0)),
    }
}

/// The rows, with indexes for look-ups.
struct Participants<'a> {
    rows: &'a [ParticipantRow],
    who: Vec<Who>,
    sessions: BTreeMap<i32, usize>,
    prepared: Vec<usize>,
    /// For each row: object and mode of its held locks.
    held: Vec<Vec<(&'a str, &'a str)>>,
}

impl<'a> Participants<'a> {
    fn new(rows: &'a [ParticipantRow]) -> Self {
        let mut sessions = BTreeMap::new();
        let mut prepared = Vec::new();
        for (node, row) in rows.iter().enumerate() {
            if row.prepared_transaction_id.is_some() {
                prepared.push(node);
            } else {
                sessions.insert(row.pid, node);
            }
        }
        Self {
            rows,
            who: rows.iter().map(who).collect(),
            sessions,
            prepared,
            held: rows.iter().map(held).collect(),
        }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new(self.rows.len());
        for (waiter, row) in self.rows.iter().enumerate() {
            for pid in &row.blockers {
                match self.sessions.get(pid) {
                    Some(&node) => {
                        let kind = self.kind(waiter, node);
                        graph.block(waiter, Blocker { node, kind });
                    }
                    // 0 stands for all prepared transactions together.
                    None => {
                        for &node in &self.prepared {
                            if !self.conflicting_modes(waiter, node).is_empty() {
                                graph.block(
                                    waiter,
                                    Blocker {
                                        node,
                                        kind: EdgeKind::Holds,
                                    },
                                );
                            }
                        }
                    }
                }
            }
        }
        graph
    }

    fn kind(&self, waiter: usize, blocker: usize) -> EdgeKind {
        let wanted = &self.rows[waiter].lock_object;
        if wanted.is_none() {
            return EdgeKind::SafeSnapshot;
        }
        // The blocker is before the waiter in the queue for the same lock, and holds no conflicting
        // mode.
        let only_queues = self.rows[blocker].lock_object == *wanted
            && self.conflicting_modes(waiter, blocker).is_empty();
        if only_queues {
            EdgeKind::Queues
        } else {
            EdgeKind::Holds
        }
    }

    /// Returns the modes in which the blocker holds the wanted lock, as far as they conflict with
    /// the wanted mode.
    fn conflicting_modes(&self, waiter: usize, blocker: usize) -> Vec<String> {
        let row = &self.rows[waiter];
        let (Some(object), Some(wanted)) = (&row.lock_object, &row.lock_mode) else {
            return Vec::new();
        };
        self.held[blocker]
            .iter()
            .filter(|(held, mode)| held == object && conflict(mode, wanted))
            .map(|(_, mode)| (*mode).to_owned())
            .collect()
    }

    fn roots(&self, found: &Analysis) -> Vec<RootBlocker> {
        let mut roots: Vec<RootBlocker> = (0..self.rows.len())
            .filter_map(|node| {
                let waiters: Vec<usize> = (0..self.rows.len())
                    .filter(|waiter| found.roots[*waiter].contains(&node))
                    .collect();
                let directly = found
                    .shown
                    .iter()
                    .filter(|shown| shown.iter().any(|by| by.node == node));
                (!waiters.is_empty()).then(|| RootBlocker {
                    who: self.who[node].clone(),
                    waiters_directly: directly.count(),
                    waiters_in_all: waiters.len(),
                    longest_wait_seconds: waiters
                        .iter()
                        .filter_map(|waiter| self.rows[*waiter].waiting_seconds)
                        .reduce(f64::max),
                })
            })
            .collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.waiters_in_all));
        roots
    }

    fn cycles(&self, found: &Analysis) -> Vec<WaitCycle> {
        found
            .cycles
            .iter()
            .map(|cycle| WaitCycle {
                members: cycle
                    .nodes
                    .iter()
                    .map(|node| self.who[*node].clone())
                    .collect(),
                is_certain: cycle.is_certain,
                is_ended_by_server: cycle.snapshot_waiters.is_empty(),
                remedy: self.remedy_of_cycle(cycle),
            })
            .collect()
    }

    fn remedy_of_cycle(&self, cycle: &Cycle) -> String {
        if cycle.snapshot_waiters.is_empty() {
            return remedy::of_lock_cycle(cycle.is_certain).to_owned();
        }
        let readers = cycle.snapshot_waiters.iter();
        remedy::of_snapshot_cycle(readers.map(|node| self.rows[*node].pid))
    }

    fn edges(&self, found: &Analysis) -> Vec<BlockingEdge> {
        let mut edges = Vec::new();
        for (waiter, shown) in found.shown.iter().enumerate() {
            for by in shown {
                edges.push(self.edge(waiter, *by));
            }
        }
        edges
    }

    fn edge(&self, waiter: usize, by: Blocker) -> BlockingEdge {
        let row = &self.rows[waiter];
        let blocking_modes = match by.kind {
            EdgeKind::SafeSnapshot => Vec::new(),
            EdgeKind::Holds => self.conflicting_modes(waiter, by.node),
            EdgeKind::Queues => self.rows[by.node].lock_mode.iter().cloned().collect(),
        };
        BlockingEdge {
            waiter: self.who[waiter].clone(),
            blocker: self.who[by.node].clone(),
            kind: by.kind,
            wanted_mode: row.lock_mode.clone(),
            blocking_modes,
        }
    }

    fn participant(
        &self,
        node: usize,
        found: &Analysis,
        graph: &Graph,
        names: &LockNames,
    ) -> Participant {
        let row = &self.rows[node];
        let who = self.who[node].clone();
        let class = remedy::class(
            row.wait.is_some(),
            row.prepared_transaction_id.is_some(),
            row.backend_type.as_deref(),
            row.state.as_deref(),
        );
        Participant {
            remedy: remedy::remedy(class, &who),
            who,
            database: row.database.clone(),
            username: row.username.clone(),
            application_name: row.application_name.clone(),
            client_address: row.client_address.clone(),
            backend_type: row.backend_type.clone(),
            state: row.state.clone(),
            query: row.query.clone(),
            transaction_started_at: row.transaction_started_at,
            class,
            wait: row.wait.as_ref().map(|_| Wait {
                since: row.waiting_since,
                seconds: row.waiting_seconds,
                lock: awaited(row, names),
                blockers_total: graph.blockers(node).count(),
                roots: found.roots[node]
                    .iter()
                    .map(|root| self.who[*root].clone())
                    .collect(),
                cycle: found.cycle_of[node],
                behind_cycles: found.behind[node].iter().copied().collect(),
                depth: found.depth[node],
            }),
        }
    }
}

fn who(row: &ParticipantRow) -> Who {
    match (&row.prepared_name, &row.prepared_transaction_id) {
        (Some(name), _) | (None, Some(name)) => Who::PreparedTransaction { name: name.clone() },
        (None, None) => Who::Session {
            process_id: row.pid,
        },
    }
}

fn held(row: &ParticipantRow) -> Vec<(&str, &str)> {
    row.held
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(|lock| Some((lock.get("object")?.as_str()?, lock.get("mode")?.as_str()?)))
        .collect()
}

fn awaited(row: &ParticipantRow, names: &LockNames) -> Option<AwaitedLock> {
    let name = row.advisory_key.and_then(|key| names.get(&key));
    Some(AwaitedLock {
        lock_type: row.lock_type.clone()?,
        mode: row.lock_mode.clone()?,
        database: row.lock_database.clone(),
        relation_schema: row.relation_schema.clone(),
        relation_name: row.relation_name.clone(),
        relation_id: row.relation_id,
        page: row.page,
        tuple: row.tuple,
        advisory_key: row.advisory_key,
        advisory_pair: row.advisory_pair.clone(),
        lock_namespace: name.map(|(namespace, _)| namespace.clone()),
        lock_identifier: name.map(|(_, identifier)| identifier.clone()),
    })
}

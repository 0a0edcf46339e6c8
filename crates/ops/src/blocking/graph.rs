//! The graph of waits: its roots, its cycles, and the few edges that are worth showing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::report::EdgeKind;

/// A graph whose nodes are numbers from 0; each node has its blockers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// The kind of wait for each blocker of a node.
    blockers: Vec<BTreeMap<usize, EdgeKind>>,
}

/// A node that another node waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocker {
    pub(crate) node: usize,
    pub(crate) kind: EdgeKind,
}

impl Blocker {
    /// Returns `true` if no other order of a queue removes the wait.
    fn is_hard(&self) -> bool {
        self.kind != EdgeKind::Queues
    }
}

/// The analysis of the graph, for each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// The nodes at the ends of all paths from this node, which do not wait; none for a node that
    /// does not wait itself.
    pub(crate) roots: Vec<BTreeSet<usize>>,
    /// The nodes of each cycle.
    pub(crate) cycles: Vec<Cycle>,
    /// The number of the node's cycle.
    pub(crate) cycle_of: Vec<Option<usize>>,
    /// The cycles that the node waits for without belonging to them.
    pub(crate) behind: Vec<BTreeSet<usize>>,
    /// The edges worth showing: those to holders, and for a node that only queues, those to the
    /// front of the queue.
    pub(crate) shown: Vec<Vec<Blocker>>,
    /// The least number of shown edges to a root, or to a cycle that waits for no other node.
    pub(crate) depth: Vec<usize>,
}

/// Nodes that wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) nodes: BTreeSet<usize>,
    /// `true` if no change of a queue's order resolves the cycle: it contains a cycle of holders
    /// alone, or one through a safe snapshot.
    pub(crate) is_certain: bool,
    /// The members that wait for another member with a safe snapshot. The server searches for
    /// cycles among locks alone, so it neither ends a cycle through such a wait nor changes a queue
    /// for it.
    pub(crate) snapshot_waiters: BTreeSet<usize>,
}

impl Graph {
    /// Creates a graph with this number of nodes and no edges.
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            blockers: vec![BTreeMap::new(); nodes],
        }
    }

    /// Adds an edge. Of two edges between the same nodes the hard one counts.
    pub(crate) fn block(&mut self, waiter: usize, by: Blocker) {
        let kind = self.blockers[waiter].entry(by.node).or_insert(by.kind);
        if by.is_hard() {
            *kind = by.kind;
        }
    }

    /// Returns the blockers in the order of their numbers.
    pub(crate) fn blockers(&self, waiter: usize) -> impl Iterator<Item = Blocker> {
        self.blockers[waiter].iter().map(|(node, kind)| Blocker {
            node: *node,
            kind: *kind,
        })
    }

    fn waits(&self, node: usize) -> bool {
        !self.blockers[node].is_empty()
    }

    pub(crate) fn analyse(&self) -> Analysis {
        let all: Vec<Vec<usize>> = self.edges(|_| true);
        let hard = self.edges(Blocker::is_hard);
        let components = components(&all);
        let certain: BTreeSet<usize> = components_of_cycles(&hard, &self::components(&hard))
            .flat_map(|nodes| nodes.iter().copied())
            .collect();
        let mut cycles = Vec::new();
        let mut cycle_of = vec![None; all.len()];
        for nodes in components_of_cycles(&all, &components) {
            for node in nodes {
                cycle_of[*node] = Some(cycles.len());
            }
            let snapshot_waiters = self.snapshot_waiters(nodes);
            cycles.push(Cycle {
                nodes: nodes.iter().copied().collect(),
                is_certain: !snapshot_waiters.is_empty()
                    || nodes.iter().any(|node| certain.contains(node)),
                snapshot_waiters,
            });
        }
        let (roots, behind) = self.ends(&components, &cycle_of);
        let shown: Vec<Vec<Blocker>> = (0..all.len()).map(|node| self.shown(node)).collect();
        let depth = depths(&shown, &roots, &cycle_of);
        Analysis {
            roots,
            cycles,
            cycle_of,
            behind,
            shown,
            depth,
        }
    }

    fn edges(&self, wanted: impl Fn(&Blocker) -> bool) -> Vec<Vec<usize>> {
        (0..self.blockers.len())
            .map(|node| {
                self.blockers(node)
                    .filter(&wanted)
                    .map(|blocker| blocker.node)
                    .collect()
            })
            .collect()
    }

    fn snapshot_waiters(&self, cycle: &[usize]) -> BTreeSet<usize> {
        let waits_in_the_cycle =
            |by: Blocker| by.kind == EdgeKind::SafeSnapshot && cycle.contains(&by.node);
        cycle
            .iter()
            .copied()
            .filter(|node| self.blockers(*node).any(waits_in_the_cycle))
            .collect()
    }

    /// Finds the roots of each node, and the cycles that it is behind. `components` lists each
    /// component after the components that it waits for.
    fn ends(
        &self,
        components: &[Vec<usize>],
        cycle_of: &[Option<usize>],
    ) -> (Vec<BTreeSet<usize>>, Vec<BTreeSet<usize>>) {
        let mut roots = vec![BTreeSet::new(); self.blockers.len()];
        let mut behind = vec![BTreeSet::new(); self.blockers.len()];
        for nodes in components {
            let (mut own_roots, mut own_behind) = (BTreeSet::new(), BTreeSet::new());
            for blocker in nodes.iter().flat_map(|node| self.blockers(*node)) {
                if nodes.contains(&blocker.node) {
                    continue;
                }
                if !self.waits(blocker.node) {
                    own_roots.insert(blocker.node);
                }
                own_roots.extend(&roots[blocker.node]);
                own_behind.extend(cycle_of[blocker.node]);
                own_behind.extend(&behind[blocker.node]);
            }
            for node in nodes {
                roots[*node].clone_from(&own_roots);
                behind[*node].clone_from(&own_behind);
            }
        }
        (roots, behind)
    }

    /// Selects the shown edges. Each waiter in a queue waits for all waiters before it, so n
    /// waiters on one row make n²/2 redundant edges. A node that waits for a holder is therefore
    /// shown with the holders only, and a node that only queues with the front of the queue.
    fn shown(&self, node: usize) -> Vec<Blocker> {
        let hard: Vec<Blocker> = self.blockers(node).filter(Blocker::is_hard).collect();
        if !hard.is_empty() {
            return hard;
        }
        let queue = &self.blockers[node];
        let is_at_the_front = |by: &Blocker| {
            !self
                .blockers(by.node)
                .any(|before| !before.is_hard() && queue.contains_key(&before.node))
        };
        let front: Vec<Blocker> = self.blockers(node).filter(is_at_the_front).collect();
        if front.is_empty() {
            return self.blockers(node).collect();
        }
        front
    }
}

/// Returns the strongly connected components, each behind those that it has edges to (Kosaraju's
/// algorithm, without recursion).
fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut reversed = vec![Vec::new(); edges.len()];
    for (from, targets) in edges.iter().enumerate() {
        for to in targets {
            reversed[*to].push(from);
        }
    }
    let mut seen = vec![false; edges.len()];
    let mut order = Vec::with_capacity(edges.len());
    for start in 0..edges.len() {
        finish(start, &reversed, &mut seen, &mut order);
    }
    let mut seen = vec![false; edges.len()];
    order
        .into_iter()
        .rev()
        .filter_map(|start| {
            let mut found = Vec::new();
            finish(start, edges, &mut seen, &mut found);
            (!found.is_empty()).then_some(found)
        })
        .collect()
}

/// Appends the nodes that are reachable from `start` to `order`, each after all nodes behind it.
fn finish(start: usize, edges: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut path = vec![(start, 0)];
    while let Some((node, next)) = path.pop() {
        match edges[node].get(next) {
            None => order.push(node),
            Some(&to) => {
                path.push((node, next + 1));
                if !std::mem::replace(&mut seen[to], true) {
                    path.push((to, 0));
                }
            }
        }
    }
}

fn components_of_cycles<'a>(
    edges: &'a [Vec<usize>],
    components: &'a [Vec<usize>],
) -> impl Iterator<Item = &'a Vec<usize>> {
    components.iter().filter(|nodes| match nodes.as_slice() {
        [alone] => edges[*alone].contains(alone),
        _ => true,
    })
}

/// Returns the distances along shown edges, from the roots and from the cycles that wait for no
/// other node.
fn depths(
    shown: &[Vec<Blocker>],
    roots: &[BTreeSet<usize>],
    cycle_of: &[Option<usize>],
) -> Vec<usize> {
    let mut waiters = vec![Vec::new(); shown.len()];
    for (waiter, blockers) in shown.iter().enumerate() {
        for blocker in blockers {
            waiters[blocker.node].push(waiter);
        }
    }
    let mut depth: Vec<Option<usize>> = (0..shown.len())
        .map(|node| {
            let is_end =
                shown[node].is_empty() || (cycle_of[node].is_some() && roots[node].is_empty());
            is_end.then_some(0)
        })
        .collect();
    let mut queue: VecDeque<usize> = (0..shown.len())
        .filter(|node| depth[*node].is_some())
        .collect();
    while let Some(node) = queue.pop_front() {
        let next = depth[node].map_or(1, |depth| depth + 1);
        for waiter in &waiters[node] {
            if depth[*waiter].is_none() {
                depth[*waiter] = Some(next);
                queue.push_back(*waiter);
            }
        }
    }
    depth.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests;

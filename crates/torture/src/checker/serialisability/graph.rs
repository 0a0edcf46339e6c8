//! Directed graphs: strongly connected components by Tarjan's algorithm, and a short cycle in one.

use std::collections::{HashMap, HashSet, VecDeque};

/// A graph whose nodes are numbers from 0, with labelled edges.
#[derive(Clone, Debug)]
pub(super) struct Graph<L> {
    edges: Vec<Vec<(usize, L)>>,
}

/// The state of a node whose edges are being followed.
struct Frame {
    node: usize,
    next_edge: usize,
}

impl<L: Copy> Graph<L> {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            edges: (0..nodes).map(|_| Vec::new()).collect(),
        }
    }

    pub(super) fn add(&mut self, from: usize, to: usize, label: L) {
        if from != to
            && let Some(edges) = self.edges.get_mut(from)
        {
            edges.push((to, label));
        }
    }

    fn edges(&self, node: usize) -> &[(usize, L)] {
        self.edges.get(node).map_or(&[], Vec::as_slice)
    }

    /// Returns the strongly connected components of more than one node. It keeps its own stack, so
    /// that a long history cannot overflow the thread's.
    pub(super) fn components(&self) -> Vec<Vec<usize>> {
        const NOT_SEEN: usize = usize::MAX;
        let count = self.edges.len();
        let mut index = vec![NOT_SEEN; count];
        let mut low = vec![0; count];
        let mut is_open = vec![false; count];
        let (mut open, mut frames, mut components) = (Vec::new(), Vec::new(), Vec::new());
        let mut next_index = 0;
        for root in 0..count {
            if index[root] != NOT_SEEN {
                continue;
            }
            frames.push(Frame {
                node: root,
                next_edge: 0,
            });
            while let Some(frame) = frames.last_mut() {
                let node = frame.node;
                if frame.next_edge == 0 {
                    (index[node], low[node]) = (next_index, next_index);
                    next_index += 1;
                    is_open[node] = true;
                    open.push(node);
                }
                if let Some((to, _)) = self.edges(node).get(frame.next_edge) {
                    frame.next_edge += 1;
                    if index[*to] == NOT_SEEN {
                        frames.push(Frame {
                            node: *to,
                            next_edge: 0,
                        });
                    } else if is_open[*to] {
                        low[node] = low[node].min(index[*to]);
                    }
                    continue;
                }
                frames.pop();
                if let Some(parent) = frames.last() {
                    low[parent.node] = low[parent.node].min(low[node]);
                }
                if low[node] == index[node] {
                    let mut component = Vec::new();
                    while let Some(member) = open.pop() {
                        is_open[member] = false;
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if component.len() > 1 {
                        components.push(component);
                    }
                }
            }
        }
        components
    }

    /// Returns a shortest cycle through a node within a component, as nodes with the label of the edge
    /// that leaves each.
    pub(super) fn cycle(&self, component: &HashSet<usize>, start: usize) -> Vec<(usize, L)> {
        let mut came_from: HashMap<usize, (usize, L)> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        'search: while let Some(node) = queue.pop_front() {
            for (to, label) in self.edges(node) {
                if !component.contains(to) || came_from.contains_key(to) {
                    continue;
                }
                came_from.insert(*to, (node, *label));
                if *to == start {
                    break 'search;
                }
                queue.push_back(*to);
            }
        }
        let mut cycle = Vec::new();
        let mut node = start;
        while let Some((before, label)) = came_from.get(&node) {
            cycle.push((*before, *label));
            node = *before;
            if node == start {
                break;
            }
        }
        cycle.reverse();
        cycle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph<()> {
        let mut graph = Graph::new(nodes);
        for (from, to) in edges {
            graph.add(*from, *to, ());
        }
        graph
    }

    #[test]
    fn graph_without_a_cycle_has_no_component() {
        let edges = [(0, 1), (1, 2), (0, 2), (2, 3), (1, 3)];
        assert!(graph(4, &edges).components().is_empty());
    }

    #[test]
    fn components_are_the_nodes_that_reach_each_other() {
        let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (4, 5)];
        let mut components = graph(6, &edges).components();
        components
            .iter_mut()
            .for_each(|component| component.sort_unstable());
        components.sort();
        assert_eq!(components, [vec![0, 1, 2], vec![3, 4]]);
    }

    #[test]
    fn cycle_is_a_shortest_one_through_its_start() {
        let edges = [(0, 1), (1, 2), (2, 3), (3, 0), (1, 0)];
        let graph = graph(4, &edges);
        let nodes = |start| -> Vec<_> {
            let cycle = graph.cycle(&HashSet::from([0, 1, 2, 3]), start);
            cycle.into_iter().map(|(node, ())| node).collect()
        };
        assert_eq!(nodes(0), [0, 1]);
        assert_eq!(nodes(2), [2, 3, 0, 1]);
    }

    #[test]
    fn long_cycle_does_not_overflow_the_stack() {
        let nodes = 300_000;
        let edges: Vec<_> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        let components = graph(nodes, &edges).components();
        assert_eq!(components.first().map(Vec::len), Some(nodes));
    }
}

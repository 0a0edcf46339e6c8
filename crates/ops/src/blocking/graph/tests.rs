use proptest::prelude::*;

use super::*;

fn graph(nodes: usize, hard: &[(usize, usize)], soft: &[(usize, usize)]) -> Graph {
    let mut graph = Graph::new(nodes);
    for (edges, kind) in [(hard, EdgeKind::Holds), (soft, EdgeKind::Queues)] {
        for (waiter, node) in edges {
            graph.block(*waiter, Blocker { node: *node, kind });
        }
    }
    graph
}

/// A cycle among locks alone.
fn cycle(nodes: &[usize], is_certain: bool) -> Cycle {
    Cycle {
        nodes: set(nodes),
        is_certain,
        snapshot_waiters: set(&[]),
    }
}

/// Every kind of wait.
fn kinds() -> impl Strategy<Value = EdgeKind> {
    prop_oneof![
        Just(EdgeKind::Holds),
        Just(EdgeKind::Queues),
        Just(EdgeKind::SafeSnapshot),
    ]
}

fn set(nodes: &[usize]) -> BTreeSet<usize> {
    nodes.iter().copied().collect()
}

#[test]
fn a_chain_has_one_root() {
    let found = graph(3, &[(1, 0), (2, 1)], &[]).analyse();
    assert_eq!(found.roots, [set(&[]), set(&[0]), set(&[0])]);
    assert_eq!(found.depth, [0, 1, 2]);
    assert!(found.cycles.is_empty());
}

#[test]
fn hot_row_has_one_shown_edge_for_each_waiter() {
    const WAITERS: usize = 300;
    let mut hot = Graph::new(WAITERS + 1);
    hot.block(
        1,
        Blocker {
            node: 0,
            kind: EdgeKind::Holds,
        },
    );
    for waiter in 2..=WAITERS {
        for before in 1..waiter {
            hot.block(
                waiter,
                Blocker {
                    node: before,
                    kind: if before == 1 {
                        EdgeKind::Holds
                    } else {
                        EdgeKind::Queues
                    },
                },
            );
        }
    }
    let found = hot.analyse();
    assert_eq!(found.shown.iter().map(Vec::len).sum::<usize>(), WAITERS);
    assert!(found.roots[1..].iter().all(|roots| *roots == set(&[0])));
    assert!(found.depth[2..].iter().all(|depth| *depth == 2));
}

#[test]
fn queued_waiter_is_shown_behind_the_front() {
    // 0 reads; 1 and 2 want to change the table; 3 wants to read, and waits for the queue alone.
    let found = graph(4, &[(1, 0), (2, 0)], &[(2, 1), (3, 1), (3, 2)]).analyse();
    assert_eq!(
        found.shown[2],
        [Blocker {
            node: 0,
            kind: EdgeKind::Holds
        }]
    );
    assert_eq!(
        found.shown[3],
        [Blocker {
            node: 1,
            kind: EdgeKind::Queues
        }]
    );
    assert_eq!(found.roots[3], set(&[0]));
}

#[test]
fn cycle_with_an_outside_root_is_a_cycle() {
    // 1 and 2 wait for each other, and 1 for 0 too; 3 is behind the cycle.
    let found = graph(4, &[(1, 2), (2, 1), (1, 0), (3, 2)], &[]).analyse();
    assert_eq!(found.cycles, [cycle(&[1, 2], true)]);
    assert_eq!(found.roots, [set(&[]), set(&[0]), set(&[0]), set(&[0])]);
    assert_eq!(found.behind[3], set(&[0]));
    assert_eq!(found.depth, [0, 1, 2, 3]);
}

#[test]
fn cycle_through_a_queue_is_uncertain() {
    let found = graph(2, &[(0, 1)], &[(1, 0)]).analyse();
    assert_eq!(found.cycles, [cycle(&[0, 1], false)]);
    let also_hard = graph(3, &[(0, 1), (1, 2), (2, 1)], &[(1, 0)]).analyse();
    assert_eq!(also_hard.cycles, [cycle(&[0, 1, 2], true)]);
}

#[test]
fn cycle_through_a_safe_snapshot_is_certain_and_not_ended_by_the_server() {
    // 1 wants a safe snapshot and waits for 0; 0 waits for what 1 holds, or queues behind 2, which
    // waits for 1.
    for (hard, soft) in [
        (&[(0, 1)][..], &[][..]),
        (&[(2, 1)][..], &[(0, 2)][..]),
        (&[(0, 1), (0, 2), (2, 0)][..], &[][..]),
    ] {
        let mut given = graph(4, hard, soft);
        let kind = EdgeKind::SafeSnapshot;
        given.block(1, Blocker { node: 0, kind });
        given.block(3, Blocker { node: 0, kind });
        let found = given.analyse().cycles;
        assert_eq!(found.len(), 1);
        assert!(found[0].is_certain);
        // 3 waits for the cycle and is not in it.
        assert_eq!(found[0].snapshot_waiters, set(&[1]));
    }
    // Outside of a cycle such a wait does not change the cycle.
    let mut given = graph(3, &[(0, 2)], &[(2, 0)]);
    let kind = EdgeKind::SafeSnapshot;
    given.block(1, Blocker { node: 0, kind });
    assert_eq!(given.analyse().cycles, [cycle(&[0, 2], false)]);
}

#[test]
fn a_long_chain_does_not_overflow_the_stack() {
    let edges: Vec<(usize, usize)> = (1..20_000).map(|node| (node, node - 1)).collect();
    let found = graph(20_000, &edges, &[]).analyse();
    assert_eq!(found.roots[19_999], set(&[0]));
    assert_eq!(found.depth[19_999], 19_999);
}

/// Returns the nodes that each node reaches over one edge or more, by a simple slow algorithm.
fn reach(graph: &Graph, nodes: usize, hard_only: bool) -> Vec<BTreeSet<usize>> {
    let direct = |node: usize| {
        graph
            .blockers(node)
            .filter(|by| by.is_hard() || !hard_only)
            .map(|by| by.node)
            .collect::<BTreeSet<_>>()
    };
    let mut reached: Vec<BTreeSet<usize>> = (0..nodes).map(direct).collect();
    for _ in 0..nodes {
        for node in 0..nodes {
            let further: BTreeSet<usize> = reached[node]
                .iter()
                .flat_map(|next| reached[*next].clone())
                .collect();
            reached[node].extend(further);
        }
    }
    reached
}

proptest! {
    #[test]
    fn analysis_agrees_with_the_definition(
        nodes in 1_usize..9,
        edges in proptest::collection::vec((0_usize..9, 0_usize..9, kinds()), 0..25),
    ) {
        let mut given = Graph::new(nodes);
        for (waiter, node, kind) in edges {
            if waiter < nodes && node < nodes && waiter != node {
                given.block(waiter, Blocker { node, kind });
            }
        }
        let found = given.analyse();
        let reached = reach(&given, nodes, false);
        let hard = reach(&given, nodes, true);
        for node in 0..nodes {
            let ends: BTreeSet<usize> =
                reached[node].iter().copied().filter(|end| !given.waits(*end)).collect();
            prop_assert_eq!(&found.roots[node], &ends);
            let is_in_cycle = reached[node].contains(&node);
            prop_assert_eq!(found.cycle_of[node].is_some(), is_in_cycle);
            if let Some(cycle) = found.cycle_of[node] {
                let together: BTreeSet<usize> =
                    (0..nodes).filter(|other| reached[node].contains(other) && reached[*other].contains(&node)).collect();
                prop_assert_eq!(&found.cycles[cycle].nodes, &together);
                let reads = |one: &usize| {
                    given.blockers(*one).any(|by| by.kind == EdgeKind::SafeSnapshot && together.contains(&by.node))
                };
                let readers: BTreeSet<usize> = together.iter().copied().filter(reads).collect();
                let is_certain = !readers.is_empty() || together.iter().any(|one| hard[*one].contains(one));
                prop_assert_eq!(found.cycles[cycle].is_certain, is_certain);
                prop_assert_eq!(&found.cycles[cycle].snapshot_waiters, &readers);
            }
            // Each shown edge exists, and each waiting node has a shown edge.
            prop_assert!(found.shown[node].iter().all(|shown| given.blockers(node).any(|by| by == *shown)));
            prop_assert_eq!(found.shown[node].is_empty(), !given.waits(node));
        }
    }

    /// A node without edges changes no other node's result.
    #[test]
    fn node_without_edges_changes_no_result(
        edges in proptest::collection::vec((0_usize..6, 0_usize..6, kinds()), 0..15),
    ) {
        let build = |nodes: usize| {
            let mut graph = Graph::new(nodes);
            for (waiter, node, kind) in edges.iter().filter(|(waiter, node, _)| waiter != node) {
                graph.block(*waiter, Blocker { node: *node, kind: *kind });
            }
            graph.analyse()
        };
        let (without, with) = (build(6), build(7));
        prop_assert_eq!(&with.roots[..6], &without.roots[..]);
        prop_assert_eq!(&with.shown[..6], &without.shown[..]);
        prop_assert_eq!(&with.depth[..6], &without.depth[..]);
        prop_assert_eq!(with.cycles, without.cycles);
    }
}

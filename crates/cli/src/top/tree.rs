//! The tree of blocking sessions, in the order of lines on a screen.

use std::collections::{HashMap, HashSet};

use neobank_ops::blocking::{EdgeKind, Who};

/// An edge: one session waits for another.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) waiter: Who,
    pub(super) blocker: Who,
    pub(super) kind: EdgeKind,
}

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// The distance to its root.
    pub(super) depth: usize,
    pub(super) place: Place,
    /// None for the headline of a cycle.
    pub(super) who: Option<Who>,
}

/// The place of a session in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The session waits for no session, and others wait for it.
    Root,
    /// The session waits for the one above, in this way.
    Waits(EdgeKind),
    /// The headline of a cycle: its number in the report.
    Cycle(usize),
    /// A member of the cycle above.
    Member,
}

/// Returns the lines: each root with all waiters behind it, then each cycle. A session that waits
/// for several stands below the first of them.
pub(super) fn branches(roots: &[Who], cycles: &[Vec<Who>], links: &[Link]) -> Vec<Branch> {
    let mut waiters: HashMap<&Who, Vec<&Link>> = HashMap::new();
    for link in links {
        waiters.entry(&link.blocker).or_default().push(link);
    }
    let mut walk = Walk {
        waiters,
        seen: roots.iter().collect(),
        branches: Vec::new(),
    };
    for root in roots {
        walk.add(0, Place::Root, Some(root));
        walk.append_waiters(root, 0);
    }
    for (number, members) in cycles.iter().enumerate() {
        walk.add(0, Place::Cycle(number), None);
        walk.seen.extend(members);
        for member in members {
            walk.add(1, Place::Member, Some(member));
            walk.append_waiters(member, 1);
        }
    }
    walk.branches
}

struct Walk<'a> {
    waiters: HashMap<&'a Who, Vec<&'a Link>>,
    seen: HashSet<&'a Who>,
    branches: Vec<Branch>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, depth: usize, place: Place, who: Option<&Who>) {
        self.branches.push(Branch {
            depth,
            place,
            who: who.cloned(),
        });
    }

    /// Appends all sessions behind one, the nearest first along each path. It uses a stack of its
    /// own, because a chain can have a thousand members.
    fn append_waiters(&mut self, above: &'a Who, depth: usize) {
        let mut open = self.behind(above, depth);
        while let Some((depth, link)) = open.pop() {
            if self.seen.insert(&link.waiter) {
                self.add(depth, Place::Waits(link.kind), Some(&link.waiter));
                open.extend(self.behind(&link.waiter, depth));
            }
        }
    }

    /// The last is taken first.
    fn behind(&self, above: &Who, depth: usize) -> Vec<(usize, &'a Link)> {
        let links = self.waiters.get(above).map(Vec::as_slice);
        let links = links.unwrap_or_default().iter().rev();
        links.map(|link| (depth + 1, *link)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn who(process_id: i32) -> Who {
        Who::Session { process_id }
    }

    fn links(pairs: &[(i32, i32)]) -> Vec<Link> {
        let link = |&(waiter, blocker): &(i32, i32)| Link {
            waiter: who(waiter),
            blocker: who(blocker),
            kind: EdgeKind::Holds,
        };
        pairs.iter().map(link).collect()
    }

    fn drawn(roots: &[i32], cycles: &[&[i32]], pairs: &[(i32, i32)]) -> String {
        let roots: Vec<_> = roots.iter().copied().map(who).collect();
        let cycles: Vec<Vec<_>> = cycles
            .iter()
            .map(|cycle| cycle.iter().copied().map(who).collect())
            .collect();
        let branches = branches(&roots, &cycles, &links(pairs));
        let line = |branch: &Branch| match &branch.who {
            Some(who) => format!("{}{who}", "-".repeat(branch.depth)),
            None => "cycle".to_owned(),
        };
        branches.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn roots_come_first_with_waiters_below_them() {
        assert_eq!(
            drawn(&[1, 9], &[], &[(2, 1), (3, 2), (4, 1), (8, 9)]),
            "1 -2 --3 -4 9 -8"
        );
        assert_eq!(drawn(&[1, 2], &[], &[(3, 1), (3, 2)]), "1 -3 2");
    }

    #[test]
    fn cycle_is_shown_with_sessions_behind_it() {
        assert_eq!(
            drawn(&[], &[&[1, 2]], &[(1, 2), (2, 1), (3, 2)]),
            "cycle -1 -2 --3"
        );
        assert_eq!(
            drawn(&[7], &[&[1, 2]], &[(1, 2), (2, 1), (1, 7)]),
            "7 -1 --2 cycle -1 -2"
        );
    }

    #[test]
    fn long_chain_does_not_overflow_the_stack() {
        let pairs: Vec<_> = (1..5_000).map(|number| (number + 1, number)).collect();
        assert_eq!(branches(&[who(1)], &[], &links(&pairs)).len(), 5_000);
    }

    proptest! {
        #[test]
        fn session_is_shown_once_below_roots(pairs in prop::collection::vec((0..20_i32, 0..20_i32), 0..60)) {
            let lines = branches(&[who(0), who(1)], &[], &links(&pairs));
            let names: HashSet<_> = lines.iter().map(|line| line.who.clone()).collect();
            prop_assert_eq!(names.len(), lines.len());
        }
    }
}

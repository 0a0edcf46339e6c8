//! The order of calls: which must come before which.

use std::collections::HashMap;

use super::graph::Graph;
use super::lists::{Lists, Seen};

/// The reason for which a call comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It appended to a list before the other.
    WriteWrite(usize),
    /// The other has read what it appended to a list.
    WriteRead(usize),
    /// It has not read what the other appended to a list.
    ReadWrite(usize),
    /// It ended before the other began.
    RealTime,
}

/// Returns the graph of the calls. Its further nodes are the times at which calls ended: a call
/// comes before the time of its end, which comes before the next such time and before the calls
/// that began after it. So the edges of real time are few.
pub(super) fn graph(lists: &Lists) -> Graph<Reason> {
    let mut ends: Vec<(u64, usize)> = lists
        .calls
        .iter()
        .enumerate()
        .filter_map(|(call, known)| Some((known.answered?, call)))
        .collect();
    ends.sort_unstable();
    let first_end = lists.calls.len();
    let mut graph = Graph::new(first_end + ends.len());
    in_real_time(lists, &ends, &mut graph);
    let mut writers: HashMap<_, usize> = HashMap::new();
    for (call, known) in lists.calls.iter().enumerate() {
        for append in &known.appends {
            writers.insert(*append, call);
        }
    }
    for (list, elements) in lists.last.iter().enumerate() {
        let writer = |element| writers.get(&(list, element)).copied();
        let known: Vec<_> = elements
            .iter()
            .filter_map(|element| writer(*element))
            .collect();
        for pair in known.windows(2) {
            if let [before, after] = pair {
                graph.add(*before, *after, Reason::WriteWrite(list));
            }
        }
    }
    for (call, known) in lists.calls.iter().enumerate() {
        for (list, seen) in &known.reads {
            let (Seen::Prefix(length), Some(elements)) = (seen, lists.last.get(*list)) else {
                continue;
            };
            let writer = |element: &u32| writers.get(&(*list, *element)).copied();
            let (read, later) = elements.split_at((*length).min(elements.len()));
            if let Some(before) = read.iter().rev().find_map(writer) {
                graph.add(before, call, Reason::WriteRead(*list));
            }
            if let Some(after) = later.iter().find_map(writer) {
                graph.add(call, after, Reason::ReadWrite(*list));
            }
        }
    }
    graph
}

fn in_real_time(lists: &Lists, ends: &[(u64, usize)], graph: &mut Graph<Reason>) {
    let first_end = lists.calls.len();
    for (position, (_, call)) in ends.iter().enumerate() {
        graph.add(*call, first_end + position, Reason::RealTime);
        if position > 0 {
            graph.add(
                first_end + position - 1,
                first_end + position,
                Reason::RealTime,
            );
        }
    }
    for (call, known) in lists.calls.iter().enumerate() {
        let before = ends.partition_point(|(end, _)| *end < known.sent);
        if before > 0 {
            graph.add(first_end + before - 1, call, Reason::RealTime);
        }
    }
}

//! In which order the ways are measured: those that are compared stand next to each other.

use crate::choice::Choice;
use crate::options::Options;
use crate::way::Way;

type Plan = Vec<(Way, Choice, usize)>;

/// The ways that have callers.
pub(crate) fn single(options: &Options) -> Plan {
    let mut plan = Plan::new();
    for choice in &options.choices {
        for callers in &options.callers {
            let ways = options.ways.iter().filter(|way| !way.is_bulk());
            plan.extend(ways.map(|way| (*way, *choice, *callers)));
        }
    }
    plan
}

/// The ways that write by the thousand.
pub(crate) fn bulk(options: &Options) -> Plan {
    let mut plan = Plan::new();
    for choice in &options.choices {
        let ways = options.ways.iter().filter(|way| way.is_bulk());
        plan.extend(ways.map(|way| (*way, *choice, 1)));
    }
    plan
}

//! The order in which the ways are measured: ways that are compared are measured one after the
//! other.

use crate::choice::Choice;
use crate::options::Options;
use crate::way::Way;

type Plan = Vec<(Way, Choice, usize)>;

/// Returns the ways that have callers.
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

/// Returns the ways that write in bulk.
pub(crate) fn bulk(options: &Options) -> Plan {
    let mut plan = Plan::new();
    for choice in &options.choices {
        let ways = options.ways.iter().filter(|way| way.is_bulk());
        plan.extend(ways.map(|way| (*way, *choice, 1)));
    }
    plan
}

//! Order: what ended before another call began comes first in each account.

use super::view::View;
use super::{Invariant, Report};

/// Requires that an entry of a call that ended before another began has the lower number.
pub(super) fn entries_are_in_real_time(view: &View<'_>, report: &mut Report) {
    for (account, entries) in &view.by_account {
        let mut soonest: Option<(u64, i64, &str)> = None;
        for entry in entries.iter().rev() {
            let Some((name, key)) = view.key_of(entry) else {
                continue;
            };
            if let (Some(begin), Some((end, number, later))) = (key.begin(), soonest)
                && end < begin
            {
                let lower = entry.number;
                report.violation(
                    Invariant::RealTimeOrder,
                    format!(
                        "account {account} has key {name:?} as entry {lower} and key {later:?} as \
                         entry {number}, though {later:?} had ended when {name:?} was sent"
                    ),
                );
            }
            if let Some(end) = key.end()
                && soonest.is_none_or(|(soonest, ..)| end < soonest)
            {
                soonest = Some((end, entry.number, name));
            }
        }
    }
}

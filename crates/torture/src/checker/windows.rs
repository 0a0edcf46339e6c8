//! The entries of an account that a read must show, and those that it can show, by its time.

use super::view::View;
use crate::history::Entry;

/// The times of an account's entries, for reads of it.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// The times from which on entries are known, with the highest number known by then; by time.
    known: Vec<(u64, usize)>,
    /// The times before which entries cannot be, with the lowest number that is not there yet; by
    /// time, descending.
    begun: Vec<(u64, usize)>,
}

impl Windows {
    /// Returns the times of entries, which are in the order of their numbers.
    pub(super) fn of(view: &View<'_>, entries: &[&Entry]) -> Self {
        let mut windows = Self::default();
        for (count, entry) in (1..).zip(entries) {
            let Some((_, key)) = view.key_of(entry) else {
                continue;
            };
            windows.known.extend(key.end().map(|end| (end, count)));
            windows
                .begun
                .extend(key.begin().map(|begin| (begin, count)));
        }
        windows.known.sort_unstable();
        let mut most = 0;
        for (_, count) in &mut windows.known {
            most = most.max(*count);
            *count = most;
        }
        windows.begun.sort_unstable_by(|one, two| two.cmp(one));
        let mut least = usize::MAX;
        for (_, count) in &mut windows.begun {
            least = least.min(*count);
            *count = least;
        }
        windows
    }

    /// Returns the number of entries that were acknowledged before a time.
    pub(super) fn at_least(&self, time: u64) -> usize {
        let before = self.known.partition_point(|(end, _)| *end < time);
        let last = before.checked_sub(1).and_then(|last| self.known.get(last));
        last.map_or(0, |(_, count)| *count)
    }

    /// Returns the number of entries that can have been there at a time.
    pub(super) fn at_most(&self, time: u64) -> usize {
        let after = self.begun.partition_point(|(begin, _)| *begin > time);
        let last = after.checked_sub(1).and_then(|last| self.begun.get(last));
        last.map_or(usize::MAX, |(_, count)| count.saturating_sub(1))
    }
}

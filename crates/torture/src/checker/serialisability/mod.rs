//! Strict serialisability: each transfer appends itself to the lists of its accounts, and each read
//! shows lists. A checker of our own and the crate `adya` judge the same calls.

mod by_adya;
mod graph;
mod lists;
mod order;
mod own;
#[cfg(test)]
mod tests;

pub use by_adya::AdyaVerdict;
pub use own::{Anomaly, AnomalyKind};

use crate::books::Books;
use crate::checker::calls::Calls;
use crate::checker::view::View;
use crate::checker::{Invariant, Report};
use crate::reader::History;
use lists::Lists;

/// The most characters of an explanation that are shown: it can have whole lists.
const EXPLANATION_MAX: usize = 1_000;

/// The judgements of both checkers on the same calls.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::serialisability;
/// use neobank_torture::simulation::{Settings, simulate};
///
/// let (history, books) = simulate(&Settings::new(11));
/// let verdicts = serialisability::judge(&history, &books);
/// assert!(verdicts.own.is_empty());
/// assert!(verdicts.adya.is_valid());
/// assert!(verdicts.agree());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdicts {
    /// The calls that were judged: requests that are in the books, and reads.
    pub calls: usize,
    /// The anomalies that the checker of our own found.
    pub own: Vec<Anomaly>,
    /// The judgement of `adya`.
    pub adya: AdyaVerdict,
}

impl Verdicts {
    /// Returns true if both checkers find the history right, or both find anomalies.
    #[must_use]
    pub const fn agree(&self) -> bool {
        self.own.is_empty() == self.adya.is_valid()
    }
}

/// Has both checkers judge a history and the books after it.
///
/// `adya` takes each read as a list of its own. If all lists together are too long, it gets an even
/// choice of the reads ([`AdyaVerdict::left_out`]); the checker of our own takes them all.
#[must_use]
pub fn judge(history: &History, books: &Books) -> Verdicts {
    let view = View::of(Calls::of(&history.events), books);
    let lists = Lists::of(&view);
    Verdicts {
        calls: lists.calls.len(),
        own: own::anomalies(&lists),
        adya: by_adya::judge(&lists, by_adya::ELEMENTS_MAX),
    }
}

/// Requires one order of all calls, in real time, that explains what each of them read and wrote.
pub(super) fn calls_have_an_order(view: &View<'_>, report: &mut Report) {
    let lists = Lists::of(view);
    report.checked.ordered_calls += lists.calls.len();
    for anomaly in own::anomalies(&lists) {
        report.violation(Invariant::StrictSerialisability, anomaly.to_string());
    }
}

/// Requires that `adya` finds such an order too.
pub(super) fn adya_finds_an_order(view: &View<'_>, report: &mut Report) {
    let verdict = by_adya::judge(&Lists::of(view), by_adya::ELEMENTS_MAX);
    report.checked.reads_left_out += verdict.left_out;
    if !verdict.is_valid() {
        let names = verdict.anomalies.join(", ");
        let first = verdict.explanations.first().map_or("", String::as_str);
        let shortened: String = first.chars().take(EXPLANATION_MAX).collect();
        report.violation(
            Invariant::StrictSerialisability,
            format!("adya finds {names}: {}", shortened.replace('\n', " ")),
        );
    }
}

//! The judgement of the crate `adya`, an implementation of Elle.

use adya::history::{Interner, Mop, Op, OpType, ReadValue, Scalar};
use adya::{History, Opts, Valid, Workload};

use super::lists::{ListCall, Lists, Seen};

/// The most elements that the lists of all reads may have together: `adya` keeps each list.
pub(super) const ELEMENTS_MAX: usize = 1_000_000;

/// The judgement of `adya` on strict serialisability.
///
/// # Example
///
/// ```
/// use neobank_torture::checker::serialisability::judge;
/// use neobank_torture::simulation::{Defect, Settings, simulate};
///
/// let (history, books) = simulate(&Settings::new(1).with_defect(Defect::DirtyRead));
/// let verdict = judge(&history, &books).adya;
/// assert!(verdict.anomalies.contains(&"incompatible-order".to_owned()));
/// assert_eq!(verdict.left_out, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdyaVerdict {
    /// The names of the anomalies, such as `G-single-item-realtime`.
    pub anomalies: Vec<String>,
    /// The explanations of the anomalies.
    pub explanations: Vec<String>,
    /// True if it could not judge: no call depends on another, or the search took too long.
    pub is_undecided: bool,
    /// The number of reads that it did not get, because all together were too long.
    pub left_out: usize,
}

impl AdyaVerdict {
    /// Returns true if it found no anomaly.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.anomalies.is_empty()
    }
}

/// Has `adya` judge the calls, and a last call that reads every list.
pub(super) fn judge(lists: &Lists, elements_max: usize) -> AdyaVerdict {
    let (history, left_out) = translated(lists, elements_max);
    let report = adya::check(&history, Workload::ListAppend, &Opts::default());
    let is_valid = report.valid != Valid::False;
    let explanations = report.anomalies.values().flatten();
    AdyaVerdict {
        anomalies: if is_valid {
            Vec::new()
        } else {
            report.anomaly_types
        },
        explanations: explanations
            .map(|anomaly| anomaly.explanation.clone())
            .collect(),
        is_undecided: report.valid == Valid::Unknown,
        left_out,
    }
}

/// Translates the calls: a list becomes a key, and each call an operation of a process of its own.
fn translated(lists: &Lists, elements_max: usize) -> (History, usize) {
    let size = |call: &ListCall| -> usize {
        let reads = call.reads.iter();
        reads
            .map(|(list, seen)| lists.elements(*list, seen).len())
            .sum()
    };
    let total: usize = lists.calls.iter().map(size).sum();
    let every = total.div_ceil(elements_max.max(1)).max(1);
    let mut left_out = 0;
    let mut interner = Interner::default();
    // The events by their times. At the same time a beginning is before an end: both calls overlap.
    let mut events = Vec::new();
    let end = lists
        .calls
        .iter()
        .filter_map(|call| call.answered.max(Some(call.sent)))
        .max();
    let last = last_read(lists, end.unwrap_or_default().saturating_add(1));
    for (process, call) in (0_i64..).zip(lists.calls.iter().chain([&last])) {
        let is_read = call.appends.is_empty() && !std::ptr::eq(call, &raw const last);
        if is_read && usize::try_from(process).is_ok_and(|process| !process.is_multiple_of(every)) {
            left_out += 1;
            continue;
        }
        let asked = operations(lists, call, false, &mut interner);
        events.push((call.sent, false, process, OpType::Invoke, asked));
        let kind = match (call.is_aborted, call.answered) {
            (true, _) => OpType::Fail,
            (false, Some(_)) => OpType::Ok,
            (false, None) => OpType::Info,
        };
        let told = operations(lists, call, true, &mut interner);
        let at = call.answered.unwrap_or(u64::MAX);
        events.push((at, true, process, kind, told));
    }
    events.sort_by_key(|(at, is_end, process, ..)| (*at, *is_end, *process));
    let operations = (0..)
        .zip(events)
        .map(|(index, (_, _, process, kind, value))| Op {
            index,
            kind,
            process: Some(process),
            value,
            time: None,
        });
    (History::from_ops(operations.collect(), interner), left_out)
}

fn operations(lists: &Lists, call: &ListCall, is_told: bool, interner: &mut Interner) -> Vec<Mop> {
    let mut operations = Vec::new();
    for (list, seen) in &call.reads {
        let key = number(*list, interner);
        let value = if is_told {
            let elements = lists.elements(*list, seen).iter();
            ReadValue::List(elements.map(|element| number(*element, interner)).collect())
        } else {
            ReadValue::Nil
        };
        operations.push(Mop::Read { key, value });
    }
    for (list, element) in &call.appends {
        operations.push(Mop::Append {
            key: number(*list, interner),
            value: number(*element, interner),
        });
    }
    operations
}

fn number(number: impl TryInto<i64>, interner: &mut Interner) -> u32 {
    interner.intern(Scalar::Int(number.try_into().unwrap_or(i64::MAX)))
}

fn last_read(lists: &Lists, at: u64) -> ListCall {
    let all = lists.last.iter().enumerate();
    ListCall {
        name: "the last read".to_owned(),
        sent: at,
        answered: Some(at.saturating_add(1)),
        is_aborted: false,
        appends: Vec::new(),
        reads: all
            .map(|(list, elements)| (list, Seen::Prefix(elements.len())))
            .collect(),
    }
}

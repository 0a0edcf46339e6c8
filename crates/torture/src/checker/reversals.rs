//! Reversals: a transfer is given back once.

use std::collections::BTreeMap;

use super::amounts::sum;
use super::view::View;
use super::{Invariant, Report};

/// Requires that the reversals of a transfer are within its amount.
pub(super) fn reversals_are_within_their_transfer(view: &View<'_>, report: &mut Report) {
    let mut reversals: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for transfer in &view.books.transfers {
        if let Some(original) = transfer.reverses {
            report.checked.reversals += 1;
            reversals.entry(original).or_default().push(transfer);
        }
    }
    for (original, reversals) in reversals {
        let reversed = sum(reversals.iter().map(|reversal| reversal.amount));
        let keys: Vec<_> = reversals
            .iter()
            .filter_map(|reversal| reversal.key.as_deref())
            .collect();
        let keys = keys.join(", ");
        match view.transfers.get(&original) {
            Some(posted) if reversed <= posted.transfer.amount => {}
            Some(posted) => {
                let amount = posted.transfer.amount;
                report.violation(
                    Invariant::ReversalSums,
                    format!("{reversed} of transfer {original} of {amount} are reversed: {keys}"),
                );
            }
            None => report.violation(
                Invariant::ReversalSums,
                format!("transfer {original}, which is reversed, does not exist: {keys}"),
            ),
        }
    }
}

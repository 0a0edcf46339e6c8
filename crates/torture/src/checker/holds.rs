//! Holds: nothing is captured beyond what was reserved, and accounts record what is still reserved.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;

use super::amounts::sum;
use super::view::View;
use super::{Invariant, Report};
use crate::books::Hold;
use crate::history::Request;

/// Requires that captures and releases are within each hold's amount, and are what the transfers
/// say.
pub(super) fn holds_add_up(view: &View<'_>, report: &mut Report) {
    report.checked.holds += view.books.holds.len();
    let mut captured: HashMap<_, Vec<_>> = HashMap::new();
    for transfer in &view.books.transfers {
        let Some(hold) = transfer.hold else {
            continue;
        };
        captured.entry(hold).or_default().push(transfer.amount);
        if !view.holds.contains_key(&hold) {
            let id = transfer.id;
            report.violation(
                Invariant::HoldSums,
                format!("transfer {id} captures hold {hold}, which does not exist"),
            );
        }
    }
    for hold in &view.books.holds {
        let transfers = captured.remove(&hold.id).unwrap_or_default();
        if let Err(difference) = adds_up(view, hold, sum(transfers)) {
            let (id, account, amount) = (hold.id, hold.account, hold.amount);
            let keys = hold.change_keys.join(", ");
            report.violation(
                Invariant::HoldSums,
                format!("hold {id} of {amount} on account {account} {difference}; keys: {keys}"),
            );
        }
    }
}

fn adds_up(view: &View<'_>, hold: &Hold, transferred: Decimal) -> Result<(), String> {
    let Hold {
        amount,
        captured,
        released,
        ..
    } = hold;
    if captured.is_sign_negative() || released.is_sign_negative() {
        return Err(format!("has captured {captured} and released {released}"));
    }
    if transferred > *amount {
        return Err(format!("was captured by transfers of {transferred}"));
    }
    let ended = captured.saturating_add(*released);
    if ended > *amount {
        return Err(format!("has captured {captured} and released {released}"));
    }
    if transferred != *captured {
        return Err(format!(
            "records {captured} as captured, by transfers of {transferred}"
        ));
    }
    match ending(view, hold) {
        Some(key) if ended != *amount => Err(format!(
            "was ended by key {key:?}, and {ended} of it are over"
        )),
        _ => Ok(()),
    }
}

/// Returns the key of an acknowledged release or last capture.
fn ending<'a>(view: &View<'_>, hold: &'a Hold) -> Option<&'a str> {
    let mut keys = hold.change_keys.iter();
    let found = keys.find(|key| {
        let known = view.calls.keys.get(key.as_str());
        known.is_some_and(|known| {
            known.done().any(|done| {
                matches!(
                    done.request,
                    Request::Release { .. } | Request::Capture { is_final: true, .. }
                )
            })
        })
    });
    found.map(String::as_str)
}

/// Requires that each account's recorded held balance is what its open holds reserve.
pub(super) fn held_balances_are_open_holds(view: &View<'_>, report: &mut Report) {
    let mut open: BTreeMap<_, Decimal> = BTreeMap::new();
    for hold in &view.books.holds {
        let ended = hold.captured.saturating_add(hold.released);
        let reserved = open.entry(hold.account).or_default();
        *reserved = reserved.saturating_add(hold.amount.saturating_sub(ended));
    }
    for account in &view.books.accounts {
        let reserved = open.remove(&account.id).unwrap_or_default();
        if reserved != account.held {
            let (id, held) = (account.id, account.held);
            report.violation(
                Invariant::HeldBalance,
                format!("account {id} records {held} as held, and its holds reserve {reserved}"),
            );
        }
    }
    for account in open.keys() {
        report.violation(
            Invariant::HeldBalance,
            format!("account {account} has holds and is not in the books"),
        );
    }
}

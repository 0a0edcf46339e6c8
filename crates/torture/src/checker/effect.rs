//! Effects: a request is in the books once and as a whole, or not at all.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::view::{Traces, View};
use super::{Invariant, Report};
use crate::books::Transfer;
use crate::history::{Movement, Request};

/// The difference between a request and what the books have of it.
type Difference = (Invariant, String);

/// Requires that each key of the books had the effect that one of its attempts asked for.
pub(super) fn effects_are_as_asked(view: &View<'_>, report: &mut Report) {
    for (key, traces) in &view.traces {
        let Some(known) = view.calls.keys.get(key) else {
            continue;
        };
        let mut differences = Vec::new();
        let may_have_happened = known
            .attempts
            .iter()
            .filter(|attempt| !attempt.changed_nothing());
        for attempt in may_have_happened {
            match compare(view, traces, attempt.request) {
                Ok(()) => {
                    differences.clear();
                    break;
                }
                Err(difference) => differences.push(difference),
            }
        }
        if let Some((invariant, difference)) = differences.into_iter().next() {
            let calls = known.calls();
            report.violation(invariant, format!("key {key:?} of {calls} {difference}"));
        }
    }
}

fn compare(view: &View<'_>, traces: &Traces<'_>, request: &Request) -> Result<(), Difference> {
    match request {
        Request::Transfer(movement) => {
            no_change(traces)?;
            moved(view, &traces.transfers, std::slice::from_ref(movement))
        }
        Request::Group { steps } => {
            no_change(traces)?;
            moved(view, &traces.transfers, steps)
        }
        Request::Hold { movement, .. } => reserved(traces, movement),
        Request::Capture { hold, amount, .. } => captured(view, traces, *hold, *amount),
        Request::Release { hold } => {
            count("transfers", traces.transfers.len(), 0)?;
            changed(traces, *hold)
        }
        Request::Reversal { transfer, amount } => {
            no_change(traces)?;
            reversed(view, traces, *transfer, *amount)
        }
    }
}

/// Compares the transfers of a key with the movements that were asked for, in any order.
fn moved(view: &View<'_>, transfers: &[&Transfer], asked: &[Movement]) -> Result<(), Difference> {
    count("transfers", transfers.len(), asked.len())?;
    let mut asked = asked.to_vec();
    for transfer in transfers {
        if transfer.hold.is_some() || transfer.reverses.is_some() {
            let id = transfer.id;
            return other(format!("made transfer {id} of another kind"));
        }
        let Some(movement) = movement_of(view, transfer) else {
            continue;
        };
        match asked.iter().position(|asked| *asked == movement) {
            Some(position) => asked.swap_remove(position),
            None => return other(format!("moved {}", shown(&movement))),
        };
    }
    Ok(())
}

fn reserved(traces: &Traces<'_>, movement: &Movement) -> Result<(), Difference> {
    count("transfers", traces.transfers.len(), 0)?;
    count("changes of holds", traces.changes.len(), 0)?;
    count("holds", traces.holds.len(), 1)?;
    for hold in &traces.holds {
        if (hold.account, hold.amount) != (movement.from, movement.amount) {
            let (id, amount, account) = (hold.id, hold.amount, hold.account);
            let asked = shown(movement);
            return other(format!(
                "made hold {id} of {amount} on account {account} for {asked}"
            ));
        }
    }
    Ok(())
}

fn captured(
    view: &View<'_>,
    traces: &Traces<'_>,
    asked: Uuid,
    amount: Option<Decimal>,
) -> Result<(), Difference> {
    count("transfers", traces.transfers.len(), 1)?;
    changed(traces, asked)?;
    for transfer in &traces.transfers {
        let id = transfer.id;
        if transfer.hold != Some(asked) {
            return other(format!(
                "made transfer {id}, which does not capture hold {asked}"
            ));
        }
        of_amount("captured", transfer, amount)?;
        let made = movement_of(view, transfer).zip(movement_of_hold(view, asked));
        if let Some((movement, reserved)) = made
            && (movement.from, movement.to) != (reserved.from, reserved.to)
        {
            let (moved, reserved) = (shown(&movement), shown(&reserved));
            return other(format!("moved {moved}, and hold {asked} is of {reserved}"));
        }
    }
    Ok(())
}

fn reversed(
    view: &View<'_>,
    traces: &Traces<'_>,
    asked: Uuid,
    amount: Option<Decimal>,
) -> Result<(), Difference> {
    count("transfers", traces.transfers.len(), 1)?;
    let original = view.transfers.get(&asked);
    let original = original.and_then(|posted| movement_of(view, posted.transfer));
    for transfer in &traces.transfers {
        let id = transfer.id;
        if transfer.reverses != Some(asked) {
            return other(format!(
                "made transfer {id}, which does not reverse {asked}"
            ));
        }
        of_amount("reversed", transfer, amount)?;
        if let Some((movement, original)) = movement_of(view, transfer).zip(original)
            && (movement.from, movement.to) != (original.to, original.from)
        {
            let (moved, original) = (shown(&movement), shown(&original));
            return other(format!("moved {moved} to reverse {original}"));
        }
    }
    Ok(())
}

/// Requires the amount of a transfer that was asked for, if one was.
fn of_amount(verb: &str, transfer: &Transfer, asked: Option<Decimal>) -> Result<(), Difference> {
    match asked {
        Some(asked) if asked != transfer.amount => {
            let moved = transfer.amount;
            other(format!("{verb} {moved} instead of {asked}"))
        }
        _ => Ok(()),
    }
}

/// Requires one change of one hold, and no new hold.
fn changed(traces: &Traces<'_>, hold: Uuid) -> Result<(), Difference> {
    count("holds", traces.holds.len(), 0)?;
    count("changes of holds", traces.changes.len(), 1)?;
    match traces.changes.iter().find(|changed| changed.id != hold) {
        Some(changed) => other(format!("changed hold {}, not {hold}", changed.id)),
        None => Ok(()),
    }
}

fn no_change(traces: &Traces<'_>) -> Result<(), Difference> {
    count("holds", traces.holds.len(), 0)?;
    count("changes of holds", traces.changes.len(), 0)
}

fn count(name: &str, there: usize, asked: usize) -> Result<(), Difference> {
    let difference = format!("has {there} {name} instead of {asked}");
    match there.cmp(&asked) {
        std::cmp::Ordering::Less => other(difference),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err((Invariant::ExactlyOnce, difference)),
    }
}

const fn other<T>(difference: String) -> Result<T, Difference> {
    Err((Invariant::EffectAsAsked, difference))
}

/// Returns what a transfer moved, by its entries; a transfer without two entries moved nothing.
fn movement_of(view: &View<'_>, transfer: &Transfer) -> Option<Movement> {
    let posted = view.transfers.get(&transfer.id)?;
    Some(Movement {
        from: posted.side(true)?.account,
        to: posted.side(false)?.account,
        amount: transfer.amount,
    })
}

/// Returns the movement for which a hold was made, as its caller has sent it.
fn movement_of_hold(view: &View<'_>, hold: Uuid) -> Option<Movement> {
    let key = view.holds.get(&hold)?.key.as_deref()?;
    let attempts = &view.calls.keys.get(key)?.attempts;
    attempts.iter().find_map(|attempt| match attempt.request {
        Request::Hold { movement, .. } => Some(*movement),
        _ => None,
    })
}

fn shown(movement: &Movement) -> String {
    let Movement { from, to, amount } = movement;
    format!("{amount} from account {from} to account {to}")
}

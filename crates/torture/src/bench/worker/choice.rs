//! The choice of the next call.

use rand::RngExt;
use rand::rngs::StdRng;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::shared::State;
use crate::history::{Movement, Operation, Request};

/// Chooses a call of any kind.
pub(crate) fn operation(
    state: &mut State,
    new_key: impl Fn() -> String,
    random: &mut StdRng,
) -> Operation {
    match random.random_range(0..100) {
        0..80 => Operation::Write {
            key: new_key(),
            request: request(state, random),
        },
        80..84 => {
            let size = random.random_range(2..9);
            let one = |_| (new_key(), request(state, random));
            Operation::Batch {
                requests: (0..size).map(one).collect(),
            }
        }
        84..88 => repeated(state, random).unwrap_or_else(|| Operation::Write {
            key: new_key(),
            request: Request::Transfer(movement(&state.accounts, random)),
        }),
        88..98 => Operation::ReadBalances {
            accounts: state.accounts.to_vec(),
        },
        _ => Operation::ReadEntries {
            account: account(&state.accounts, random),
        },
    }
}

fn request(state: &mut State, random: &mut StdRng) -> Request {
    let transfer = Request::Transfer(movement(&state.accounts, random));
    match random.random_range(0..80) {
        0..45 => transfer,
        45..53 => {
            let size = random.random_range(2..5);
            let steps = (0..size).map(|_| movement(&state.accounts, random));
            Request::Group {
                steps: steps.collect(),
            }
        }
        53..62 => Request::Hold {
            movement: movement(&state.accounts, random),
            expires_at: None,
        },
        62..69 => capture(state, random).unwrap_or(transfer),
        69..72 => taken_hold(state, random).map_or(transfer, |hold| Request::Release { hold }),
        _ => {
            let count = state.transfers.len();
            let chosen = (count > 0).then(|| random.random_range(0..count));
            let transfer_id = chosen.and_then(|index| state.transfers.get(index));
            transfer_id.map_or(transfer, |&transfer| Request::Reversal {
                transfer,
                amount: random.random_bool(0.5).then(|| Decimal::new(1, 2)),
            })
        }
    }
}

/// Captures a part of a hold, which stays open, or ends it.
fn capture(state: &mut State, random: &mut StdRng) -> Option<Request> {
    if random.random_bool(0.4) {
        let count = state.holds.len();
        let chosen = (count > 0).then(|| random.random_range(0..count))?;
        let (hold, _) = *state.holds.get(chosen)?;
        return Some(Request::Capture {
            hold,
            amount: Some(Decimal::new(1, 2)),
            is_final: false,
        });
    }
    let hold = taken_hold(state, random)?;
    Some(Request::Capture {
        hold,
        amount: None,
        is_final: true,
    })
}

/// Takes a hold out of the list; sometimes it stays there, so that two requests compete for it.
fn taken_hold(state: &mut State, random: &mut StdRng) -> Option<Uuid> {
    let count = state.holds.len();
    let index = (count > 0).then(|| random.random_range(0..count))?;
    if random.random_bool(0.2) {
        return state.holds.get(index).map(|(hold, _)| *hold);
    }
    Some(state.holds.swap_remove(index).0)
}

/// Repeats an acknowledged request.
fn repeated(state: &State, random: &mut StdRng) -> Option<Operation> {
    let count = state.acknowledged.len();
    let index = (count > 0).then(|| random.random_range(0..count))?;
    let (key, request) = state.acknowledged.get(index)?.clone();
    Some(Operation::Write { key, request })
}

fn movement(accounts: &[Uuid], random: &mut StdRng) -> Movement {
    let from = account(accounts, random);
    let mut to = account(accounts, random);
    while to == from && accounts.len() > 1 {
        to = account(accounts, random);
    }
    Movement {
        from,
        to,
        amount: Decimal::new(random.random_range(1..10_000), 2),
    }
}

/// Chooses an account; the first is hot.
fn account(accounts: &[Uuid], random: &mut StdRng) -> Uuid {
    let index = if random.random_bool(0.25) {
        0
    } else {
        random.random_range(0..accounts.len().max(1))
    };
    accounts.get(index).copied().unwrap_or_default()
}

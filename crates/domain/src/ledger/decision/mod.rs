//! The ledger's decision: a pure function from balances and requests to outcomes and entries. It
//! reads no clock, no database and no random number.

mod checks;
mod decide;
mod group;
mod hold;
mod limits;
mod movement;
mod state;
mod step;

pub use decide::decide;
pub(super) use hold::Capture;
pub use hold::{CompletedHold, HoldState, NewHoldEvent};
pub use state::{
    AccountState, CompletedTransfer, DESCRIPTION_LENGTH_MAX, Decision, IDEMPOTENCY_KEY_LENGTH_MAX,
    IdentifiedRequest, Identifiers, LedgerState, NewTransfer, OpenDays, OriginalTransfer, Rules,
};
pub(super) use state::{IDEMPOTENCY_KEY, Written, transfer_ids};
use state::{KeyAndHash, replayed_group};

#[cfg(test)]
mod tests;

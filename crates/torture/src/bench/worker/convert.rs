//! Requests of the history as the ledger's, and the ledger's answers as the history's.

use chrono::DateTime;
use neobank_domain::ledger::{
    CaptureRequest, EntryReceipt, GroupRequest, HoldRequest, Outcome as Given, Receipt,
    ReleaseRequest, ReversalRequest,
};
use neobank_domain::{Currency, LedgerError, Money, MoneyError, Request as Asked, TransferRequest};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::history::{Entry, Movement, Outcome, Request};

/// The currency of all accounts of the load.
pub(crate) const CURRENCY: &str = "CZK";

/// Returns the ledger's request, with its key.
pub(crate) fn asked(key: &str, request: &Request) -> Result<Asked, MoneyError> {
    let asked: Asked = match request {
        Request::Transfer(movement) => transfer(movement)?.into(),
        Request::Group { steps } => {
            let mut group = GroupRequest::new();
            for step in steps {
                group = group.with_step(transfer(step)?);
            }
            group.into()
        }
        Request::Hold {
            movement,
            expires_at,
        } => {
            let mut hold = HoldRequest::new(movement.from.into(), money(movement.amount)?)
                .with_destination(movement.to.into());
            if let Some(time) = expires_at.and_then(DateTime::from_timestamp_millis) {
                hold = hold.with_expiry(time);
            }
            hold.into()
        }
        Request::Capture {
            hold,
            amount,
            is_final,
        } => {
            let mut capture = CaptureRequest::new((*hold).into());
            if let Some(amount) = amount {
                capture = capture.with_amount(money(*amount)?);
            }
            if !is_final {
                capture = capture.more_to_come();
            }
            capture.into()
        }
        Request::Release { hold } => ReleaseRequest::new((*hold).into()).into(),
        Request::Reversal { transfer, amount } => {
            let mut reversal = ReversalRequest::new((*transfer).into());
            if let Some(amount) = amount {
                reversal = reversal.with_amount(money(*amount)?);
            }
            reversal.into()
        }
    };
    Ok(asked.with_idempotency_key(key))
}

/// Returns the outcome of a request that the ledger decided on.
pub(crate) fn outcome(given: &Given) -> Outcome {
    if let Given::Rejected(rejection) = given {
        return Outcome::Rejected {
            kind: rejection.name().to_owned(),
        };
    }
    let hold = match given {
        Given::Hold(receipt) | Given::HoldReplayed(receipt) => Some(receipt.hold_id.as_uuid()),
        _ => given
            .receipts()
            .find_map(|receipt| receipt.hold)
            .map(neobank_domain::HoldId::as_uuid),
    };
    Outcome::Done {
        hold,
        entries: given.receipts().flat_map(entries).collect(),
        is_replay: given.is_replayed(),
    }
}

/// Returns what a caller knows of a request after an error.
pub(crate) fn failure(error: &LedgerError) -> Outcome {
    let text = error.to_string();
    match error {
        LedgerError::Rejected(rejection) => Outcome::Rejected {
            kind: rejection.name().to_owned(),
        },
        // Committed here, and lost with this server: so nothing that a caller may rely on.
        LedgerError::Unknown { .. } | LedgerError::NotReplicated { .. } => {
            Outcome::Unknown { error: text }
        }
        _ => Outcome::NotExecuted { error: text },
    }
}

fn entries(receipt: &Receipt) -> [Entry; 2] {
    let amount = receipt.amount.amount();
    let transfer = receipt.transfer_id.as_uuid();
    [
        entry(transfer, &receipt.debit, -amount),
        entry(transfer, &receipt.credit, amount),
    ]
}

fn entry(transfer: Uuid, side: &EntryReceipt, amount: Decimal) -> Entry {
    Entry {
        transfer,
        account: side.account_id.as_uuid(),
        number: side.entry_number,
        amount: Some(amount),
        balance: side.running_balance.amount(),
    }
}

fn transfer(movement: &Movement) -> Result<TransferRequest, MoneyError> {
    Ok(TransferRequest::new(
        movement.from.into(),
        movement.to.into(),
        money(movement.amount)?,
    ))
}

fn money(amount: Decimal) -> Result<Money, MoneyError> {
    Money::new(amount, Currency::from_code(CURRENCY)?)
}

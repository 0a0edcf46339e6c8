//! Holds, each with its capture.

use neobank_domain::ledger::{CaptureRequest, HoldRequest};

use super::engine::GroupCommit;
use crate::bank::cent;
use crate::choice::account;
use crate::error::BenchError;
use crate::load::{Moved, Mover};

pub(crate) struct Holds(pub(crate) GroupCommit);

impl Mover for Holds {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        let ledger = self.0.ledger();
        let mut hold = HoldRequest::new(account(from), cent()?).with_destination(account(to));
        hold.idempotency_key = key.as_ref().map(|key| format!("{key} hold"));
        let held = ledger.hold(hold).await?;
        let mut capture = CaptureRequest::new(held.hold_id);
        capture.idempotency_key = key;
        ledger.capture(capture).await?;
        Ok(Moved::ONE)
    }
}

//! Groups of transfers.

use neobank_domain::ledger::GroupRequest;

use super::engine::GroupCommit;
use crate::bank::transfer;
use crate::error::BenchError;
use crate::load::{Moved, Mover};

/// The transfers of each group.
const STEPS: u64 = 10;

pub(crate) struct Groups(pub(crate) GroupCommit);

impl Mover for Groups {
    /// Moves a cent there and back again, as often as a group has steps.
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        let mut group = GroupRequest::new();
        for step in 0..STEPS {
            let (payer, payee) = if step % 2 == 0 {
                (from, to)
            } else {
                (to, from)
            };
            group = group.with_step(transfer(payer, payee, None)?);
        }
        group.idempotency_key = key;
        self.0.ledger().submit_group(group).await?;
        Ok(Moved {
            counted: STEPS,
            transfers: STEPS,
        })
    }
}

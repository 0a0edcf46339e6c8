//! The limits of accounts, which each step of a decision uses up.

use neobank_entity::enums::{EntryType, TransferType};

use super::AccountState;
use crate::Money;
use crate::accounts::limits::{LimitUse, Window};
use crate::ledger::rejection::Rejection;

impl AccountState {
    /// Rejects an entry that exceeds a limit.
    pub(super) fn require_limits(
        &self,
        direction: EntryType,
        transfer_type: TransferType,
        requested: Money,
    ) -> Result<(), Rejection> {
        let mut counting = self.counting(direction, transfer_type);
        let exceeded = counting.find(|one| requested.amount() > one.remaining.amount());
        self.reject_exceeded(exceeded, requested)
    }

    /// Rejects a hold that no single capture could take as a whole. A hold moves no money, so it
    /// uses nothing up.
    pub(super) fn require_limit_of_each(&self, requested: Money) -> Result<(), Rejection> {
        let mut counting = self.counting(EntryType::Debit, TransferType::Transfer);
        let exceeded = counting.find(|one| {
            one.limit.window == Window::Transfer && requested.amount() > one.limit.amount.amount()
        });
        self.reject_exceeded(exceeded, requested)
    }

    /// Adds an entry to the uses of the limits that count it.
    pub(super) fn use_limits(
        &mut self,
        direction: EntryType,
        transfer_type: TransferType,
        amount: Money,
    ) {
        for one in &mut self.limits {
            if one.limit.window == Window::Transfer || !one.limit.counts(direction, transfer_type) {
                continue;
            }
            // Within the limit, as the decision has found.
            one.used = one.used.checked_add(amount).unwrap_or(one.used);
            one.remaining = one.remaining.checked_sub(amount).unwrap_or(one.remaining);
        }
    }

    fn counting(
        &self,
        direction: EntryType,
        transfer_type: TransferType,
    ) -> impl Iterator<Item = &LimitUse> {
        let limits = self.limits.iter();
        limits.filter(move |one| one.limit.counts(direction, transfer_type))
    }

    fn reject_exceeded(
        &self,
        exceeded: Option<&LimitUse>,
        requested: Money,
    ) -> Result<(), Rejection> {
        let Some(exceeded) = exceeded else {
            return Ok(());
        };
        let fits = requested.amount() <= exceeded.limit.amount.amount();
        Err(Rejection::LimitExceeded {
            account: self.account_id,
            limit: Box::new(exceeded.limit.clone()),
            used: exceeded.used,
            requested,
            possible_at: exceeded.ends_at.filter(|_| fits),
        })
    }
}

#[cfg(test)]
mod tests;

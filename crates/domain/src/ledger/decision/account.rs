//! What an account allows.

use rust_decimal::Decimal;

use super::AccountState;
use crate::ledger::receipt::EntryReceipt;
use crate::ledger::rejection::Rejection;
use crate::{EntryId, Money};

impl AccountState {
    pub(super) fn balance(&self) -> Result<Money, Rejection> {
        Ok(Money::new(self.balance, self.currency)?)
    }

    /// Returns the available balance; `None` for an account without a limit, or beyond the range of
    /// a decimal number.
    pub(super) fn available(&self) -> Option<Decimal> {
        let unreserved = self.balance.checked_sub(self.held)?;
        unreserved.checked_add(self.overdraft_limit?)
    }

    pub(super) fn require_available(&self, requested: Money) -> Result<(), Rejection> {
        if self.overdraft_limit.is_none() {
            return Ok(());
        }
        let available = self.available().ok_or_else(|| Rejection::Overflow {
            account: self.account_id,
            balance: Money::zero(self.currency),
            amount: requested,
        })?;
        if available < requested.amount() {
            return Err(Rejection::InsufficientFunds {
                account: self.account_id,
                available: Money::new(available, self.currency)?,
                requested,
            });
        }
        Ok(())
    }

    pub(super) fn entry(
        &self,
        transaction_id: EntryId,
        change: Money,
    ) -> Result<EntryReceipt, Rejection> {
        let balance = self.balance()?;
        let overflow = || Rejection::Overflow {
            account: self.account_id,
            balance,
            amount: change,
        };
        let running_balance = balance.checked_add(change).map_err(|_| overflow())?;
        // The available balance after the entry must be an amount too.
        if let Some(limit) = self.overdraft_limit {
            running_balance
                .amount()
                .checked_sub(self.held)
                .and_then(|unreserved| unreserved.checked_add(limit))
                .and_then(|available| Money::new(available, self.currency).ok())
                .ok_or_else(overflow)?;
        }
        Ok(EntryReceipt {
            transaction_id,
            account_id: self.account_id,
            entry_number: self.last_entry_number.checked_add(1).ok_or_else(overflow)?,
            running_balance,
        })
    }
}

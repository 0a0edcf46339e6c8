//! The account cache: accounts and their holds as the ledger's last commits left them, so that the
//! next batch needs neither locks nor reads before its decision.
//!
//! A cached account may be stale, because other processes also post. The database therefore
//! validates every account of an optimistic attempt (`banking.post_transfers_optimistic()`). A
//! conflict costs one round trip and leaves no rows, and the batch runs again under row locks.

mod generations;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decision::{AccountState, HoldState, LedgerState};
use crate::{AccountId, HoldId, TransferId};
use generations::Generations;

/// The cached accounts of a ledger, and the accounts that its batches use now.
pub(super) struct AccountCache {
    state: Mutex<State>,
    /// The most accounts; 0 caches none.
    limit: usize,
}

/// Counts of a ledger's batches by the way in which they were decided, since the ledger was built;
/// see [`Ledger::account_cache_metrics`](super::Ledger::account_cache_metrics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountCacheMetrics {
    /// Batches whose optimistic attempt was committed.
    pub committed: u64,
    /// Batches whose optimistic attempt failed, because another session had changed an account, or
    /// because an idempotency key was in use; they were decided again under locks.
    pub conflicts: u64,
    /// Batches without an optimistic attempt: they were decided under locks from the start.
    pub not_attempted: u64,
    /// Accounts in the cache now.
    pub accounts: usize,
}

#[derive(Default)]
struct State {
    /// The number of batches in flight that use an account.
    busy: HashMap<AccountId, u32>,
    accounts: Generations<AccountId, AccountState>,
    /// Holds in any state. The database validates a hold that a decision changes, as it validates
    /// the account.
    holds: Generations<HoldId, HoldState>,
    speculative: Vec<SpeculativeState>,
    batches: u64,
    conflict_backoff: ConflictBackoff,
    metrics: AccountCacheMetrics,
}

/// Accounts and holds as a decision leaves them.
#[derive(Debug, Default)]
pub(super) struct DecidedState {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    pub(super) holds: BTreeMap<HoldId, HoldState>,
}

/// The accounts and holds as a batch whose statement is in flight will leave them.
struct SpeculativeState {
    /// The batch's number in this cache.
    batch: u64,
    /// The batch lock by which a successor names the batch.
    batch_lock: i64,
    /// One of the batch's transfers, which exists only if the batch has committed.
    transfer: TransferId,
    left: DecidedState,
}

/// The back-off of optimistic attempts after conflicts: where other processes post to the same
/// accounts, one conflict follows another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ConflictBackoff {
    conflicts_in_a_row: u32,
    /// The number of batches that still skip their optimistic attempt.
    skip: u32,
}

/// The limit of the back-off, as a power of two: at most 63 batches in a row skip their attempt.
const BACKOFF_POWER_MAX: u32 = 6;

/// One batch's use of its accounts in the cache. Dropping it ends the use.
pub(super) struct CachedAccounts<'a> {
    account_cache: &'a AccountCache,
    batch: u64,
    accounts: &'a [AccountId],
    /// The holds that the batch names.
    holds: &'a [HoldId],
    /// The batch lock of the predecessor whose speculative state the batch may take.
    predecessor: Option<i64>,
    may_be_optimistic: bool,
}

/// The accounts and holds of an optimistic decision.
#[derive(Default)]
pub(super) struct OptimisticAccounts {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    /// The known holds among those that the batch names.
    pub(super) holds: BTreeMap<HoldId, HoldState>,
    /// A transfer of the predecessor, if some accounts are as the predecessor will leave them.
    pub(super) speculative: Option<TransferId>,
}

impl DecidedState {
    /// Returns the accounts and holds of a state.
    pub(super) fn of(state: LedgerState) -> Self {
        Self {
            accounts: state.accounts,
            holds: state.holds,
        }
    }
}

impl AccountCache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
        }
    }

    /// Begins a batch's use of its accounts, each of which is listed once. `predecessor` is the
    /// batch lock of the batch on whose speculative state this one may be decided.
    pub(super) fn begin<'a>(
        &'a self,
        accounts: &'a [AccountId],
        predecessor: Option<i64>,
    ) -> CachedAccounts<'a> {
        let mut state = self.state();
        let mut is_available = true;
        let State {
            busy, speculative, ..
        } = &mut *state;
        for account in accounts {
            let users = busy.entry(*account).or_default();
            // Otherwise another batch of this process holds the locks or is about to take them, and
            // the attempt would end in a conflict.
            is_available &= *users == 0
                || (*users == 1
                    && predecessor.is_some_and(|batch_lock| {
                        is_speculative(speculative, batch_lock, account)
                    }));
            *users = users.saturating_add(1);
        }
        let may_be_optimistic = self.limit > 0 && is_available && state.conflict_backoff.allows();
        state.batches = state.batches.wrapping_add(1);
        let batch = state.batches;
        if !may_be_optimistic {
            state.metrics.not_attempted = state.metrics.not_attempted.saturating_add(1);
        }
        drop(state);
        CachedAccounts {
            account_cache: self,
            batch,
            accounts,
            holds: &[],
            predecessor,
            may_be_optimistic,
        }
    }

    /// Returns those of these holds that the ledger has used, each as it was then. Its account and its
    /// destination never change.
    pub(super) fn holds<'a>(&self, wanted: impl IntoIterator<Item = &'a HoldId>) -> Vec<HoldState> {
        let state = self.state();
        let known = wanted.into_iter().filter_map(|hold| state.holds.get(hold));
        known.cloned().collect()
    }

    /// Caches holds that were read without locks, unless they are known.
    pub(super) fn note_holds(&self, holds: impl IntoIterator<Item = HoldState>) {
        if self.limit == 0 {
            return;
        }
        let mut state = self.state();
        for hold in holds {
            if state.holds.get(&hold.hold_id).is_none() {
                state.holds.insert(hold.hold_id, hold, self.limit);
            }
        }
    }

    /// Drops accounts whose cached versions are about to become stale.
    pub(super) fn forget(&self, accounts: &[AccountId]) {
        let mut state = self.state();
        for account in accounts {
            state.accounts.remove(account);
        }
    }

    pub(super) fn metrics(&self) -> AccountCacheMetrics {
        let state = self.state();
        AccountCacheMetrics {
            accounts: state.accounts.len(),
            ..state.metrics
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> CachedAccounts<'a> {
    /// Returns the use with the holds that the batch names.
    pub(super) const fn with_holds(mut self, holds: &'a [HoldId]) -> Self {
        self.holds = holds;
        self
    }
}

impl CachedAccounts<'_> {
    /// Returns true when the batch should make an optimistic attempt.
    pub(super) const fn may_be_optimistic(&self) -> bool {
        self.may_be_optimistic
    }

    /// Takes the cached accounts and holds, or their speculative state, out of the cache. The batch
    /// puts them back after its commit, so that a failure leaves no stale account in the cache.
    pub(super) fn take(&self) -> OptimisticAccounts {
        let mut state = self.account_cache.state();
        let mut taken = OptimisticAccounts::default();
        for account in self.accounts {
            let cached = state.accounts.remove(account);
            let speculative = self
                .predecessor
                .and_then(|batch_lock| state.take_speculative(batch_lock, account));
            if let Some((transfer, speculative)) = speculative {
                taken.speculative = Some(transfer);
                taken.accounts.insert(*account, speculative);
            } else if let Some(cached) = cached {
                taken.accounts.insert(*account, cached);
            }
        }
        for hold in self.holds {
            let cached = state.holds.remove(hold);
            let speculative = self
                .predecessor
                .and_then(|batch_lock| state.take_speculative_hold(batch_lock, hold));
            if let Some(known) = speculative.or(cached) {
                taken.holds.insert(*hold, known);
            }
        }
        taken
    }

    /// Publishes the state that this batch will leave, so that its successor can be decided on it.
    pub(super) fn publish_speculative(
        &self,
        batch_lock: i64,
        transfer: TransferId,
        left: DecidedState,
    ) {
        self.account_cache
            .state()
            .speculative
            .push(SpeculativeState {
                batch: self.batch,
                batch_lock,
                transfer,
                left,
            });
    }

    /// Withdraws the speculative state, and returns the part that no successor has taken.
    pub(super) fn withdraw_speculative(&self) -> DecidedState {
        self.account_cache.state().withdraw_speculative(self.batch)
    }

    /// Caches the accounts and holds as a commit has left them.
    pub(super) fn keep(&self, left: DecidedState) {
        let limit = self.account_cache.limit;
        if limit == 0 {
            return;
        }
        let mut state = self.account_cache.state();
        let State {
            busy,
            accounts,
            holds,
            ..
        } = &mut *state;
        // Another batch that uses the account makes its state and that of its holds stale.
        let is_current = |account: AccountId| busy.get(&account) == Some(&1);
        for (account_id, account) in left.accounts {
            if is_current(account_id) {
                accounts.insert(account_id, account, limit);
            }
        }
        for (hold_id, hold) in left.holds {
            if is_current(hold.account) {
                holds.insert(hold_id, hold, limit);
            }
        }
    }

    /// Counts a committed optimistic attempt.
    pub(super) fn committed(&self) {
        let mut state = self.account_cache.state();
        state.conflict_backoff = ConflictBackoff::default();
        state.metrics.committed = state.metrics.committed.saturating_add(1);
    }

    /// Counts a conflict. Only one that no speculative state may have caused (`backs_off`) makes
    /// later batches skip their attempt.
    pub(super) fn conflict(&self, backs_off: bool) {
        let mut state = self.account_cache.state();
        if backs_off {
            state.conflict_backoff = state.conflict_backoff.grown();
        }
        state.metrics.conflicts = state.metrics.conflicts.saturating_add(1);
    }

    /// Counts a batch that turned out to need locks.
    pub(super) fn not_attempted(&self) {
        let mut state = self.account_cache.state();
        state.metrics.not_attempted = state.metrics.not_attempted.saturating_add(1);
    }
}

impl Drop for CachedAccounts<'_> {
    fn drop(&mut self) {
        let mut state = self.account_cache.state();
        for account in self.accounts {
            if let Some(users) = state.busy.get_mut(account) {
                *users = users.saturating_sub(1);
                if *users == 0 {
                    state.busy.remove(account);
                }
            }
        }
        let _ = state.withdraw_speculative(self.batch);
    }
}

impl State {
    fn take_speculative(
        &mut self,
        batch_lock: i64,
        account: &AccountId,
    ) -> Option<(TransferId, AccountState)> {
        let of_batch = self.speculative_of(batch_lock)?;
        Some((of_batch.transfer, of_batch.left.accounts.remove(account)?))
    }

    fn take_speculative_hold(&mut self, batch_lock: i64, hold: &HoldId) -> Option<HoldState> {
        self.speculative_of(batch_lock)?.left.holds.remove(hold)
    }

    fn speculative_of(&mut self, batch_lock: i64) -> Option<&mut SpeculativeState> {
        let mut speculative_states = self.speculative.iter_mut();
        speculative_states.find(|speculative_state| speculative_state.batch_lock == batch_lock)
    }

    fn withdraw_speculative(&mut self, batch: u64) -> DecidedState {
        let index = self
            .speculative
            .iter()
            .position(|speculative_state| speculative_state.batch == batch);
        index.map_or_else(DecidedState::default, |index| {
            self.speculative.swap_remove(index).left
        })
    }
}

fn is_speculative(
    speculative_states: &[SpeculativeState],
    batch_lock: i64,
    account: &AccountId,
) -> bool {
    let mut speculative_states = speculative_states.iter();
    speculative_states.any(|speculative_state| {
        speculative_state.batch_lock == batch_lock
            && speculative_state.left.accounts.contains_key(account)
    })
}

impl ConflictBackoff {
    /// Returns true when the next batch may make an optimistic attempt.
    const fn allows(&mut self) -> bool {
        let allows = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        allows
    }

    /// Returns the back-off after one more conflict in a row: about twice as many batches skip.
    fn grown(self) -> Self {
        let conflicts_in_a_row = self
            .conflicts_in_a_row
            .saturating_add(1)
            .min(BACKOFF_POWER_MAX);
        Self {
            conflicts_in_a_row,
            skip: (1_u32 << conflicts_in_a_row).saturating_sub(1),
        }
    }
}

impl std::fmt::Debug for AccountCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AccountCache")
            .field("limit", &self.limit)
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

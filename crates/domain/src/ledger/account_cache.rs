//! What the ledger remembers of accounts, so that it need not lock and read them before it decides.
//!
//! An account cache can be wrong: another process moves money too. So it is only ever a guess that the database holds against what
//! is there (`banking.post_transfers()`); a wrong one costs the attempt, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decision::AccountState;
use crate::{AccountId, TransferId};

/// The accounts that a ledger saw last, and which of them are in use.
pub(super) struct AccountCache {
    state: Mutex<State>,
    /// Accounts at most; 0 remembers nothing.
    limit: usize,
}

/// How a ledger's groups of requests were decided since it was made; see
/// [`Ledger::account_cache_metrics`](super::Ledger::account_cache_metrics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountCacheMetrics {
    /// Groups that were decided on what was remembered, or read without a lock, and were right.
    pub right: u64,
    /// Groups that were decided so and were wrong, because somebody else had moved an account meanwhile, or because of a key
    /// that was used before; they were decided again under locks.
    pub wrong: u64,
    /// Groups that were decided under locks from the start.
    pub under_locks: u64,
    /// Accounts that are remembered now.
    pub accounts: usize,
}

#[derive(Default)]
struct State {
    /// How many groups have an account under way.
    busy: HashMap<AccountId, u32>,
    /// What was used lately. When it is half of the limit, it becomes old, and what is old is forgotten.
    young: HashMap<AccountId, AccountState>,
    old: HashMap<AccountId, AccountState>,
    speculative: Vec<SpeculativeState>,
    visits: u64,
    conflict_backoff: ConflictBackoff,
    metrics: AccountCacheMetrics,
}

/// What a group leaves whose statement is on its way.
struct SpeculativeState {
    /// The number of its visit.
    visit: u64,
    /// By which whoever follows it knows it.
    batch_lock: i64,
    /// One of its transfers: it is there when the group has succeeded, and never otherwise.
    transfer: TransferId,
    accounts: BTreeMap<AccountId, AccountState>,
}

/// How far account cache is worth a try: where others move the same accounts, it is wrong again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ConflictBackoff {
    wrong_in_a_row: u32,
    pass_over: u32,
}

/// At most this many groups are decided under locks before account cache is tried again: 2 to the power of this.
const DOUBT_MAX: u32 = 6;

/// A group's accounts, while it is under way.
pub(super) struct Visit<'a> {
    account_cache: &'a AccountCache,
    number: u64,
    accounts: &'a [AccountId],
    /// The batch lock of the group whose speculative state may be recalled.
    follows: Option<i64>,
    may_be_optimistic: bool,
}

/// What a group is decided on without a lock.
#[derive(Default)]
pub(super) struct Recalled {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    /// Where some are as another group will leave them: a transfer that is there if its statement succeeds.
    pub(super) speculative: Option<TransferId>,
}

impl AccountCache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
        }
    }

    /// The group under way with these accounts, each once; `follows` is the batch lock of the group on whose speculative state it may be
    /// decided.
    pub(super) fn visit<'a>(
        &'a self,
        accounts: &'a [AccountId],
        follows: Option<i64>,
    ) -> Visit<'a> {
        let mut state = self.state();
        let mut is_known = true;
        let State {
            busy, speculative, ..
        } = &mut *state;
        for account in accounts {
            let users = busy.entry(*account).or_default();
            // Otherwise another group of this process holds the locks, or is about to: a guess would be wrong.
            is_known &= *users == 0
                || (*users == 1
                    && follows.is_some_and(|batch_lock| {
                        is_speculative(speculative, batch_lock, account)
                    }));
            *users = users.saturating_add(1);
        }
        let may_be_optimistic = self.limit > 0 && is_known && state.conflict_backoff.passes();
        state.visits = state.visits.wrapping_add(1);
        let number = state.visits;
        if !may_be_optimistic {
            state.metrics.under_locks = state.metrics.under_locks.saturating_add(1);
        }
        drop(state);
        Visit {
            account_cache: self,
            number,
            accounts,
            follows,
            may_be_optimistic,
        }
    }

    /// Drops accounts whose cached versions are about to become stale.
    pub(super) fn forget(&self, accounts: &[AccountId]) {
        let mut state = self.state();
        for account in accounts {
            state.young.remove(account);
            state.old.remove(account);
        }
    }

    pub(super) fn metrics(&self) -> AccountCacheMetrics {
        let state = self.state();
        AccountCacheMetrics {
            accounts: state.young.len().saturating_add(state.old.len()),
            ..state.metrics
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit<'_> {
    /// Whether it makes sense to decide without a lock.
    pub(super) const fn may_be_optimistic(&self) -> bool {
        self.may_be_optimistic
    }

    /// What is remembered of the accounts, or speculative; it is forgotten here until it is kept again, so that whatever goes
    /// wrong meanwhile leaves nothing behind that is wrong.
    pub(super) fn recall(&self) -> Recalled {
        let mut state = self.account_cache.state();
        let mut recalled = Recalled::default();
        for account in self.accounts {
            let (young, old) = (state.young.remove(account), state.old.remove(account));
            let speculative = self
                .follows
                .and_then(|batch_lock| state.take_speculative(batch_lock, account));
            if let Some((transfer, speculative)) = speculative {
                recalled.speculative = Some(transfer);
                recalled.accounts.insert(*account, speculative);
            } else if let Some(remembered) = young.or(old) {
                recalled.accounts.insert(*account, remembered);
            }
        }
        recalled
    }

    /// Lets the group that follows this batch lock be decided on the accounts as this one will leave them.
    pub(super) fn speculative_state(
        &self,
        batch_lock: i64,
        transfer: TransferId,
        accounts: BTreeMap<AccountId, AccountState>,
    ) {
        self.account_cache
            .state()
            .speculative
            .push(SpeculativeState {
                visit: self.number,
                batch_lock,
                transfer,
                accounts,
            });
    }

    /// Withdraws the speculative state, and returns the accounts that nobody has recalled.
    pub(super) fn take_back(&self) -> BTreeMap<AccountId, AccountState> {
        self.account_cache.state().take_back(self.number)
    }

    /// Remembers the accounts as a commit has left them.
    pub(super) fn keep(&self, accounts: BTreeMap<AccountId, AccountState>) {
        if self.account_cache.limit == 0 {
            return;
        }
        let mut state = self.account_cache.state();
        for (account_id, account) in accounts {
            // Where another group has the account under way, this is old news soon, or already.
            if state.busy.get(&account_id) == Some(&1) {
                state.keep(account_id, account, self.account_cache.limit);
            }
        }
    }

    /// The guess was right.
    pub(super) fn was_right(&self) {
        let mut state = self.account_cache.state();
        state.conflict_backoff = ConflictBackoff::default();
        state.metrics.right = state.metrics.right.saturating_add(1);
    }

    /// The guess was wrong; `is_own_fault` unless it was the speculative state of another group.
    pub(super) fn was_wrong(&self, is_own_fault: bool) {
        let mut state = self.account_cache.state();
        if is_own_fault {
            state.conflict_backoff = state.conflict_backoff.grown();
        }
        state.metrics.wrong = state.metrics.wrong.saturating_add(1);
    }

    /// There was nothing to guess about after all.
    pub(super) fn was_undecided(&self) {
        let mut state = self.account_cache.state();
        state.metrics.under_locks = state.metrics.under_locks.saturating_add(1);
    }
}

impl Drop for Visit<'_> {
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
        let _ = state.take_back(self.number);
    }
}

impl State {
    fn keep(&mut self, account_id: AccountId, account: AccountState, limit: usize) {
        self.young.insert(account_id, account);
        if self.young.len() >= limit.div_ceil(2) {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn take_speculative(
        &mut self,
        batch_lock: i64,
        account: &AccountId,
    ) -> Option<(TransferId, AccountState)> {
        let mut speculative_states = self.speculative.iter_mut();
        let speculative_state = speculative_states
            .find(|speculative_state| speculative_state.batch_lock == batch_lock)?;
        Some((
            speculative_state.transfer,
            speculative_state.accounts.remove(account)?,
        ))
    }

    fn take_back(&mut self, visit: u64) -> BTreeMap<AccountId, AccountState> {
        let place = self
            .speculative
            .iter()
            .position(|speculative_state| speculative_state.visit == visit);
        place.map_or_else(BTreeMap::new, |place| {
            self.speculative.swap_remove(place).accounts
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
            && speculative_state.accounts.contains_key(account)
    })
}

impl ConflictBackoff {
    /// Whether account cache is tried this time.
    const fn passes(&mut self) -> bool {
        let passes = self.pass_over == 0;
        self.pass_over = self.pass_over.saturating_sub(1);
        passes
    }

    /// Twice as many are passed over after each time that it was wrong in a row.
    fn grown(self) -> Self {
        let wrong_in_a_row = self.wrong_in_a_row.saturating_add(1).min(DOUBT_MAX);
        Self {
            wrong_in_a_row,
            pass_over: (1_u32 << wrong_in_a_row).saturating_sub(1),
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

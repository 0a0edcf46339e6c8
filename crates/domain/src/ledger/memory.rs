//! What the ledger remembers of accounts, so that it need not lock and read them before it decides.
//!
//! A memory can be wrong: another process moves money too. So it is only ever a guess that the database holds against what
//! is there (`banking.post_transfers()`); a wrong one costs the attempt, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decision::AccountState;
use crate::{AccountId, TransferId};

/// The accounts that a ledger saw last, and which of them are in use.
pub(super) struct Memory {
    state: Mutex<State>,
    /// Accounts at most; 0 remembers nothing.
    limit: usize,
}

/// How a ledger's groups of requests were decided since it was made; see [`Ledger::memory`](super::Ledger::memory).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryMetrics {
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
    promised: Vec<Promise>,
    visits: u64,
    doubt: Doubt,
    metrics: MemoryMetrics,
}

/// What a group leaves whose statement is on its way.
struct Promise {
    /// The number of its visit.
    visit: u64,
    /// By which whoever follows it knows it.
    turn: i64,
    /// One of its transfers: it is there when the group has succeeded, and never otherwise.
    transfer: TransferId,
    accounts: BTreeMap<AccountId, AccountState>,
}

/// How far memory is worth a try: where others move the same accounts, it is wrong again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Doubt {
    wrong_in_a_row: u32,
    pass_over: u32,
}

/// At most this many groups are decided under locks before memory is tried again: 2 to the power of this.
const DOUBT_MAX: u32 = 6;

/// A group's accounts, while it is under way.
pub(super) struct Visit<'a> {
    memory: &'a Memory,
    number: u64,
    accounts: &'a [AccountId],
    /// The turn of the group whose promise may be recalled.
    follows: Option<i64>,
    may_guess: bool,
}

/// What a group is decided on without a lock.
#[derive(Default)]
pub(super) struct Recalled {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    /// Where some are as another group will leave them: a transfer that is there if its statement succeeds.
    pub(super) promised: Option<TransferId>,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
        }
    }

    /// The group under way with these accounts, each once; `follows` is the turn of the group on whose promise it may be
    /// decided.
    pub(super) fn visit<'a>(
        &'a self,
        accounts: &'a [AccountId],
        follows: Option<i64>,
    ) -> Visit<'a> {
        let mut state = self.state();
        let mut is_known = true;
        let State { busy, promised, .. } = &mut *state;
        for account in accounts {
            let users = busy.entry(*account).or_default();
            // Otherwise another group of this process holds the locks, or is about to: a guess would be wrong.
            is_known &= *users == 0
                || (*users == 1
                    && follows.is_some_and(|turn| is_promised(promised, turn, account)));
            *users = users.saturating_add(1);
        }
        let may_guess = self.limit > 0 && is_known && state.doubt.passes();
        state.visits = state.visits.wrapping_add(1);
        let number = state.visits;
        if !may_guess {
            state.metrics.under_locks = state.metrics.under_locks.saturating_add(1);
        }
        drop(state);
        Visit {
            memory: self,
            number,
            accounts,
            follows,
            may_guess,
        }
    }

    pub(super) fn metrics(&self) -> MemoryMetrics {
        let state = self.state();
        MemoryMetrics {
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
    pub(super) const fn may_guess(&self) -> bool {
        self.may_guess
    }

    /// What is remembered of the accounts, or promised; it is forgotten here until it is kept again, so that whatever goes
    /// wrong meanwhile leaves nothing behind that is wrong.
    pub(super) fn recall(&self) -> Recalled {
        let mut state = self.memory.state();
        let mut recalled = Recalled::default();
        for account in self.accounts {
            let (young, old) = (state.young.remove(account), state.old.remove(account));
            let promised = self
                .follows
                .and_then(|turn| state.take_promised(turn, account));
            if let Some((transfer, promised)) = promised {
                recalled.promised = Some(transfer);
                recalled.accounts.insert(*account, promised);
            } else if let Some(remembered) = young.or(old) {
                recalled.accounts.insert(*account, remembered);
            }
        }
        recalled
    }

    /// Lets the group that follows this turn be decided on the accounts as this one will leave them.
    pub(super) fn promise(
        &self,
        turn: i64,
        transfer: TransferId,
        accounts: BTreeMap<AccountId, AccountState>,
    ) {
        self.memory.state().promised.push(Promise {
            visit: self.number,
            turn,
            transfer,
            accounts,
        });
    }

    /// Promises no longer, and returns the accounts that nobody has recalled.
    pub(super) fn take_back(&self) -> BTreeMap<AccountId, AccountState> {
        self.memory.state().take_back(self.number)
    }

    /// Remembers the accounts as a commit has left them.
    pub(super) fn keep(&self, accounts: BTreeMap<AccountId, AccountState>) {
        if self.memory.limit == 0 {
            return;
        }
        let mut state = self.memory.state();
        for (account_id, account) in accounts {
            // Where another group has the account under way, this is old news soon, or already.
            if state.busy.get(&account_id) == Some(&1) {
                state.remember(account_id, account, self.memory.limit);
            }
        }
    }

    /// The guess was right.
    pub(super) fn was_right(&self) {
        let mut state = self.memory.state();
        state.doubt = Doubt::default();
        state.metrics.right = state.metrics.right.saturating_add(1);
    }

    /// The guess was wrong; `is_own_fault` unless it was the promise of another group.
    pub(super) fn was_wrong(&self, is_own_fault: bool) {
        let mut state = self.memory.state();
        if is_own_fault {
            state.doubt = state.doubt.grown();
        }
        state.metrics.wrong = state.metrics.wrong.saturating_add(1);
    }

    /// There was nothing to guess about after all.
    pub(super) fn was_undecided(&self) {
        let mut state = self.memory.state();
        state.metrics.under_locks = state.metrics.under_locks.saturating_add(1);
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.state();
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
    fn remember(&mut self, account_id: AccountId, account: AccountState, limit: usize) {
        self.young.insert(account_id, account);
        if self.young.len() >= limit.div_ceil(2) {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn take_promised(
        &mut self,
        turn: i64,
        account: &AccountId,
    ) -> Option<(TransferId, AccountState)> {
        let mut promises = self.promised.iter_mut();
        let promise = promises.find(|promise| promise.turn == turn)?;
        Some((promise.transfer, promise.accounts.remove(account)?))
    }

    fn take_back(&mut self, visit: u64) -> BTreeMap<AccountId, AccountState> {
        let place = self
            .promised
            .iter()
            .position(|promise| promise.visit == visit);
        place.map_or_else(BTreeMap::new, |place| {
            self.promised.swap_remove(place).accounts
        })
    }
}

fn is_promised(promises: &[Promise], turn: i64, account: &AccountId) -> bool {
    let mut promises = promises.iter();
    promises.any(|promise| promise.turn == turn && promise.accounts.contains_key(account))
}

impl Doubt {
    /// Whether memory is tried this time.
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

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Memory")
            .field("limit", &self.limit)
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

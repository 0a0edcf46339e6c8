//! Requests that are set apart from the workers, because what they need is held from outside.
//!
//! A stranger who holds an account's lock, a transaction that holds a key, a server process that stands still: each costs
//! the requests that need what it holds. They wait here, by what they wait for, and come back when that is free. The other
//! requests go past them, those for their second account too.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use neobank_db::DatabaseError;

use super::submission::Place;
use crate::AccountId;

/// What is held, and who waits for it.
#[derive(Default)]
pub(super) struct Apart {
    accounts: HashMap<AccountId, u64>,
    keys: HashMap<String, u64>,
    /// Those who wait for each hold, in the order of their arrival.
    behind: HashMap<u64, VecDeque<Place>>,
    last: u64,
}

impl Apart {
    /// A hold on accounts; of one that is held already this hold counts from now on.
    pub(super) fn hold_accounts(&mut self, accounts: &[AccountId]) -> u64 {
        let number = self.begin();
        for account in accounts {
            self.accounts.insert(*account, number);
        }
        number
    }

    /// A hold on a key, or on nothing where the request has none; `None` if that key is held already.
    pub(super) fn hold_key(&mut self, key: Option<&str>) -> Option<u64> {
        if key.is_some_and(|key| self.keys.contains_key(key)) {
            return None;
        }
        let number = self.begin();
        if let Some(key) = key {
            self.keys.insert(key.to_owned(), number);
        }
        Some(number)
    }

    fn begin(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.behind.insert(self.last, VecDeque::new());
        self.last
    }

    /// The hold that keeps an account.
    pub(super) fn of_account(&self, account: AccountId) -> Option<u64> {
        self.accounts.get(&account).copied()
    }

    /// The hold that keeps a request from being carried out.
    pub(super) fn of(&self, place: &Place) -> Option<u64> {
        if self.behind.is_empty() {
            return None;
        }
        let request = place.request();
        let by_account = || {
            let mut accounts = request.accounts().into_iter();
            accounts.find_map(|account| self.of_account(account))
        };
        let key = request.idempotency_key();
        let by_key = key.and_then(|key| self.keys.get(key).copied());
        by_key.or_else(by_account)
    }

    /// Puts a request behind a hold.
    pub(super) fn push(&mut self, number: u64, mut place: Place, now: Instant) {
        place.is_apart_from(now);
        self.behind.entry(number).or_default().push_back(place);
    }

    /// Puts a request back in front of those behind a hold.
    pub(super) fn push_first(&mut self, number: u64, place: Place) {
        self.behind.entry(number).or_default().push_front(place);
    }

    /// The first who waits for a hold.
    pub(super) fn pop(&mut self, number: u64) -> Option<Place> {
        let behind = self.behind.get_mut(&number)?;
        loop {
            let place = behind.pop_front()?;
            if !place.is_over() {
                return Some(place);
            }
        }
    }

    /// How many wait for any hold.
    pub(super) fn waiting(&self) -> usize {
        let behind = self.behind.values().map(VecDeque::len);
        behind.fold(0, usize::saturating_add)
    }

    /// Lets go of those that nobody wants any more, and answers those who have waited long enough. Returns whether
    /// anybody waits.
    pub(super) fn expire(&mut self, number: u64, longest: Duration, error: &DatabaseError) -> bool {
        let Some(behind) = self.behind.get_mut(&number) else {
            return false;
        };
        let all = std::mem::take(behind);
        for place in all {
            if place.is_over() {
                continue;
            }
            if place.waits_apart() < longest {
                behind.push_back(place);
            } else {
                place.answer(Err(error.clone().into()));
            }
        }
        !behind.is_empty()
    }

    /// Ends a hold, and returns those who waited for it.
    pub(super) fn end(&mut self, number: u64) -> VecDeque<Place> {
        self.accounts.retain(|_, hold| *hold != number);
        self.keys.retain(|_, hold| *hold != number);
        self.behind.remove(&number).unwrap_or_default()
    }
}

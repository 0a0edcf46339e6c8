//! The ledger in memory.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::Defect;
use crate::books::{Account, Books, Hold, Transfer};
use crate::history::{Entry, Movement, Outcome, Request};

/// The bank's own account, which has no limit.
pub(super) const BANK: Uuid = Uuid::from_u128(1);

/// The ledger.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    accounts: BTreeMap<Uuid, Account>,
    entries: BTreeMap<Uuid, Vec<Entry>>,
    transfers: Vec<Transfer>,
    holds: BTreeMap<Uuid, (Hold, Movement)>,
    /// The outcomes of the keys.
    keys: BTreeMap<String, Outcome>,
    /// Entries that a read sees and that are rolled back later.
    pub(super) uncommitted: Vec<Entry>,
    identifiers: u128,
    pub(super) defect: Option<Defect>,
}

/// The kind of a rejection.
type Rejected = &'static str;

/// The attributes of a transfer.
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    reverses: Option<Uuid>,
    hold: Option<Uuid>,
}

impl Ledger {
    /// Opens accounts with their opening and least balances, and the bank's, which pays the former.
    pub(super) fn new(accounts: &[(Decimal, Decimal)], defect: Option<Defect>) -> Self {
        let paid: Decimal = accounts.iter().map(|(opening, _)| *opening).sum();
        let mut all = vec![(BANK, -paid, None)];
        for (id, (opening, least)) in (2..).zip(accounts) {
            all.push((Uuid::from_u128(id), *opening, Some(*least)));
        }
        let accounts = all.into_iter().map(|(id, opening_balance, least_balance)| {
            let account = Account {
                id,
                opening_balance,
                balance: opening_balance,
                held: Decimal::ZERO,
                least_balance,
            };
            (id, account)
        });
        Self {
            accounts: accounts.collect(),
            entries: BTreeMap::new(),
            transfers: Vec::new(),
            holds: BTreeMap::new(),
            keys: BTreeMap::new(),
            uncommitted: Vec::new(),
            identifiers: 1_000,
            defect,
        }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub(super) fn account(&self, id: Uuid) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// Returns the outcome of a key that happened before.
    pub(super) fn replay(&self, key: &str) -> Option<Outcome> {
        match self.keys.get(key)?.clone() {
            Outcome::Done { hold, entries, .. } => Some(Outcome::Done {
                hold,
                entries,
                is_replay: true,
            }),
            other => Some(other),
        }
    }

    /// Makes a request under a key that is new, all of it or nothing.
    pub(super) fn execute(&mut self, key: &str, request: &Request) -> Outcome {
        match self.apply(key, request) {
            Ok(outcome) => {
                self.keys.insert(key.to_owned(), outcome.clone());
                outcome
            }
            Err(kind) => Outcome::Rejected {
                kind: kind.to_owned(),
            },
        }
    }

    /// Makes a transfer that writes balances computed from those that were read earlier.
    pub(super) fn execute_stale(
        &mut self,
        key: &str,
        movement: &Movement,
        read: [Decimal; 2],
    ) -> Outcome {
        let written = self.set_balances(movement, read);
        let outcome = self.execute(key, &Request::Transfer(*movement));
        if !matches!(outcome, Outcome::Done { .. }) {
            self.set_balances(movement, written);
        }
        outcome
    }

    pub(super) fn read_balances(&self, accounts: &[Uuid]) -> Vec<Decimal> {
        let balances = accounts.iter().map(|id| {
            let dirty = self
                .uncommitted
                .iter()
                .rev()
                .find(|entry| entry.account == *id);
            let account = self.accounts.get(id).map(|account| account.balance);
            dirty
                .map(|entry| entry.balance)
                .or(account)
                .unwrap_or_default()
        });
        balances.collect()
    }

    pub(super) fn read_entries(&self, account: Uuid) -> Vec<Entry> {
        let mut entries = self.entries.get(&account).cloned().unwrap_or_default();
        let next = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let dirty = self
            .uncommitted
            .iter()
            .filter(|entry| entry.account == account);
        entries.extend(dirty.map(|entry| Entry {
            number: next.saturating_add(1),
            ..*entry
        }));
        entries
    }

    pub(super) fn books(self) -> Books {
        Books {
            accounts: self.accounts.into_values().collect(),
            transfers: self.transfers,
            entries: self.entries.into_values().flatten().collect(),
            holds: self.holds.into_values().map(|(hold, _)| hold).collect(),
        }
    }

    /// Returns the entries that a movement would have now.
    pub(super) fn entries_of(&mut self, movement: &Movement) -> Vec<Entry> {
        let transfer = self.identifier();
        let sides = [
            (movement.from, -movement.amount),
            (movement.to, movement.amount),
        ];
        let entries = sides.into_iter().filter_map(|(account, amount)| {
            let known = self.accounts.get(&account)?;
            let count = self.entries.get(&account).map_or(0, Vec::len);
            Some(Entry {
                transfer,
                account,
                number: i64::try_from(count).ok()?.saturating_add(1),
                amount: Some(amount),
                balance: known.balance + amount,
            })
        });
        entries.collect()
    }

    fn apply(&mut self, key: &str, request: &Request) -> Result<Outcome, Rejected> {
        let mut hold = None;
        let entries = match request {
            Request::Transfer(movement) => self.post(key, movement, Attributes::default())?,
            Request::Group { steps } => self.group(key, steps)?,
            Request::Hold { movement, .. } => {
                hold = Some(self.hold(key, movement)?);
                Vec::new()
            }
            Request::Capture {
                hold: id,
                amount,
                is_final,
            } => {
                hold = Some(*id);
                self.capture(key, *id, *amount, *is_final)?
            }
            Request::Release { hold: id } => {
                hold = Some(*id);
                self.release(key, *id)?;
                Vec::new()
            }
            Request::Reversal { transfer, amount } => self.reverse(key, *transfer, *amount)?,
        };
        Ok(Outcome::Done {
            hold,
            entries,
            is_replay: false,
        })
    }

    fn group(&mut self, key: &str, steps: &[Movement]) -> Result<Vec<Entry>, Rejected> {
        let is_checked_last = self.defect == Some(Defect::BelowLimit);
        let mut available: BTreeMap<_, _> = self
            .accounts
            .values()
            .map(|account| (account.id, account.balance - account.held))
            .collect();
        for (index, step) in steps.iter().enumerate() {
            *available.entry(step.from).or_default() -= step.amount;
            *available.entry(step.to).or_default() += step.amount;
            let is_last = index + 1 == steps.len();
            let mut accounts = self.accounts.values();
            let is_short = accounts.any(|account| {
                let left = available.get(&account.id).copied();
                account
                    .least_balance
                    .zip(left)
                    .is_some_and(|(least, left)| left < least)
            });
            if is_short && (is_last || !is_checked_last) {
                return Err("insufficient_funds");
            }
        }
        let no = Attributes::default();
        Ok(steps
            .iter()
            .flat_map(|step| self.write(key, step, no))
            .collect())
    }

    fn hold(&mut self, key: &str, movement: &Movement) -> Result<Uuid, Rejected> {
        self.require_available(movement.from, movement.amount)?;
        let id = self.identifier();
        self.change_held(movement.from, movement.amount);
        let hold = Hold {
            id,
            account: movement.from,
            key: Some(key.to_owned()),
            amount: movement.amount,
            captured: Decimal::ZERO,
            released: Decimal::ZERO,
            change_keys: Vec::new(),
        };
        self.holds.insert(id, (hold, *movement));
        Ok(id)
    }

    fn capture(
        &mut self,
        key: &str,
        id: Uuid,
        amount: Option<Decimal>,
        is_final: bool,
    ) -> Result<Vec<Entry>, Rejected> {
        let again = self.defect == Some(Defect::DoubleCapture);
        let (hold, movement) = self.holds.get_mut(&id).ok_or("unknown_hold")?;
        let remaining = hold.amount - hold.captured - hold.released;
        let takes_again = again && hold.captured == hold.amount;
        let takable = if takes_again { hold.amount } else { remaining };
        let amount = amount.unwrap_or(takable);
        if takable.is_zero() || amount > takable {
            return Err("more_than_held");
        }
        let movement = Movement {
            amount,
            ..*movement
        };
        hold.change_keys.push(key.to_owned());
        if !takes_again {
            hold.captured += amount;
            let rest = remaining - amount;
            let released = if is_final { rest } else { Decimal::ZERO };
            hold.released += released;
            self.change_held(movement.from, -(amount + released));
        }
        let attributes = Attributes {
            hold: Some(id),
            reverses: None,
        };
        Ok(self.write(key, &movement, attributes))
    }

    fn release(&mut self, key: &str, id: Uuid) -> Result<(), Rejected> {
        let (hold, movement) = self.holds.get_mut(&id).ok_or("unknown_hold")?;
        let remaining = hold.amount - hold.captured - hold.released;
        if remaining.is_zero() {
            return Err("hold_over");
        }
        hold.released += remaining;
        hold.change_keys.push(key.to_owned());
        let from = movement.from;
        self.change_held(from, -remaining);
        Ok(())
    }

    fn reverse(
        &mut self,
        key: &str,
        id: Uuid,
        amount: Option<Decimal>,
    ) -> Result<Vec<Entry>, Rejected> {
        let mut transfers = self.transfers.iter();
        let original = transfers
            .find(|transfer| transfer.id == id)
            .ok_or("unknown_transfer")?;
        if original.reverses.is_some() {
            return Err("reversal_of_reversal");
        }
        let made = self
            .transfers
            .iter()
            .filter(|transfer| transfer.reverses == Some(id));
        let rest = original.amount - made.map(|reversal| reversal.amount).sum::<Decimal>();
        let amount = amount.unwrap_or(rest);
        if rest.is_zero() || amount > rest {
            return Err("more_than_remains");
        }
        let mut entries = self.entries.values().flatten();
        let pays = |entry: &&Entry| entry.amount.is_some_and(|amount| amount.is_sign_negative());
        let payer = entries.find(|entry| entry.transfer == id && pays(entry));
        let mut entries = self.entries.values().flatten();
        let payee = entries.find(|entry| entry.transfer == id && !pays(entry));
        let (payer, payee) = payer.zip(payee).ok_or("unknown_transfer")?;
        let movement = Movement {
            from: payee.account,
            to: payer.account,
            amount,
        };
        let attributes = Attributes {
            hold: None,
            reverses: Some(id),
        };
        self.post(key, &movement, attributes)
    }

    fn post(
        &mut self,
        key: &str,
        movement: &Movement,
        attributes: Attributes,
    ) -> Result<Vec<Entry>, Rejected> {
        self.require_available(movement.from, movement.amount)?;
        Ok(self.write(key, movement, attributes))
    }

    fn write(&mut self, key: &str, movement: &Movement, attributes: Attributes) -> Vec<Entry> {
        let entries = self.entries_of(movement);
        for entry in &entries {
            self.entries.entry(entry.account).or_default().push(*entry);
            if let Some(account) = self.accounts.get_mut(&entry.account) {
                account.balance = entry.balance;
            }
        }
        self.transfers.extend(entries.first().map(|entry| Transfer {
            id: entry.transfer,
            key: Some(key.to_owned()),
            amount: movement.amount,
            reverses: attributes.reverses,
            hold: attributes.hold,
        }));
        entries
    }

    /// Removes the credit that was written last, as a ledger does that forgets to write it.
    pub(super) fn forget_credit(&mut self, outcome: &Outcome) {
        let Outcome::Done { entries, .. } = outcome else {
            return;
        };
        let Some(credit) = entries.last() else {
            return;
        };
        let written = self.entries.entry(credit.account).or_default();
        if written
            .pop_if(|last| last.transfer == credit.transfer)
            .is_some()
            && let Some(account) = self.accounts.get_mut(&credit.account)
        {
            account.balance -= credit.amount.unwrap_or_default();
        }
    }

    fn require_available(&self, id: Uuid, amount: Decimal) -> Result<(), Rejected> {
        let account = self.accounts.get(&id).ok_or("unknown_account")?;
        match account.least_balance {
            Some(least) if account.balance - account.held - amount < least => {
                Err("insufficient_funds")
            }
            _ => Ok(()),
        }
    }

    /// Sets the balances of both accounts of a movement, and returns those before.
    fn set_balances(&mut self, movement: &Movement, balances: [Decimal; 2]) -> [Decimal; 2] {
        let [from, to] = balances;
        [(movement.from, from), (movement.to, to)].map(|(id, balance)| {
            let account = self.accounts.get_mut(&id);
            account.map_or(balance, |account| {
                std::mem::replace(&mut account.balance, balance)
            })
        })
    }

    fn change_held(&mut self, id: Uuid, by: Decimal) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.held += by;
        }
    }

    fn identifier(&mut self) -> Uuid {
        self.identifiers += 1;
        Uuid::from_u128(self.identifiers)
    }
}

//! The calls of the load, by chance.

use rand::RngExt;
use rand::rngs::StdRng;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::ledger::{BANK, Ledger};
use crate::history::{Movement, Operation, Request};

/// What callers have learned from answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    pub(super) holds: Vec<Uuid>,
    pub(super) transfers: Vec<Uuid>,
}

/// The choice of the next call.
pub(super) struct Choice<'a> {
    pub(super) random: &'a mut StdRng,
    pub(super) ledger: &'a Ledger,
    pub(super) learned: &'a Learned,
    /// The number of keys up to now.
    pub(super) keys: &'a mut u64,
}

impl Choice<'_> {
    /// Returns what the next call asks for.
    pub(super) fn operation(&mut self) -> Operation {
        match self.random.random_range(0..100) {
            0..12 => Operation::ReadBalances {
                accounts: self.ledger.accounts().map(|account| account.id).collect(),
            },
            12..22 => Operation::ReadEntries {
                account: self.account(),
            },
            22..28 => {
                let count = self.random.random_range(2..5);
                let requests = (0..count).map(|_| (self.key(), self.request()));
                Operation::Batch {
                    requests: requests.collect(),
                }
            }
            _ => Operation::Write {
                key: self.key(),
                request: self.request(),
            },
        }
    }

    fn request(&mut self) -> Request {
        let hold = self.one_of(|learned| &learned.holds);
        let transfer = self.one_of(|learned| &learned.transfers);
        match (self.random.random_range(0..100), hold, transfer) {
            (0..12, ..) => self.group(),
            (12..24, ..) => Request::Hold {
                movement: self.movement(20),
                expires_at: None,
            },
            (24..40, Some(hold), _) => Request::Capture {
                hold,
                amount: self.maybe(8),
                is_final: self.random.random_bool(0.7),
            },
            (40..45, Some(hold), _) => Request::Release { hold },
            (45..54, _, Some(transfer)) => Request::Reversal {
                transfer,
                amount: self.maybe(10),
            },
            _ => Request::Transfer(self.movement(40)),
        }
    }

    /// Returns steps that pass an amount on, which sometimes is more than the first account has.
    fn group(&mut self) -> Request {
        let there = self.movement(30);
        let has = self
            .ledger
            .account(there.from)
            .map(|account| account.balance);
        let mut steps = vec![there];
        if self.random.random_bool(0.5) {
            let amount = has.unwrap_or_default().max(Decimal::ZERO) + self.amount(50);
            let [from, to] = [there.from, there.to];
            steps = vec![
                Movement { from, to, amount },
                Movement {
                    from: to,
                    to: from,
                    amount,
                },
            ];
        } else {
            steps.push(self.movement(30));
        }
        Request::Group { steps }
    }

    fn movement(&mut self, most: u32) -> Movement {
        let from = self.account();
        let mut to = self.account();
        while to == from {
            to = self.account();
        }
        Movement {
            from,
            to,
            amount: self.amount(most),
        }
    }

    fn amount(&mut self, most: u32) -> Decimal {
        Decimal::new(self.random.random_range(1..i64::from(most) * 100), 2)
    }

    fn maybe(&mut self, most: u32) -> Option<Decimal> {
        self.random.random_bool(0.5).then(|| self.amount(most))
    }

    fn account(&mut self) -> Uuid {
        let count = self.ledger.accounts().count();
        let chosen = self.random.random_range(0..count);
        self.ledger
            .accounts()
            .nth(chosen)
            .map_or(BANK, |account| account.id)
    }

    fn one_of(&mut self, list: impl FnOnce(&Learned) -> &Vec<Uuid>) -> Option<Uuid> {
        let list = list(self.learned);
        // Mostly a new one: old holds are over.
        let oldest = list.len().saturating_sub(6);
        let newest = list.get(oldest..).filter(|newest| !newest.is_empty())?;
        newest
            .get(self.random.random_range(0..newest.len()))
            .copied()
    }

    fn key(&mut self) -> String {
        *self.keys += 1;
        format!("key-{}", self.keys)
    }
}

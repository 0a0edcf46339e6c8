//! Short histories of a few calls, where only their times or a hold are wrong.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::require;
use crate::books::{Account, Books, Hold, Transfer};
use crate::checker::{Invariant, check_by_rules};
use crate::history::{Answer, CallId, Entry, Event, Movement, Operation, Outcome, Request};
use crate::reader::History;

/// The invariants that the stories violate.
pub(super) const VIOLATED: [Invariant; 5] = [
    Invariant::RealTimeRead,
    Invariant::RealTimeOrder,
    Invariant::HoldSums,
    Invariant::LeastBalance,
    Invariant::StrictSerialisability,
];

const BANK: Uuid = Uuid::from_u128(1);
const A: Uuid = Uuid::from_u128(2);
const B: Uuid = Uuid::from_u128(3);
const HOLD: Uuid = Uuid::from_u128(50);

/// Calls, and the books that they make in the order in which they are told.
struct Story {
    history: History,
    books: Books,
    calls: u64,
}

impl Story {
    fn new() -> Self {
        let account = |id, balance: i64, least_balance| Account {
            id,
            opening_balance: Decimal::from(balance),
            balance: Decimal::from(balance),
            held: Decimal::ZERO,
            least_balance,
        };
        let accounts = vec![
            account(BANK, -200, None),
            account(A, 100, Some(Decimal::ZERO)),
            account(B, 100, Some(Decimal::ZERO)),
        ];
        Self {
            history: History::default(),
            books: Books {
                accounts,
                ..Books::default()
            },
            calls: 0,
        }
    }

    fn call(&mut self, (sent, answered): (u64, u64), operation: Operation, answer: Answer) {
        let call = CallId {
            process: 1,
            number: self.calls,
        };
        self.calls += 1;
        self.history.events.push(Event::Sent {
            call,
            at: sent,
            operation,
        });
        self.history.events.push(Event::Answered {
            call,
            at: answered,
            answer,
        });
    }

    fn write(&mut self, span: (u64, u64), key: &str, request: Request, entries: Vec<Entry>) {
        let hold = match request {
            Request::Hold { .. } | Request::Capture { .. } | Request::Release { .. } => Some(HOLD),
            _ => None,
        };
        let outcome = Outcome::Done {
            hold,
            entries,
            is_replay: false,
        };
        let key = key.to_owned();
        let operation = Operation::Write { key, request };
        self.call(span, operation, Answer::Outcome { outcome });
    }

    /// Makes a transfer from an account to the bank.
    fn pays(&mut self, span: (u64, u64), key: &str, from: Uuid, amount: i64) {
        let amount = Decimal::from(amount);
        let entries = self.post(key, from, amount, None);
        let to = BANK;
        let request = Request::Transfer(Movement { from, to, amount });
        self.write(span, key, request, entries);
    }

    fn post(&mut self, key: &str, from: Uuid, amount: Decimal, hold: Option<Uuid>) -> Vec<Entry> {
        let id = Uuid::from_u128(100 + u128::from(self.calls));
        self.books.transfers.push(Transfer {
            id,
            key: Some(key.to_owned()),
            amount,
            reverses: None,
            hold,
        });
        let entries = [(from, -amount), (BANK, amount)].map(|(id_of_account, amount)| {
            let count = self
                .books
                .entries
                .iter()
                .filter(|known| known.account == id_of_account);
            let number = i64::try_from(count.count()).unwrap() + 1;
            let mut accounts = self.books.accounts.iter_mut();
            let account = accounts
                .find(|account| account.id == id_of_account)
                .unwrap();
            account.balance += amount;
            Entry {
                transfer: id,
                account: id_of_account,
                number,
                amount: Some(amount),
                balance: account.balance,
            }
        });
        self.books.entries.extend(entries);
        entries.to_vec()
    }

    /// Reserves an amount of account A.
    fn reserves(&mut self, span: (u64, u64), key: &str, amount: i64) {
        let amount = Decimal::from(amount);
        self.books.holds.push(Hold {
            id: HOLD,
            account: A,
            key: Some(key.to_owned()),
            amount,
            captured: Decimal::ZERO,
            released: Decimal::ZERO,
            change_keys: vec![],
        });
        let [from, to] = [A, BANK];
        let request = Request::Hold {
            movement: Movement { from, to, amount },
            expires_at: None,
        };
        self.write(span, key, request, vec![]);
    }

    fn captures(&mut self, span: (u64, u64), key: &str, amount: i64) {
        let amount = Decimal::from(amount);
        let entries = self.post(key, A, amount, Some(HOLD));
        self.hold().captured += amount;
        self.hold().change_keys.push(key.to_owned());
        let request = Request::Capture {
            hold: HOLD,
            amount: Some(amount),
            is_final: false,
        };
        self.write(span, key, request, entries);
    }

    fn releases(&mut self, span: (u64, u64), key: &str) {
        let hold = self.hold();
        hold.released = hold.amount - hold.captured;
        hold.change_keys.push(key.to_owned());
        self.write(span, key, Request::Release { hold: HOLD }, vec![]);
    }

    fn hold(&mut self) -> &mut Hold {
        self.books.holds.first_mut().unwrap()
    }

    /// Reads the first entries of an account.
    fn reads(&mut self, span: (u64, u64), account: Uuid, count: usize) {
        let entries = self
            .books
            .entries
            .iter()
            .filter(|entry| entry.account == account);
        let entries = entries.take(count).copied().collect();
        let operation = Operation::ReadEntries { account };
        self.call(span, operation, Answer::Entries { entries });
    }

    fn reads_balance(&mut self, span: (u64, u64), account: Uuid, balance: i64) {
        let accounts = vec![account];
        let balances = vec![Decimal::from(balance)];
        let operation = Operation::ReadBalances { accounts };
        self.call(span, operation, Answer::Balances { balances });
    }

    fn is_right(&self) {
        assert_eq!(check_by_rules(&self.history, &self.books).violations, []);
    }

    fn violates(&self, invariant: Invariant, text: &str) {
        require(
            &check_by_rules(&self.history, &self.books),
            invariant,
            text,
            "story",
        );
    }

    /// Requires a violation of one invariant alone.
    fn violates_only(&self, invariant: Invariant, text: &str) {
        self.violates(invariant, text);
        for violation in check_by_rules(&self.history, &self.books).violations {
            assert_eq!(violation.invariant, invariant, "{violation}");
        }
    }
}

#[test]
fn read_that_lacks_what_was_acknowledged_before_it_is_stale() {
    for (sent, is_right) in [(10, true), (19, true), (20, true), (21, false)] {
        let mut story = Story::new();
        story.pays((10, 20), "one", A, 5);
        story.reads((sent, 30), A, 0);
        let mut of_balance = Story::new();
        of_balance.pays((10, 20), "one", A, 5);
        of_balance.reads_balance((sent, 30), A, 100);
        for story in [story, of_balance] {
            if is_right {
                story.is_right();
            } else {
                let text = "shows 0 entries, after 1 had been acknowledged";
                story.violates(Invariant::RealTimeRead, text);
            }
        }
    }
}

#[test]
fn read_that_has_what_was_sent_after_it_is_early() {
    for (answered, is_right) in [(9, false), (10, true), (11, true)] {
        let mut story = Story::new();
        story.pays((10, 20), "one", A, 5);
        story.reads((5, answered), A, 1);
        if is_right {
            story.is_right();
        } else {
            story.violates(
                Invariant::RealTimeRead,
                "before more than 0 had been asked for",
            );
        }
    }
}

#[test]
fn read_of_more_than_the_books_have_is_no_prefix() {
    let mut story = Story::new();
    story.pays((10, 20), "one", A, 5);
    story.reads((5, 30), A, 1);
    let entries = story.books.entries.clone();
    story.books.entries.clear();
    story.violates(Invariant::ReadOfPrefix, "which is not in the books");
    story.books.entries = entries;
    story.reads((5, 30), Uuid::nil(), 0);
    story.violates(Invariant::ReadOfPrefix, "read account 00000000");
}

#[test]
fn later_call_with_the_lower_entry_number_is_out_of_order() {
    for (sent, is_right) in [(19, true), (20, true), (21, false)] {
        let mut story = Story::new();
        story.pays((sent, 40), "first in the books", A, 5);
        story.pays((10, 20), "second in the books", A, 6);
        if is_right {
            story.is_right();
        } else {
            story.violates(Invariant::RealTimeOrder, "had ended when");
        }
    }
}

#[test]
fn two_reads_in_turn_that_go_back_have_no_order() {
    let mut story = Story::new();
    story.pays((0, 100), "one", A, 5);
    story.reads((10, 12), A, 1);
    story.is_right();
    story.reads((13, 15), A, 0);
    story.violates_only(Invariant::StrictSerialisability, "had ended when");
}

#[test]
fn two_reads_that_see_two_transfers_in_opposite_orders_have_no_order() {
    let mut story = Story::new();
    story.pays((0, 100), "one", A, 5);
    story.pays((0, 100), "two", B, 5);
    for (seen, not_seen) in [(A, B), (B, A)] {
        let balance = |account| if account == seen { 95 } else { 100 };
        let accounts = vec![seen, not_seen];
        let balances = accounts
            .iter()
            .map(|account| balance(*account).into())
            .collect();
        story.call(
            (10, 20),
            Operation::ReadBalances { accounts },
            Answer::Balances { balances },
        );
    }
    let text = format!("has not read in account {A} what key \"one\" wrote");
    story.violates_only(Invariant::StrictSerialisability, &text);
}

#[test]
fn transfer_that_spends_what_an_open_hold_reserves_is_under_the_limit() {
    // Released: the transfer can have been after the release.
    for (release, is_right) in [(21, false), (20, true), (15, true)] {
        let mut story = Story::new();
        story.reserves((0, 5), "hold", 60);
        story.pays((10, 20), "pay", A, 50);
        story.releases((release, 40), "release");
        if is_right {
            story.is_right();
        } else {
            story.violates_only(Invariant::LeastBalance, "too little for open holds of 60");
        }
    }
}

#[test]
fn captures_beyond_a_hold_do_not_add_up() {
    let mut story = Story::new();
    story.reserves((0, 5), "hold", 60);
    story.captures((10, 20), "capture 1", 40);
    story.captures((30, 40), "capture 2", 20);
    story.is_right();
    story.captures((50, 60), "capture 3", 1);
    story.violates(Invariant::HoldSums, "by transfers of 61");
}

#[test]
fn sums_of_a_hold_contradict_its_transfers() {
    let reserved = || {
        let mut story = Story::new();
        story.reserves((0, 5), "hold", 60);
        story.captures((10, 20), "capture", 40);
        story.releases((30, 40), "release");
        story.is_right();
        story
    };
    let mut story = reserved();
    story.hold().released = Decimal::from(30);
    story.violates(Invariant::HoldSums, "has captured 40 and released 30");
    story.hold().released = Decimal::from(-1);
    story.violates(Invariant::HoldSums, "released -1");
    story.hold().released = Decimal::from(10);
    story.violates(
        Invariant::HoldSums,
        "was ended by key \"release\", and 50 of it are over",
    );
    story.hold().captured = Decimal::from(30);
    story.violates(
        Invariant::HoldSums,
        "records 30 as captured, by transfers of 40",
    );
    story.books.transfers[0].hold = Some(BANK);
    story.violates(Invariant::HoldSums, "which does not exist");
    story.hold().account = Uuid::nil();
    story.hold().released = Decimal::ZERO;
    story.violates(Invariant::HeldBalance, "is not in the books");
}

#[test]
fn reversal_of_a_transfer_that_is_not_there_is_a_violation() {
    let mut story = Story::new();
    story.pays((0, 5), "one", A, 5);
    story.books.transfers[0].reverses = Some(Uuid::nil());
    story.violates(Invariant::ReversalSums, "does not exist");
}

#[test]
fn balance_at_its_least_is_right_and_less_is_not() {
    let mut story = Story::new();
    story.pays((10, 20), "all", A, 100);
    story.is_right();
    story.pays((30, 40), "more", A, 1);
    story.violates_only(Invariant::LeastBalance, "less than the least balance 0");
}

#[test]
fn transfer_can_spend_all_that_an_open_hold_leaves() {
    for (amount, is_right) in [(40, true), (41, false)] {
        let mut story = Story::new();
        story.reserves((0, 5), "hold", 60);
        story.pays((10, 20), "pay", A, amount);
        story.books.accounts[1].held = Decimal::from(60);
        if is_right {
            story.is_right();
        } else {
            story.violates(Invariant::LeastBalance, "too little for open holds of 60");
            story.violates(Invariant::LeastBalance, "of which 60 are held");
        }
    }
}

#[test]
fn transfer_that_began_when_the_hold_was_answered_can_have_been_before_it() {
    let mut story = Story::new();
    story.reserves((0, 10), "hold", 60);
    story.pays((10, 20), "pay", A, 50);
    story.releases((21, 40), "release");
    story.is_right();
}

#[test]
fn hold_with_an_end_can_be_over_at_any_time() {
    let mut story = Story::new();
    story.reserves((0, 5), "hold", 60);
    story.pays((10, 20), "pay", A, 50);
    story.releases((21, 40), "release");
    for event in &mut story.history.events {
        if let Event::Sent {
            operation:
                Operation::Write {
                    request: Request::Hold { expires_at, .. },
                    ..
                },
            ..
        } = event
        {
            *expires_at = Some(0);
        }
    }
    story.is_right();
}

#[test]
fn rejection_is_wrong_only_after_the_receipt() {
    for (sent, is_right) in [(19, true), (20, true), (21, false)] {
        let mut story = Story::new();
        story.pays((10, 20), "one", A, 5);
        let movement = Movement {
            from: A,
            to: BANK,
            amount: Decimal::from(5),
        };
        let kind = "insufficient_funds".to_owned();
        let outcome = Outcome::Rejected { kind };
        let key = "one".to_owned();
        let request = Request::Transfer(movement);
        let operation = Operation::Write { key, request };
        story.call((sent, 30), operation, Answer::Outcome { outcome });
        if is_right {
            story.is_right();
        } else {
            story.violates_only(Invariant::StableAnswer, "was rejected after it");
        }
    }
}

#[test]
fn call_can_end_at_the_time_at_which_it_began() {
    let mut story = Story::new();
    story.pays((10, 10), "one", A, 5);
    story.is_right();
}

#[test]
fn list_with_a_transfer_twice_is_an_anomaly() {
    let mut story = Story::new();
    story.pays((10, 20), "one", A, 5);
    let first = story.books.entries[0];
    story.books.entries.push(Entry { number: 2, ..first });
    let text = "duplicate element: account";
    story.violates(Invariant::StrictSerialisability, text);
}

#[test]
fn last_capture_that_leaves_a_rest_does_not_end_its_hold() {
    let mut story = Story::new();
    story.reserves((0, 5), "hold", 60);
    story.captures((10, 20), "capture", 40);
    story.books.accounts[1].held = Decimal::from(20);
    story.is_right();
    for event in &mut story.history.events {
        if let Event::Sent {
            operation:
                Operation::Write {
                    request: Request::Capture { is_final, .. },
                    ..
                },
            ..
        } = event
        {
            *is_final = true;
        }
    }
    let text = "was ended by key \"capture\", and 40 of it are over";
    story.violates_only(Invariant::HoldSums, text);
}

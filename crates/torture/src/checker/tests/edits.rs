//! Edits of a right history and its books, each with the violation that it makes.

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::books::{Books, Transfer};
use crate::checker::Invariant;
use crate::history::{Answer, CallId, Entry, Event, Operation, Outcome, Request};
use crate::reader::History;

/// A history and books to edit.
pub(super) struct Edit {
    pub(super) history: History,
    pub(super) books: Books,
}

/// A name, the violated invariant, a text of the violation, and the edit.
type Case = (&'static str, Invariant, &'static str, fn(&mut Edit));

fn rejected() -> Outcome {
    Outcome::Rejected {
        kind: "insufficient_funds".to_owned(),
    }
}

const NEW: Uuid = Uuid::from_u128(u128::MAX);

pub(super) const ALL: [Case; 67] = [
    (
        "answer without a call",
        Invariant::WellFormed,
        "never sent",
        |edit| {
            let call = CallId {
                process: 99,
                number: 0,
            };
            let error = String::new();
            let answer = Answer::ReadFailed { error };
            edit.history.events.push(Event::Answered {
                call,
                at: 1,
                answer,
            });
        },
    ),
    ("call sent twice", Invariant::WellFormed, "twice", |edit| {
        let first = edit.history.events[0].clone();
        edit.history.events.push(first);
    }),
    (
        "answer before its call",
        Invariant::WellFormed,
        "before it was sent",
        |edit| {
            let mut events = edit.history.events.iter_mut();
            let at = events.find_map(|event| match event {
                Event::Answered { at, .. } => Some(at),
                Event::Sent { .. } => None,
            });
            *at.unwrap() = 0;
        },
    ),
    (
        "answer of another kind",
        Invariant::WellFormed,
        "does not fit",
        |edit| {
            *edit.answer(|answer| matches!(answer, Answer::Outcome { .. })) =
                Answer::Balances { balances: vec![] };
        },
    ),
    (
        "outcome too few",
        Invariant::WellFormed,
        "outcomes for",
        |edit| {
            if let Answer::Outcomes { outcomes } =
                edit.answer(|answer| matches!(answer, Answer::Outcomes { .. }))
            {
                outcomes.pop();
            }
        },
    ),
    (
        "balance too few",
        Invariant::WellFormed,
        "balances of",
        |edit| {
            edit.balances().pop();
        },
    ),
    (
        "read of another sum",
        Invariant::Conservation,
        "in all accounts",
        |edit| {
            edit.balances()[0] += Decimal::ONE;
        },
    ),
    (
        "other sum at the end",
        Invariant::Conservation,
        "at the end",
        |edit| {
            edit.books.accounts[0].balance += Decimal::ONE;
        },
    ),
    (
        "lost transfer",
        Invariant::AcknowledgedPresent,
        "nothing of it",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            edit.remove(&key);
        },
    ),
    (
        "lost hold",
        Invariant::AcknowledgedPresent,
        "nothing of it",
        |edit| {
            let (key, _) = edit.done(is_hold);
            edit.books
                .holds
                .retain(|hold| hold.key.as_ref() != Some(&key));
        },
    ),
    (
        "transfer twice",
        Invariant::ExactlyOnce,
        "2 transfers instead of 1",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            edit.post_again(&key);
        },
    ),
    (
        "hold twice",
        Invariant::ExactlyOnce,
        "2 holds instead of 1",
        |edit| {
            let (key, _) = edit.done(is_hold);
            let mut again = edit.hold_of(&key).clone();
            again.id = NEW;
            edit.books.holds.push(again);
        },
    ),
    (
        "capture twice",
        Invariant::ExactlyOnce,
        "2 changes of holds",
        |edit| {
            let (key, _) = edit.done(is_capture);
            edit.changed_hold(&key).change_keys.push(key);
        },
    ),
    (
        "transfer that changes a hold",
        Invariant::ExactlyOnce,
        "1 changes of holds instead of 0",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            edit.books.holds[0].change_keys.push(key);
        },
    ),
    (
        "receipt of another balance",
        Invariant::AnswerInBooks,
        ", not entry",
        |edit| {
            let (_, call) = edit.done(is_transfer);
            edit.receipt(call)[0].balance += Decimal::ONE;
        },
    ),
    (
        "receipt of another amount",
        Invariant::AnswerInBooks,
        ", not entry",
        |edit| {
            let (_, call) = edit.done(is_transfer);
            edit.receipt(call)[0].amount = Some(Decimal::ONE_THOUSAND);
        },
    ),
    (
        "receipt of another number",
        Invariant::AnswerInBooks,
        "which is not there",
        |edit| {
            let (_, call) = edit.done(is_transfer);
            edit.receipt(call)[0].number = 9_999;
        },
    ),
    (
        "receipt without an entry",
        Invariant::AnswerInBooks,
        "lacks entry",
        |edit| {
            let (_, call) = edit.done(is_transfer);
            edit.receipt(call).pop();
        },
    ),
    (
        "receipt of another hold",
        Invariant::AnswerInBooks,
        "did not make or change",
        |edit| {
            let (_, call) = edit.done(is_hold);
            *edit.hold_of_receipt(call) = Some(NEW);
        },
    ),
    (
        "receipt without its hold",
        Invariant::AnswerInBooks,
        "names no hold",
        |edit| {
            let (_, call) = edit.done(is_hold);
            *edit.hold_of_receipt(call) = None;
        },
    ),
    (
        "transfer of another amount",
        Invariant::EffectAsAsked,
        "moved ",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            if let Request::Transfer(movement) = edit.request(&key) {
                movement.amount += Decimal::ONE;
            }
        },
    ),
    (
        "transfer to another account",
        Invariant::EffectAsAsked,
        "moved ",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            if let Request::Transfer(movement) = edit.request(&key) {
                std::mem::swap(&mut movement.from, &mut movement.to);
            }
        },
    ),
    (
        "transfer as a reversal",
        Invariant::EffectAsAsked,
        "of another kind",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            edit.transfer(&key).reverses = Some(NEW);
        },
    ),
    (
        "half a group",
        Invariant::EffectAsAsked,
        "1 transfers instead of 2",
        |edit| {
            let (key, _) = edit.done(|request| matches!(request, Request::Group { .. }));
            let id = edit.transfer(&key).id;
            edit.books.transfers.retain(|transfer| transfer.id != id);
        },
    ),
    (
        "hold of another amount",
        Invariant::EffectAsAsked,
        "made hold",
        |edit| {
            let (key, _) = edit.done(is_hold);
            edit.hold_of(&key).amount += Decimal::ONE;
        },
    ),
    (
        "capture of another amount",
        Invariant::EffectAsAsked,
        "captured ",
        |edit| {
            let (key, _) = edit.done(|request| {
                matches!(
                    request,
                    Request::Capture {
                        amount: Some(_),
                        ..
                    }
                )
            });
            edit.transfer(&key).amount += Decimal::ONE;
        },
    ),
    (
        "capture of no hold",
        Invariant::EffectAsAsked,
        "does not capture",
        |edit| {
            let (key, _) = edit.done(is_capture);
            edit.transfer(&key).hold = None;
        },
    ),
    (
        "capture for another account",
        Invariant::EffectAsAsked,
        "is of",
        |edit| {
            let (key, _) = edit.done(is_capture);
            let hold = edit.changed_hold(&key).key.clone().unwrap();
            if let Request::Hold { movement, .. } = edit.request(&hold) {
                movement.to = NEW;
            }
        },
    ),
    (
        "release of another hold",
        Invariant::EffectAsAsked,
        "changed hold",
        |edit| {
            let (key, _) = edit.done(|request| matches!(request, Request::Release { .. }));
            if let Request::Release { hold } = edit.request(&key) {
                *hold = NEW;
            }
        },
    ),
    (
        "reversal of another transfer",
        Invariant::EffectAsAsked,
        "does not reverse",
        |edit| {
            let (key, _) = edit.done(is_reversal);
            edit.transfer(&key).reverses = Some(NEW);
        },
    ),
    (
        "reversal of another amount",
        Invariant::EffectAsAsked,
        "reversed ",
        |edit| {
            let (key, _) = edit.done(|request| {
                matches!(
                    request,
                    Request::Reversal {
                        amount: Some(_),
                        ..
                    }
                )
            });
            edit.transfer(&key).amount += Decimal::ONE;
        },
    ),
    (
        "reversal of another direction",
        Invariant::EffectAsAsked,
        "to reverse",
        |edit| {
            let (key, _) = edit.done(is_reversal);
            let original = edit.transfer(&key).reverses.unwrap();
            for entry in edit
                .books
                .entries
                .iter_mut()
                .filter(|entry| entry.transfer == original)
            {
                entry.amount = entry.amount.map(|amount| -amount);
            }
        },
    ),
    (
        "rejected and there",
        Invariant::RejectedAbsent,
        "is in the books",
        |edit| {
            let (_, call) = edit.done(is_transfer);
            *edit.outcome(call) = rejected();
        },
    ),
    (
        "not executed and there",
        Invariant::RejectedAbsent,
        "is in the books",
        |edit| {
            let (_, call) = edit.done(is_hold);
            let error = String::new();
            *edit.outcome(call) = Outcome::NotExecuted { error };
        },
    ),
    (
        "two receipts",
        Invariant::StableAnswer,
        "different receipts",
        |edit| {
            let call = edit.again();
            edit.receipt(call)[0].balance += Decimal::ONE;
        },
    ),
    (
        "rejection after a receipt",
        Invariant::StableAnswer,
        "rejected after it",
        |edit| {
            let call = edit.again();
            *edit.outcome(call) = rejected();
        },
    ),
    (
        "unknown to the end",
        Invariant::UnknownResolved,
        "is unknown after",
        |edit| {
            let (_, call) = edit.done(is_transfer);
            let error = String::new();
            *edit.outcome(call) = Outcome::Unknown { error };
        },
    ),
    (
        "no answer to the end",
        Invariant::UnknownResolved,
        "is unknown after",
        |edit| {
            let (_, known) = edit.done(is_transfer);
            edit.history
                .events
                .retain(|event| !matches!(event, Event::Answered { call, .. } if *call == known));
        },
    ),
    (
        "not executed after unknown",
        Invariant::UnknownResolved,
        "is unknown after",
        |edit| {
            let call = edit.again();
            let error = String::new();
            *edit.outcome(call) = Outcome::NotExecuted { error };
            let first = edit.first_of(call);
            let error = String::new();
            *edit.outcome(first) = Outcome::Unknown { error };
        },
    ),
    (
        "transfer of an unknown key",
        Invariant::NoPhantom,
        "transfer ",
        |edit| {
            edit.books.transfers[0].key = Some("nobody's".to_owned());
        },
    ),
    (
        "transfer without a key",
        Invariant::NoPhantom,
        "has no key",
        |edit| {
            edit.books.transfers[0].key = None;
        },
    ),
    (
        "hold of an unknown key",
        Invariant::NoPhantom,
        "hold ",
        |edit| {
            edit.books.holds[0].key = Some("nobody's".to_owned());
        },
    ),
    (
        "change of an unknown key",
        Invariant::NoPhantom,
        "a change of hold",
        |edit| {
            edit.books.holds[0].change_keys.push("nobody's".to_owned());
        },
    ),
    (
        "entry without a transfer",
        Invariant::NoPhantom,
        "is of no transfer",
        |edit| {
            edit.books.entries[0].transfer = NEW;
        },
    ),
    (
        "one entry",
        Invariant::TwoEntries,
        "has 1 entries",
        |edit| {
            edit.books.entries.remove(0);
        },
    ),
    (
        "entry of another amount",
        Invariant::TwoEntries,
        " has entry ",
        |edit| {
            edit.entry().amount = Some(Decimal::ONE_THOUSAND);
        },
    ),
    (
        "entries of one account",
        Invariant::TwoEntries,
        "within account",
        |edit| {
            let id = edit.books.transfers[0].id;
            for entry in edit
                .books
                .entries
                .iter_mut()
                .filter(|entry| entry.transfer == id)
            {
                entry.account = Uuid::from_u128(2);
            }
        },
    ),
    (
        "two debits",
        Invariant::TwoEntries,
        "lacks its debit or its credit",
        |edit| {
            let id = edit.books.transfers[0].id;
            for entry in edit
                .books
                .entries
                .iter_mut()
                .filter(|entry| entry.transfer == id)
            {
                entry.amount = Some(-Decimal::ONE);
            }
        },
    ),
    (
        "gap",
        Invariant::EntryNumbers,
        "in the place of entry",
        |edit| {
            edit.books.entries.last_mut().unwrap().number += 1;
        },
    ),
    (
        "other running balance",
        Invariant::RunningBalance,
        "does not continue",
        |edit| {
            edit.entry().balance += Decimal::ONE;
        },
    ),
    (
        "other recorded balance",
        Invariant::RecordedBalance,
        "its entries end at",
        |edit| {
            edit.books.accounts[2].balance += Decimal::ONE;
        },
    ),
    (
        "entry of no account",
        Invariant::RecordedBalance,
        "no recorded balance",
        |edit| {
            edit.books.accounts.remove(1);
        },
    ),
    (
        "balance under its least",
        Invariant::LeastBalance,
        "less than the least",
        |edit| {
            edit.books.accounts[1].least_balance = Some(Decimal::ONE_HUNDRED);
        },
    ),
    (
        "held too much",
        Invariant::LeastBalance,
        "are held",
        |edit| {
            edit.books.accounts[1].held += Decimal::ONE_THOUSAND;
        },
    ),
    (
        "read of another entry",
        Invariant::ReadOfPrefix,
        "in the place of",
        |edit| {
            edit.entries()[0].balance += Decimal::ONE;
        },
    ),
    (
        "read of a balance that never was",
        Invariant::ReadOfPrefix,
        "it never had",
        |edit| {
            edit.balances()[1] += Decimal::new(1, 9);
        },
    ),
    (
        "reversal beyond its transfer",
        Invariant::ReversalSums,
        "are reversed",
        |edit| {
            let (key, _) = edit.done(is_reversal);
            let original = edit.transfer(&key).reverses;
            let mut transfers = edit.books.transfers.iter_mut();
            let original = transfers.find(|transfer| Some(transfer.id) == original);
            original.unwrap().amount = Decimal::ZERO;
        },
    ),
    (
        "other held balance",
        Invariant::HeldBalance,
        "as held",
        |edit| {
            edit.books.accounts[0].held += Decimal::ONE;
        },
    ),
    (
        "group that changes a hold",
        Invariant::ExactlyOnce,
        "1 changes of holds instead of 0",
        |edit| {
            let (key, _) = edit.done(|request| matches!(request, Request::Group { .. }));
            edit.books.holds[0].change_keys.push(key);
        },
    ),
    (
        "reversal that changes a hold",
        Invariant::ExactlyOnce,
        "1 changes of holds instead of 0",
        |edit| {
            let (key, _) = edit.done(is_reversal);
            edit.books.holds[0].change_keys.push(key);
        },
    ),
    (
        "hold that changes a hold",
        Invariant::ExactlyOnce,
        "1 changes of holds instead of 0",
        |edit| {
            let (key, _) = edit.done(is_hold);
            edit.books.holds[0].change_keys.push(key);
        },
    ),
    (
        "release with a transfer",
        Invariant::ExactlyOnce,
        "1 transfers instead of 0",
        |edit| {
            let (key, _) = edit.done(|request| matches!(request, Request::Release { .. }));
            edit.books.transfers[0].key = Some(key);
        },
    ),
    (
        "hold with a transfer",
        Invariant::ExactlyOnce,
        "1 transfers instead of 0",
        |edit| {
            let (key, _) = edit.done(is_hold);
            edit.books.transfers[0].key = Some(key);
        },
    ),
    (
        "two transfers of a capture",
        Invariant::ExactlyOnce,
        "2 transfers instead of 1",
        |edit| {
            let (key, _) = edit.done(is_capture);
            edit.post_again(&key);
        },
    ),
    (
        "two transfers of a reversal",
        Invariant::ExactlyOnce,
        "2 transfers instead of 1",
        |edit| {
            let (key, _) = edit.done(is_reversal);
            edit.post_again(&key);
        },
    ),
    (
        "capture that makes a hold",
        Invariant::ExactlyOnce,
        "1 holds instead of 0",
        |edit| {
            let (key, _) = edit.done(is_capture);
            edit.books.holds[0].key = Some(key);
        },
    ),
    (
        "transfer that makes a hold",
        Invariant::ExactlyOnce,
        "1 holds instead of 0",
        |edit| {
            let (key, _) = edit.done(is_transfer);
            edit.books.holds[0].key = Some(key);
        },
    ),
];

const fn is_transfer(request: &Request) -> bool {
    matches!(request, Request::Transfer(_))
}

const fn is_hold(request: &Request) -> bool {
    matches!(request, Request::Hold { .. })
}

const fn is_capture(request: &Request) -> bool {
    matches!(request, Request::Capture { .. })
}

const fn is_reversal(request: &Request) -> bool {
    matches!(request, Request::Reversal { .. })
}

impl Edit {
    /// Returns the key and the call of a request that was sent once, and done.
    fn done(&self, is_wanted: impl Fn(&Request) -> bool) -> (String, CallId) {
        let sent: Vec<_> = self.history.events.iter().filter_map(written).collect();
        let found = sent.iter().find(|(call, key, request)| {
            let is_done = self.history.events.iter().any(|event| {
                matches!(
                    event,
                    Event::Answered {
                        call: answered,
                        answer: Answer::Outcome {
                            outcome: Outcome::Done { .. }
                        },
                        ..
                    } if answered == call
                )
            });
            let is_single = sent.iter().filter(|(_, other, _)| other == key).count() == 1;
            is_done && is_single && is_wanted(request)
        });
        let (call, key, _) = found.unwrap();
        ((*key).to_owned(), *call)
    }

    /// Repeats a call that was done, with the same answer, and returns the repetition.
    fn again(&mut self) -> CallId {
        let (_, first) = self.done(is_transfer);
        let events = self.history.events.clone();
        let repeated = CallId {
            process: 77,
            ..first
        };
        for mut event in events {
            let (Event::Sent { call, at, .. } | Event::Answered { call, at, .. }) = &mut event;
            if *call == first {
                *call = repeated;
                *at += 1_000_000;
                self.history.events.push(event);
            }
        }
        repeated
    }

    /// Returns the call that a repetition repeats.
    fn first_of(&self, again: CallId) -> CallId {
        let mut sent = self.history.events.iter().filter_map(written);
        let (_, repeated, _) = sent.clone().find(|(call, ..)| *call == again).unwrap();
        sent.find(|(_, key, _)| *key == repeated).unwrap().0
    }

    fn request(&mut self, wanted: &str) -> &mut Request {
        let mut events = self.history.events.iter_mut();
        let found = events.find_map(|event| match event {
            Event::Sent {
                operation: Operation::Write { key, request },
                ..
            } if key == wanted => Some(request),
            _ => None,
        });
        found.unwrap()
    }

    fn answer(&mut self, is_wanted: impl Fn(&Answer) -> bool) -> &mut Answer {
        let mut events = self.history.events.iter_mut();
        let found = events.find_map(|event| match event {
            Event::Answered { answer, .. } if is_wanted(answer) => Some(answer),
            _ => None,
        });
        found.unwrap()
    }

    fn outcome(&mut self, wanted: CallId) -> &mut Outcome {
        let mut events = self.history.events.iter_mut();
        let found = events.find_map(|event| match event {
            Event::Answered {
                call,
                answer: Answer::Outcome { outcome },
                ..
            } if *call == wanted => Some(outcome),
            _ => None,
        });
        found.unwrap()
    }

    fn receipt(&mut self, call: CallId) -> &mut Vec<Entry> {
        match self.outcome(call) {
            Outcome::Done { entries, .. } => entries,
            other => panic!("{other:?}"),
        }
    }

    fn hold_of_receipt(&mut self, call: CallId) -> &mut Option<Uuid> {
        match self.outcome(call) {
            Outcome::Done { hold, .. } => hold,
            other => panic!("{other:?}"),
        }
    }

    fn balances(&mut self) -> &mut Vec<Decimal> {
        match self.answer(|answer| matches!(answer, Answer::Balances { .. })) {
            Answer::Balances { balances } => balances,
            other => panic!("{other:?}"),
        }
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        let is_wanted =
            |answer: &Answer| matches!(answer, Answer::Entries { entries } if entries.len() > 2);
        match self.answer(is_wanted) {
            Answer::Entries { entries } => entries,
            other => panic!("{other:?}"),
        }
    }

    fn entry(&mut self) -> &mut Entry {
        self.books.entries.first_mut().unwrap()
    }

    fn transfer(&mut self, key: &str) -> &mut Transfer {
        let mut transfers = self.books.transfers.iter_mut();
        transfers
            .find(|transfer| transfer.key.as_deref() == Some(key))
            .unwrap()
    }

    fn hold_of(&mut self, key: &str) -> &mut crate::books::Hold {
        let mut holds = self.books.holds.iter_mut();
        holds.find(|hold| hold.key.as_deref() == Some(key)).unwrap()
    }

    fn changed_hold(&mut self, key: &str) -> &mut crate::books::Hold {
        let mut holds = self.books.holds.iter_mut();
        holds
            .find(|hold| hold.change_keys.iter().any(|change| change == key))
            .unwrap()
    }

    /// Adds a further transfer under the same key.
    fn post_again(&mut self, key: &str) {
        let again = Transfer {
            id: NEW,
            ..self.transfer(key).clone()
        };
        self.books.transfers.push(again);
    }

    /// Removes a transfer with its entries.
    fn remove(&mut self, key: &str) {
        let id = self.transfer(key).id;
        self.books.transfers.retain(|transfer| transfer.id != id);
        self.books.entries.retain(|entry| entry.transfer != id);
    }
}

fn written(event: &Event) -> Option<(CallId, &str, &Request)> {
    match event {
        Event::Sent {
            call,
            operation: Operation::Write { key, request },
            ..
        } => Some((*call, key, request)),
        _ => None,
    }
}

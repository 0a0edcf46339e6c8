//! Random histories of holds, compared with a minimal model: whole numbers in lists.

use std::time::Duration;

use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::*;
use crate::Currency;
use crate::accounts::AccountStatus;
use crate::ledger::decision::{Identifiers, decide};
use crate::ledger::request::{HeldBy, TransferRequest};

/// One request of the model, and the seconds that pass before it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Hold {
        minor: i64,
        lasts: Option<u8>,
    },
    Capture {
        hold: usize,
        minor: Option<i64>,
        last: bool,
    },
    Release {
        hold: usize,
    },
    Expire {
        hold: usize,
    },
    Pay {
        minor: i64,
    },
}

/// The model's result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Done,
    NotPositive,
    Funds,
    Captured,
    Released,
    Expired,
    NotDue,
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModelHold {
    remaining: i64,
    ends: Option<i64>,
    status: HoldStatus,
}

/// The payer, in minor units.
#[derive(Clone, Debug)]
struct Model {
    balance: i64,
    limit: i64,
    paid: i64,
    holds: Vec<ModelHold>,
    now: i64,
}

impl Model {
    fn available(&self) -> i64 {
        let open = self
            .holds
            .iter()
            .filter(|hold| hold.status == HoldStatus::Open);
        let open = open.filter(|hold| hold.ends.is_none_or(|end| end > self.now));
        self.balance + self.limit - open.map(|hold| hold.remaining).sum::<i64>()
    }

    fn why_not(&self, hold: ModelHold) -> Option<Expected> {
        match hold.status {
            HoldStatus::Captured => Some(Expected::Captured),
            HoldStatus::Released => Some(Expected::Released),
            HoldStatus::Expired => Some(Expected::Expired),
            _ if hold.ends.is_some_and(|end| end <= self.now) => Some(Expected::Expired),
            _ => None,
        }
    }

    fn expect(&mut self, step: Step) -> Expected {
        let expected = self.decide(step);
        let ends_what_is_due = !matches!(step, Step::Expire { .. });
        if expected == Expected::Done && ends_what_is_due {
            let now = self.now;
            let due = |hold: &&mut ModelHold| hold.ends.is_some_and(|end| end <= now);
            let open = self
                .holds
                .iter_mut()
                .filter(|hold| hold.status == HoldStatus::Open);
            for hold in open.filter(due) {
                hold.remaining = 0;
                hold.status = HoldStatus::Expired;
            }
        }
        expected
    }

    fn decide(&mut self, step: Step) -> Expected {
        match step {
            Step::Hold { minor, .. } | Step::Pay { minor } if minor <= 0 => Expected::NotPositive,
            Step::Hold { minor, .. } | Step::Pay { minor } if minor > self.available() => {
                Expected::Funds
            }
            Step::Hold { minor, lasts } => {
                self.holds.push(ModelHold {
                    remaining: minor,
                    ends: lasts.map(|lasts| self.now + 1 + i64::from(lasts)),
                    status: HoldStatus::Open,
                });
                Expected::Done
            }
            Step::Pay { minor } => {
                self.balance -= minor;
                self.paid += minor;
                Expected::Done
            }
            Step::Capture {
                minor: Some(minor), ..
            } if minor <= 0 => Expected::NotPositive,
            Step::Capture { hold, minor, last } => {
                let found = self.holds[hold];
                if let Some(reason) = self.why_not(found) {
                    return reason;
                }
                let minor = minor.unwrap_or(found.remaining);
                if minor > found.remaining {
                    return Expected::More;
                }
                self.balance -= minor;
                self.paid += minor;
                let left = if last { 0 } else { found.remaining - minor };
                self.holds[hold].remaining = left;
                if left == 0 {
                    self.holds[hold].status = HoldStatus::Captured;
                }
                Expected::Done
            }
            Step::Release { hold } => {
                if let Some(reason) = self.why_not(self.holds[hold]) {
                    return reason;
                }
                self.holds[hold].remaining = 0;
                self.holds[hold].status = HoldStatus::Released;
                Expected::Done
            }
            Step::Expire { hold } => {
                let found = self.holds[hold];
                if found.status != HoldStatus::Open {
                    return self.why_not(found).unwrap();
                }
                if self.why_not(found) != Some(Expected::Expired) {
                    return Expected::NotDue;
                }
                self.holds[hold].remaining = 0;
                self.holds[hold].status = HoldStatus::Expired;
                Expected::Done
            }
        }
    }
}

fn koruna() -> Currency {
    Currency::from_code("CZK").unwrap()
}

fn money(minor: i64) -> Money {
    Money::new(Decimal::new(minor, 2), koruna()).unwrap()
}

fn payer() -> AccountId {
    Uuid::from_u128(1).into()
}

fn payee() -> AccountId {
    Uuid::from_u128(2).into()
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

fn account(account_id: AccountId, balance: i64, limit: i64) -> (AccountId, AccountState) {
    let state = AccountState {
        account_id,
        account_number: account_id.to_string(),
        currency: koruna(),
        status: AccountStatus::Active,
        balance: Decimal::new(balance, 2),
        held: Decimal::ZERO,
        overdraft_limit: Some(Decimal::new(limit, 2)),
        last_entry_number: 0,
        last_entry_at: None,
        opened_at: None,
        version: 1,
        has_limits: false,
        limits: Vec::new(),
    };
    (account_id, state)
}

fn request(step: Step, now: i64, holds: &[HoldId]) -> Request {
    let held_by = Some(HeldBy {
        account: payer(),
        to: None,
    });
    match step {
        Step::Hold { minor, lasts } => {
            let mut hold = HoldRequest::new(payer(), money(minor));
            hold.expires_at = lasts.map(|lasts| time(now + 1 + i64::from(lasts)));
            hold.into()
        }
        Step::Pay { minor } => TransferRequest::new(payer(), payee(), money(minor)).into(),
        Step::Capture { hold, minor, last } => {
            let mut capture = CaptureRequest::new(holds[hold]).with_destination(payee());
            capture.amount = minor.map(money);
            capture.last = last;
            capture.held_by = held_by;
            capture.into()
        }
        Step::Release { hold } => {
            let mut release = ReleaseRequest::new(holds[hold]);
            release.held_by = held_by;
            release.into()
        }
        Step::Expire { hold } => {
            let mut expiry = ExpiryRequest::new(holds[hold]);
            expiry.held_by = held_by;
            expiry.into()
        }
    }
}

fn seen(outcome: &Outcome) -> Expected {
    match outcome {
        Outcome::Posted(_) | Outcome::Hold(_) => Expected::Done,
        Outcome::Rejected(rejection) => match rejection {
            Rejection::AmountNotPositive { .. } => Expected::NotPositive,
            Rejection::InsufficientFunds { .. } => Expected::Funds,
            Rejection::HoldCaptured { .. } => Expected::Captured,
            Rejection::HoldReleased { .. } => Expected::Released,
            Rejection::HoldExpired { .. } => Expected::Expired,
            Rejection::HoldNotDue { .. } => Expected::NotDue,
            Rejection::MoreThanHeld { .. } => Expected::More,
            other => panic!("the model does not know {other:?}"),
        },
        other => panic!("the model does not know {other:?}"),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![-1_i64..2, 0_i64..1_500];
    let hold = 0_usize..8;
    prop_oneof![
        3 => (amount.clone(), proptest::option::of(0_u8..6))
            .prop_map(|(minor, lasts)| Step::Hold { minor, lasts }),
        3 => (hold.clone(), proptest::option::of(amount.clone()), any::<bool>())
            .prop_map(|(hold, minor, last)| Step::Capture { hold, minor, last }),
        1 => hold.clone().prop_map(|hold| Step::Release { hold }),
        1 => hold.prop_map(|hold| Step::Expire { hold }),
        2 => amount.prop_map(|minor| Step::Pay { minor }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_histories_of_holds_equal_the_model(
        steps in proptest::collection::vec((step(), 0_i64..3), 1..50),
        balance in 0_i64..3_000,
        limit in 0_i64..500,
    ) {
        let mut state = LedgerState::new(DateTime::UNIX_EPOCH);
        state.accounts = [account(payer(), balance, limit), account(payee(), 0, 0)].into();
        let mut model = Model { balance, limit, paid: 0, holds: Vec::new(), now: 0 };
        let mut holds: Vec<HoldId> = Vec::new();
        let mut held = Decimal::ZERO;
        for (number, (mut step, passed)) in (1_u128..).zip(steps) {
            if let Step::Capture { hold, .. } | Step::Release { hold } | Step::Expire { hold } = &mut step {
                if holds.is_empty() {
                    continue;
                }
                *hold %= holds.len();
            }
            model.now += passed;
            state.now = time(model.now);
            let request = request(step, model.now, &holds);
            let mut identified = IdentifiedRequest::new(&request);
            let transfer_id = Uuid::from_u128(number << 24);
            identified.identifiers = Identifiers { transfer_id: transfer_id.into(), ..identified.identifiers };
            let before = state.clone();
            let decision = decide(&mut state, &[identified]);
            let expected = model.expect(step);
            prop_assert_eq!(seen(&decision.outcomes[0]), expected, "{:?}", step);
            if expected == Expected::Done {
                if let Step::Hold { .. } = step {
                    holds.push(transfer_id.into());
                }
            } else {
                prop_assert!(decision.is_empty());
                prop_assert_eq!(&state.accounts, &before.accounts);
                prop_assert_eq!(&state.holds, &before.holds);
            }
            // The events continue the account's held balance.
            for event in &decision.hold_events {
                let amount = event.receipt.amount.amount();
                held += if event.receipt.event_type == HoldEventType::Authorised { amount } else { -amount };
                prop_assert_eq!(event.receipt.held_balance.amount(), held);
            }
            let after = &state.accounts[&payer()];
            prop_assert_eq!(after.held, held);
            prop_assert_eq!(after.balance, Decimal::new(model.balance, 2));
            prop_assert_eq!(state.accounts[&payee()].balance, Decimal::new(model.paid, 2));
            let due = state.holds.values().filter(|hold| hold.is_due(state.now));
            let due: Decimal = due.map(|hold| hold.remaining.amount()).sum();
            prop_assert_eq!(after.available().unwrap() + due, Decimal::new(model.available(), 2));
            let open = state.holds.values().filter(|hold| hold.status == HoldStatus::Open);
            prop_assert_eq!(open.map(|hold| hold.remaining.amount()).sum::<Decimal>(), held);
        }
    }
}

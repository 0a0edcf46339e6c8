//! The model: balances, holds and transfers as whole numbers, without time, locks and rounding.

use super::operation::{EUROS, Kind, Operation, Step};

/// One side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Customer(usize),
    /// An account of the bank, which has no limit.
    Bank,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) from: Side,
    pub(super) to: Side,
    pub(super) minor: i64,
    reverses: Option<usize>,
    hold: Option<usize>,
    /// True for a step that makes or releases a hold, which moves nothing.
    pub(super) is_hold: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) balance: i64,
    pub(super) limit: i64,
    pub(super) is_frozen: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) account: usize,
    to: Option<usize>,
    /// Zero for a hold that is not open, or whose time is over.
    pub(super) remaining: i64,
}

/// What an accepted operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// One for each step; `None` for a step that moved nothing.
    Moved(Vec<Option<Moved>>),
    Held,
    Released(i64),
    Changed,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) accounts: Vec<Account>,
    pub(super) holds: Vec<Hold>,
    pub(super) moved: Vec<Moved>,
    /// The transfers and holds that existed before the call, which its requests can name.
    known: (usize, usize),
}

impl Model {
    pub(super) fn new(accounts: usize) -> Self {
        Self {
            accounts: vec![Account::default(); accounts],
            holds: Vec::new(),
            moved: Vec::new(),
            known: (0, 0),
        }
    }

    /// Notes what the requests of the next call can name.
    pub(super) const fn begin(&mut self) {
        self.known = (self.moved.len(), self.holds.len());
    }

    /// Executes a request or a change of an account. After a rejection the model is as before.
    pub(super) fn run(&mut self, operation: &Operation) -> Result<Done, &'static str> {
        let before = self.clone();
        let done = self.decide(operation);
        if done.is_err() {
            *self = before;
        }
        done
    }

    pub(super) fn held(&self, account: usize) -> i64 {
        let own = self.holds.iter().filter(|hold| hold.account == account);
        own.map(|hold| hold.remaining).sum()
    }

    pub(super) fn available(&self, account: usize) -> i64 {
        let own = &self.accounts[account];
        own.balance + own.limit - self.held(account)
    }

    fn decide(&mut self, operation: &Operation) -> Result<Done, &'static str> {
        match operation {
            Operation::Step(step) => Ok(Done::Moved(vec![self.step(step, None)?])),
            Operation::Adjustment {
                account,
                minor,
                is_stale,
            } => {
                let own = &self.accounts[*account];
                if *is_stale {
                    return Err("stale version");
                }
                let (from, to) = if *minor < own.balance {
                    (Side::Customer(*account), Side::Bank)
                } else {
                    (Side::Bank, Side::Customer(*account))
                };
                let minor = (*minor - own.balance).abs();
                Ok(Done::Moved(vec![Some(self.apply(moved(from, to, minor))?)]))
            }
            Operation::Group(steps, condition) => self.group(steps, *condition),
            Operation::Journal(lines) => self.journal(lines),
            Operation::Exchange {
                from,
                to,
                sold,
                rate,
            } => {
                // The rate is in ten thousandths, and the bought amount is rounded down.
                let bought = sold * rate / 10_000;
                if bought == 0 {
                    return Err("nothing bought");
                }
                let sold = self.apply(moved(Side::Customer(*from), Side::Bank, *sold))?;
                let bought = self.apply(moved(Side::Bank, Side::Customer(*to), bought))?;
                Ok(Done::Moved(vec![Some(sold), Some(bought)]))
            }
            Operation::Hold {
                account, to, minor, ..
            } => {
                self.hold(*account, *to, *minor)?;
                Ok(Done::Held)
            }
            Operation::Release { hold } => {
                let hold = self.open_hold(*hold)?;
                Ok(Done::Released(self.release(hold).minor))
            }
            Operation::Freeze { account } => self.change_status(*account, true),
            Operation::Unfreeze { account } => self.change_status(*account, false),
            Operation::Limit { account, minor } => {
                let own = &self.accounts[*account];
                if own.balance - self.held(*account) + minor < 0 {
                    return Err("below the limit");
                }
                self.accounts[*account].limit = *minor;
                Ok(Done::Changed)
            }
            Operation::Expire { .. } | Operation::Repeat { .. } | Operation::Batch(_) => {
                unreachable!("the history runs these itself")
            }
        }
    }

    fn change_status(&mut self, account: usize, is_frozen: bool) -> Result<Done, &'static str> {
        let own = &mut self.accounts[account];
        if own.is_frozen == is_frozen {
            return Err("status");
        }
        own.is_frozen = is_frozen;
        Ok(Done::Changed)
    }

    fn group(
        &mut self,
        steps: &[Step],
        condition: Option<(usize, i64)>,
    ) -> Result<Done, &'static str> {
        let mut done = Vec::new();
        // The hold of each step that has made one.
        let mut made = Vec::new();
        for step in steps {
            let holds = self.holds.len();
            done.push(self.step(step, Some(&made))?);
            made.push((self.holds.len() > holds).then_some(holds));
        }
        if done.iter().all(Option::is_none) {
            return Err("nothing moved");
        }
        match condition {
            Some((account, least)) if self.accounts[account].balance < least => Err("condition"),
            _ => Ok(Done::Moved(done)),
        }
    }

    /// The debits come first, each in its order. The lines are not kept: no reversal names them.
    fn journal(&mut self, lines: &[(usize, i64)]) -> Result<Done, &'static str> {
        let sum: i64 = lines.iter().map(|(_, minor)| minor).sum();
        if lines.is_empty() || sum != 0 || lines.iter().any(|(_, minor)| *minor == 0) {
            return Err("unbalanced");
        }
        let (mut ordered, credits): (Vec<_>, Vec<_>) =
            lines.iter().copied().partition(|(_, minor)| *minor < 0);
        ordered.extend(credits);
        let kept = self.moved.len();
        let mut done = Vec::new();
        for (account, minor) in ordered {
            let (from, to) = if minor < 0 {
                (Side::Customer(account), Side::Bank)
            } else {
                (Side::Bank, Side::Customer(account))
            };
            done.push(Some(self.apply(moved(from, to, minor.abs()))?));
        }
        self.moved.truncate(kept);
        Ok(Done::Moved(done))
    }

    /// Executes a step; `made` has the holds of the group's steps before it.
    fn step(
        &mut self,
        step: &Step,
        made: Option<&[Option<usize>]>,
    ) -> Result<Option<Moved>, &'static str> {
        match *step {
            Step::Transfer { from, to, minor } => {
                let moved = moved(Side::Customer(from), Side::Customer(to), minor);
                self.apply(moved).map(Some)
            }
            Step::UpTo {
                from,
                to,
                minor,
                allows_nothing,
            } => {
                let (payer, payee) = (Side::Customer(from), Side::Customer(to));
                if from == to || minor <= 0 || is_euro(from) != is_euro(to) {
                    return Err("no transfer");
                }
                self.require_active(payer)?;
                self.require_active(payee)?;
                match self.available(from).min(minor) {
                    least if least > 0 => self.apply(moved(payer, payee, least)).map(Some),
                    _ if allows_nothing && made.is_some() => Ok(None),
                    _ => Err("nothing available"),
                }
            }
            Step::Posting {
                account,
                kind,
                minor,
            } => {
                let own = Side::Customer(account);
                let (from, to) = match kind {
                    Kind::Deposit | Kind::Interest => (Side::Bank, own),
                    Kind::Withdrawal | Kind::Fee => (own, Side::Bank),
                };
                self.apply(moved(from, to, minor)).map(Some)
            }
            Step::Reversal { transfer, minor } => {
                let original = self.moved.get(..self.known.0);
                let original = original.and_then(|known| known.get(transfer));
                let original = original.ok_or("unknown transfer")?.clone();
                let reversals = self
                    .moved
                    .iter()
                    .filter(|one| one.reverses == Some(transfer));
                let left = original.minor - reversals.map(|one| one.minor).sum::<i64>();
                let minor = minor.unwrap_or(left);
                if original.reverses.is_some() || left <= 0 || minor > left {
                    return Err("more than remains");
                }
                self.apply(Moved {
                    reverses: Some(transfer),
                    ..moved(original.to, original.from, minor)
                })
                .map(Some)
            }
            Step::Capture {
                hold,
                minor,
                to,
                last,
            } => {
                let hold = self.open_hold(hold)?;
                self.capture(hold, minor, to, last).map(Some)
            }
            _ => self.hold_step(step, made.ok_or("no group")?),
        }
    }

    /// Changes a hold, as a step of a group.
    fn hold_step(
        &mut self,
        step: &Step,
        made: &[Option<usize>],
    ) -> Result<Option<Moved>, &'static str> {
        let open = |model: &Self, step: usize| {
            let hold = made.get(step).copied().flatten();
            let hold = hold.filter(|hold| model.holds[*hold].remaining > 0);
            hold.ok_or("no open hold at step")
        };
        match *step {
            Step::Hold { account, to, minor } => {
                self.hold(account, to, minor)?;
                Ok(Some(change(account, minor)))
            }
            Step::Release { hold, .. } if hold >= self.known.1 => Err("unknown hold"),
            Step::Release { hold, if_open } => match self.open_hold(hold) {
                Ok(hold) => Ok(Some(self.release(hold))),
                Err(_) if if_open => Ok(None),
                Err(reason) => Err(reason),
            },
            Step::ReleaseMade { step } => {
                let hold = open(self, step)?;
                Ok(Some(self.release(hold)))
            }
            Step::CaptureMade {
                step,
                minor,
                to,
                last,
            } => {
                let hold = open(self, step)?;
                self.capture(hold, minor, to, last).map(Some)
            }
            _ => Err("no step on a hold"),
        }
    }

    fn hold(&mut self, account: usize, to: Option<usize>, minor: i64) -> Result<(), &'static str> {
        if to == Some(account) || minor <= 0 {
            return Err("no hold");
        }
        for account in [Some(account), to].into_iter().flatten() {
            self.require_active(Side::Customer(account))?;
        }
        if to.is_some_and(|to| is_euro(to) != is_euro(account)) {
            return Err("another currency");
        }
        if self.available(account) < minor {
            return Err("insufficient funds");
        }
        self.holds.push(Hold {
            account,
            to,
            remaining: minor,
        });
        Ok(())
    }

    fn release(&mut self, hold: usize) -> Moved {
        let hold = &mut self.holds[hold];
        change(hold.account, std::mem::take(&mut hold.remaining))
    }

    fn capture(
        &mut self,
        number: usize,
        minor: Option<i64>,
        to: Option<usize>,
        last: bool,
    ) -> Result<Moved, &'static str> {
        let hold = self.holds[number].clone();
        let to = match (hold.to, to) {
            (Some(named), Some(requested)) if named != requested => return Err("destination"),
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => return Err("no destination"),
        };
        let minor = minor.unwrap_or(hold.remaining);
        if minor > hold.remaining || minor <= 0 {
            return Err("more than held");
        }
        let left = hold.remaining - minor;
        self.holds[number].remaining = if last { 0 } else { left };
        self.apply(Moved {
            hold: Some(number),
            ..moved(Side::Customer(hold.account), Side::Customer(to), minor)
        })
    }

    fn open_hold(&self, hold: usize) -> Result<usize, &'static str> {
        let known = self.holds.get(..self.known.1);
        match known.and_then(|known| known.get(hold)) {
            Some(found) if found.remaining > 0 => Ok(hold),
            _ => Err("no open hold"),
        }
    }

    fn require_active(&self, side: Side) -> Result<(), &'static str> {
        match side {
            Side::Customer(account) if self.accounts[account].is_frozen => Err("frozen"),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, moved: Moved) -> Result<Moved, &'static str> {
        let Moved {
            from, to, minor, ..
        } = moved;
        if let (Side::Customer(from), Side::Customer(to)) = (from, to)
            && (from == to || is_euro(from) != is_euro(to))
        {
            return Err("no pair");
        }
        if minor <= 0 {
            return Err("not positive");
        }
        self.require_active(from)?;
        self.require_active(to)?;
        if let Side::Customer(from) = from {
            if self.available(from) < minor {
                return Err("insufficient funds");
            }
            self.accounts[from].balance -= minor;
        }
        if let Side::Customer(to) = to {
            self.accounts[to].balance += minor;
        }
        self.moved.push(moved.clone());
        Ok(moved)
    }
}

const fn moved(from: Side, to: Side, minor: i64) -> Moved {
    Moved {
        from,
        to,
        minor,
        reverses: None,
        hold: None,
        is_hold: false,
    }
}

/// Returns the change of a hold by an amount.
const fn change(account: usize, minor: i64) -> Moved {
    let own = Side::Customer(account);
    Moved {
        is_hold: true,
        ..moved(own, own, minor)
    }
}

pub(super) const fn is_euro(account: usize) -> bool {
    account >= EUROS as usize
}

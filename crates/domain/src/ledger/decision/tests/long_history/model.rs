//! The model: balances, holds and transfers as whole numbers, and a clock in seconds.

use std::collections::VecDeque;

use neobank_entity::enums::EntryType;

use crate::ledger::{PostingKind, SystemAccount};

/// The customers' accounts: four in koruna, then two in euros.
const ACCOUNTS: usize = 6;
const EUROS: usize = 4;
/// The transfers and the ended holds that a request may name.
pub(super) const TRANSFERS_MAX: usize = 24;
pub(super) const HOLDS_MAX: usize = 16;

pub(super) const fn is_in_euros(number: usize) -> bool {
    number >= EUROS
}

/// Pseudo-random numbers that are the same in every run: splitmix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        // Not a multiple of the increment: the numbers of two seeds do not overlap soon.
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }

    fn signed(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).unwrap()
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

/// One side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Customer(usize),
    Bank(SystemAccount),
}

#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) minor: i64,
    pub(super) is_in_euros: bool,
    pub(super) is_reversal: bool,
    pub(super) reversed: i64,
    /// True for a step that makes or releases a hold, which moves nothing.
    pub(super) is_hold: bool,
}

impl Moved {
    /// Returns the change of a hold by an amount.
    const fn nothing(account: usize, minor: i64) -> Self {
        let own = Party::Customer(account);
        Self {
            from: own,
            to: own,
            minor,
            is_in_euros: is_in_euros(account),
            is_reversal: false,
            reversed: 0,
            is_hold: true,
        }
    }
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
    pub(super) to: Option<usize>,
    /// Zero for a hold that has ended; more than zero also after its time, until its end is recorded.
    pub(super) remaining: i64,
    ends: Option<i64>,
}

/// An operation of the model: a request or a change of an account. Numbers name accounts, transfers
/// and holds.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Transfer {
        from: usize,
        to: usize,
        minor: i64,
    },
    UpTo {
        from: usize,
        to: usize,
        minor: i64,
        allows_nothing: bool,
    },
    Posting {
        account: usize,
        kind: PostingKind,
        direction: EntryType,
        minor: i64,
    },
    Reversal {
        transfer: usize,
        minor: Option<i64>,
    },
    Capture {
        hold: usize,
        minor: Option<i64>,
        to: Option<usize>,
        last: bool,
    },
    /// A hold, as a step of a group.
    Hold {
        account: usize,
        to: Option<usize>,
        minor: i64,
        ends: Option<i64>,
    },
    /// A release, as a step of a group.
    Release {
        hold: usize,
        if_open: bool,
    },
    /// A capture of the hold that the step with this index makes.
    CaptureMade {
        step: usize,
        minor: Option<i64>,
        to: Option<usize>,
        last: bool,
    },
    /// A release of the hold that the step with this index makes.
    ReleaseMade {
        step: usize,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Step(Step),
    Adjustment {
        account: usize,
        minor: i64,
        is_stale: bool,
    },
    /// Steps, and the least available balance that an account must have after the last one.
    Group(Vec<Step>, Option<(usize, i64)>),
    Journal(Vec<(usize, i64)>),
    Exchange {
        from: usize,
        to: usize,
        sold: i64,
        rate: i64,
    },
    Hold {
        account: usize,
        to: Option<usize>,
        minor: i64,
        ends: Option<i64>,
    },
    Release {
        hold: usize,
    },
    Expiry {
        hold: usize,
    },
    Freeze {
        account: usize,
    },
    Limit {
        account: usize,
        minor: i64,
    },
}

/// The movements of a request's steps, with `None` for a step that moved nothing, or the reason of a
/// rejection. A change of a hold has no movement.
type Done = Result<Vec<Option<Moved>>, &'static str>;

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) accounts: Vec<Account>,
    pub(super) holds: VecDeque<Hold>,
    pub(super) transfers: VecDeque<Moved>,
    /// The transfers that existed before the request, which it can name.
    known: usize,
    /// The holds that existed before the request.
    known_holds: usize,
    pub(super) now: i64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            accounts: vec![Account::default(); ACCOUNTS],
            holds: VecDeque::new(),
            transfers: VecDeque::new(),
            known: 0,
            known_holds: 0,
            now: 1_000_000,
        }
    }

    /// Lets time pass; now and then the clock is set back.
    pub(super) fn step_clock(&mut self, random: &mut Random) {
        self.now += match random.below(100) {
            0 => -random.signed(20),
            1..=5 => random.signed(120),
            _ => random.signed(3),
        };
    }

    /// Sets an overdraft limit, if balance and holds allow it.
    pub(super) fn set_limit(&mut self, account: usize, minor: i64) -> bool {
        let is_allowed = self.accounts[account].balance - self.recorded(account) + minor >= 0;
        if is_allowed {
            self.accounts[account].limit = minor;
        }
        is_allowed
    }

    /// Returns what is held by holds without a recorded end.
    pub(super) fn recorded(&self, account: usize) -> i64 {
        let own = self.holds.iter().filter(|hold| hold.account == account);
        own.map(|hold| hold.remaining).sum()
    }

    /// Executes a request. After a rejection the model is as before.
    pub(super) fn run(&mut self, operation: &Operation) -> Done {
        let before = self.clone();
        self.known = self.transfers.len();
        self.known_holds = self.holds.len();
        if !matches!(operation, Operation::Expiry { .. }) {
            for account in self.accounts_of(operation) {
                self.end_due(account);
            }
        }
        let done = self.decide(operation);
        if done.is_err() {
            *self = before;
        }
        done
    }

    fn is_due(&self, hold: &Hold) -> bool {
        hold.remaining > 0 && hold.ends.is_some_and(|end| end <= self.now)
    }

    fn end_due(&mut self, account: usize) {
        let now = self.now;
        let own = self.holds.iter_mut().filter(|hold| hold.account == account);
        for hold in own.filter(|hold| hold.ends.is_some_and(|end| end <= now)) {
            hold.remaining = 0;
        }
    }

    /// Returns the customers' accounts that a request touches or compares.
    fn accounts_of(&self, operation: &Operation) -> Vec<usize> {
        match operation {
            Operation::Step(step) => self.accounts_of_step(step),
            Operation::Adjustment { account, .. } => vec![*account],
            Operation::Group(steps, condition) => steps
                .iter()
                .flat_map(|step| self.accounts_of_step(step))
                .chain(condition.map(|(account, _)| account))
                .collect(),
            Operation::Journal(lines) => lines.iter().map(|(account, _)| *account).collect(),
            Operation::Exchange { from, to, .. } => vec![*from, *to],
            Operation::Hold { account, to, .. } => {
                [Some(*account), *to].into_iter().flatten().collect()
            }
            Operation::Release { hold } => self
                .holds
                .get(*hold)
                .map(|hold| hold.account)
                .into_iter()
                .collect(),
            Operation::Expiry { .. } | Operation::Freeze { .. } | Operation::Limit { .. } => {
                Vec::new()
            }
        }
    }

    fn accounts_of_step(&self, step: &Step) -> Vec<usize> {
        let customer = |party: Party| match party {
            Party::Customer(number) => Some(number),
            Party::Bank(_) => None,
        };
        match step {
            Step::Transfer { from, to, .. } | Step::UpTo { from, to, .. } => vec![*from, *to],
            Step::Posting { account, .. } => vec![*account],
            Step::Reversal { transfer, .. } => {
                let original = self.transfers.get(*transfer);
                let parties = original.map(|one| [one.from, one.to]);
                parties.into_iter().flatten().filter_map(customer).collect()
            }
            Step::Capture { hold, to, .. } => {
                let found = self.holds.get(*hold);
                let named = found.and_then(|found| found.to);
                let payer = found.map(|found| found.account);
                [payer, to.or(named)].into_iter().flatten().collect()
            }
            Step::Hold { account, to, .. } => [Some(*account), *to].into_iter().flatten().collect(),
            Step::Release { hold, .. } => {
                let found = self.holds.get(*hold);
                found.map(|found| found.account).into_iter().collect()
            }
            Step::CaptureMade { to, .. } => to.iter().copied().collect(),
            Step::ReleaseMade { .. } => Vec::new(),
        }
    }

    fn available(&self, account: usize) -> i64 {
        let own = &self.accounts[account];
        own.balance + own.limit - self.recorded(account)
    }

    fn decide(&mut self, operation: &Operation) -> Done {
        match operation {
            Operation::Step(step) => Ok(vec![self.step(step, None)?]),
            Operation::Adjustment {
                account,
                minor,
                is_stale,
            } => {
                let change = *minor - self.accounts[*account].balance;
                if *is_stale {
                    return Err("stale version");
                }
                let (own, bank) = (
                    Party::Customer(*account),
                    Party::Bank(SystemAccount::Adjustment),
                );
                let (from, to) = if change < 0 { (own, bank) } else { (bank, own) };
                Ok(vec![Some(self.apply(from, to, change.abs(), None)?)])
            }
            Operation::Group(steps, condition) => {
                let done = self.group(steps)?;
                if done.iter().all(Option::is_none) {
                    return Err("nothing moved");
                }
                match condition {
                    Some((account, least)) if self.available(*account) < *least => Err("condition"),
                    _ => Ok(done),
                }
            }
            Operation::Journal(lines) => self.journal(lines),
            Operation::Exchange {
                from,
                to,
                sold,
                rate,
            } => {
                // The rate is in ten thousandths; the bought amount is rounded down.
                let bought = sold * rate / 10_000;
                let kept = self.transfers.len();
                let bank = Party::Bank(SystemAccount::Exchange);
                let sold = self.apply(Party::Customer(*from), bank, *sold, None)?;
                let bought = self.apply(bank, Party::Customer(*to), bought, None)?;
                self.transfers.truncate(kept);
                Ok(vec![Some(sold), Some(bought)])
            }
            Operation::Hold {
                account,
                to,
                minor,
                ends,
            } => self.hold(*account, *to, *minor, *ends),
            Operation::Release { hold } => {
                self.require_open(*hold)?;
                self.holds[*hold].remaining = 0;
                Ok(Vec::new())
            }
            Operation::Expiry { hold } => {
                let found = self.holds.get(*hold).ok_or("no hold")?;
                if !self.is_due(found) {
                    return Err("not due");
                }
                self.holds[*hold].remaining = 0;
                Ok(Vec::new())
            }
            Operation::Freeze { .. } | Operation::Limit { .. } => Err("no request"),
        }
    }

    fn group(&mut self, steps: &[Step]) -> Done {
        let mut done = Vec::new();
        // The hold of each step that has made one.
        let mut made = Vec::new();
        for step in steps {
            let holds = self.holds.len();
            done.push(self.step(step, Some(&made))?);
            made.push((self.holds.len() > holds).then_some(holds));
        }
        Ok(done)
    }

    /// Changes a hold, as a step of a group.
    fn hold_step(
        &mut self,
        step: &Step,
        made: &[Option<usize>],
    ) -> Result<Option<Moved>, &'static str> {
        let hold_of = |step: usize| made.get(step).copied().flatten().ok_or("no hold at step");
        match *step {
            Step::Hold {
                account,
                to,
                minor,
                ends,
            } => {
                self.hold(account, to, minor, ends)?;
                Ok(Some(Moved::nothing(account, minor)))
            }
            Step::Release { hold, .. } if hold >= self.known_holds => Err("unknown hold"),
            Step::Release { hold, if_open } => match self.release(hold) {
                Err(_) if if_open => Ok(None),
                done => done.map(Some),
            },
            Step::ReleaseMade { step } => self.release(hold_of(step)?).map(Some),
            Step::CaptureMade {
                step,
                minor,
                to,
                last,
            } => self.capture(hold_of(step)?, minor, to, last).map(Some),
            _ => Err("no step on a hold"),
        }
    }

    fn release(&mut self, number: usize) -> Result<Moved, &'static str> {
        self.require_open(number)?;
        let hold = &mut self.holds[number];
        let released = std::mem::take(&mut hold.remaining);
        Ok(Moved::nothing(hold.account, released))
    }

    fn hold(&mut self, account: usize, to: Option<usize>, minor: i64, ends: Option<i64>) -> Done {
        if to == Some(account) || minor <= 0 || ends.is_some_and(|end| end <= self.now) {
            return Err("no hold");
        }
        for named in [Some(account), to].into_iter().flatten() {
            self.require_customer(named, is_in_euros(account))?;
        }
        if self.available(account) < minor {
            return Err("insufficient funds");
        }
        self.holds.push_back(Hold {
            account,
            to,
            remaining: minor,
            ends,
        });
        Ok(Vec::new())
    }

    fn journal(&mut self, lines: &[(usize, i64)]) -> Done {
        let mut sums = [0, 0];
        for (account, minor) in lines {
            sums[usize::from(is_in_euros(*account))] += minor;
        }
        if lines.is_empty() || sums != [0, 0] {
            return Err("unbalanced");
        }
        let (mut ordered, credits): (Vec<_>, Vec<_>) =
            lines.iter().copied().partition(|(_, minor)| *minor < 0);
        ordered.extend(credits);
        let kept = self.transfers.len();
        let bank = Party::Bank(SystemAccount::Clearing);
        let mut done = Vec::new();
        for (account, minor) in ordered {
            let own = Party::Customer(account);
            let (from, to) = if minor < 0 { (own, bank) } else { (bank, own) };
            done.push(Some(self.apply(from, to, minor.abs(), None)?));
        }
        self.transfers.truncate(kept);
        Ok(done)
    }

    /// Executes a step; `made` has the holds of the group's steps before it.
    fn step(
        &mut self,
        step: &Step,
        made: Option<&[Option<usize>]>,
    ) -> Result<Option<Moved>, &'static str> {
        match *step {
            Step::Transfer { from, to, minor } => {
                let (from, to) = (Party::Customer(from), Party::Customer(to));
                self.apply(from, to, minor, None).map(Some)
            }
            Step::UpTo {
                from,
                to,
                minor,
                allows_nothing,
            } => {
                if from == to || minor <= 0 {
                    return Err("no transfer");
                }
                self.require_customer(from, is_in_euros(from))?;
                self.require_customer(to, is_in_euros(from))?;
                let (payer, payee) = (Party::Customer(from), Party::Customer(to));
                match self.available(from).min(minor) {
                    least if least > 0 => self.apply(payer, payee, least, None).map(Some),
                    _ if allows_nothing && made.is_some() => Ok(None),
                    _ => Err("nothing available"),
                }
            }
            Step::Posting {
                account,
                kind,
                direction,
                minor,
            } => {
                let own = Party::Customer(account);
                let bank = Party::Bank(kind.system_account());
                let (from, to) = match direction {
                    EntryType::Debit => (own, bank),
                    _ => (bank, own),
                };
                self.apply(from, to, minor, None).map(Some)
            }
            Step::Reversal { transfer, minor } => {
                // A step cannot name a transfer of its own group.
                if transfer >= self.known {
                    return Err("unknown transfer");
                }
                let original = self.transfers[transfer].clone();
                let left = original.minor - original.reversed;
                let minor = minor.unwrap_or(left);
                if original.is_reversal || left <= 0 || minor > left {
                    return Err("more than remains");
                }
                let moved = self.apply(original.to, original.from, minor, Some(transfer))?;
                Ok(Some(moved))
            }
            // A step names a hold of its own group by the step.
            Step::Capture { hold, .. } if hold >= self.known_holds => Err("unknown hold"),
            Step::Capture {
                hold,
                minor,
                to,
                last,
            } => self.capture(hold, minor, to, last).map(Some),
            _ => self.hold_step(step, made.ok_or("no group")?),
        }
    }

    fn capture(
        &mut self,
        number: usize,
        minor: Option<i64>,
        to: Option<usize>,
        last: bool,
    ) -> Result<Moved, &'static str> {
        self.require_open(number)?;
        let hold = self.holds[number].clone();
        let to = match (hold.to, to) {
            (Some(named), Some(requested)) if named != requested => return Err("destination"),
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => return Err("no destination"),
        };
        let minor = minor.unwrap_or(hold.remaining);
        if minor <= 0 || minor > hold.remaining {
            return Err("more than held");
        }
        self.holds[number].remaining = if last { 0 } else { hold.remaining - minor };
        self.apply(
            Party::Customer(hold.account),
            Party::Customer(to),
            minor,
            None,
        )
    }

    fn require_open(&self, hold: usize) -> Result<(), &'static str> {
        match self.holds.get(hold) {
            Some(found) if found.remaining > 0 && !self.is_due(found) => Ok(()),
            _ => Err("no open hold"),
        }
    }

    fn require_customer(&self, account: usize, in_euros: bool) -> Result<(), &'static str> {
        if self.accounts[account].is_frozen {
            return Err("frozen");
        }
        if is_in_euros(account) != in_euros {
            return Err("another currency");
        }
        Ok(())
    }

    fn apply(
        &mut self,
        from: Party,
        to: Party,
        minor: i64,
        reverses: Option<usize>,
    ) -> Result<Moved, &'static str> {
        if from == to || minor <= 0 {
            return Err("no movement");
        }
        let customers = [from, to].into_iter().filter_map(|party| match party {
            Party::Customer(number) => Some(number),
            Party::Bank(_) => None,
        });
        let customers: Vec<_> = customers.collect();
        let in_euros = customers.first().is_some_and(|number| is_in_euros(*number));
        for number in customers {
            self.require_customer(number, in_euros)?;
        }
        if let Party::Customer(from) = from {
            if self.available(from) < minor {
                return Err("insufficient funds");
            }
            self.accounts[from].balance -= minor;
        }
        if let Party::Customer(to) = to {
            self.accounts[to].balance += minor;
        }
        if let Some(original) = reverses {
            self.transfers[original].reversed += minor;
        }
        let moved = Moved {
            from,
            to,
            minor,
            is_in_euros: in_euros,
            is_reversal: reverses.is_some(),
            reversed: 0,
            is_hold: false,
        };
        self.transfers.push_back(moved.clone());
        Ok(moved)
    }
}

/// Random operations of every kind.
impl Model {
    pub(super) fn operation(&self, random: &mut Random) -> Operation {
        match random.below(100) {
            0..=44 => Operation::Step(self.random_step(random)),
            45..=48 => Operation::Adjustment {
                account: account(random),
                minor: amount(random),
                is_stale: random.one_in(4),
            },
            49..=60 => {
                let mut steps = Vec::new();
                for _ in 0..random.index(6) {
                    let step = self.random_group_step(random, &steps);
                    steps.push(step);
                }
                let condition = random.one_in(3);
                let condition = condition.then(|| (account(random), amount(random)));
                Operation::Group(steps, condition)
            }
            61..=65 => Operation::Journal(journal(random)),
            66..=70 => Operation::Exchange {
                from: random.index(EUROS),
                to: EUROS + random.index(ACCOUNTS - EUROS),
                sold: amount(random),
                rate: 1 + random.signed(9_000),
            },
            71..=83 => Operation::Hold {
                account: account(random),
                to: random.one_in(2).then(|| account(random)),
                minor: amount(random),
                ends: (!random.one_in(3)).then(|| self.now + random.signed(60)),
            },
            84..=87 => Operation::Release {
                hold: self.random_hold(random),
            },
            88..=92 => Operation::Expiry {
                hold: self.random_hold(random),
            },
            93..=95 => Operation::Limit {
                account: account(random),
                minor: random.signed(500),
            },
            // Ends a freeze, or begins one.
            _ => Operation::Freeze {
                account: self
                    .accounts
                    .iter()
                    .position(|one| one.is_frozen)
                    .unwrap_or_else(|| account(random)),
            },
        }
    }

    /// Returns the number of a hold, most often of an open one.
    fn random_hold(&self, random: &mut Random) -> usize {
        let open = self.holds.iter().enumerate();
        let open: Vec<_> = open.filter(|(_, hold)| hold.remaining > 0).collect();
        if open.is_empty() || random.one_in(5) {
            return random.index(self.holds.len() + 1);
        }
        open[random.index(open.len())].0
    }

    /// Returns a step behind others, now and then one that only a group has.
    fn random_group_step(&self, random: &mut Random, before: &[Step]) -> Step {
        let is_hold = |step: &Step| matches!(step, Step::Hold { .. });
        let made = before.iter().rposition(is_hold);
        match (random.below(8), made) {
            (0 | 1, _) => Step::Hold {
                account: account(random),
                to: random.one_in(2).then(|| account(random)),
                minor: amount(random),
                ends: (!random.one_in(3)).then(|| self.now + random.signed(60)),
            },
            (2, _) => Step::Release {
                hold: self.random_hold(random),
                if_open: random.one_in(2),
            },
            (3, None) if random.one_in(4) => Step::ReleaseMade {
                step: random.index(3),
            },
            (3, Some(step)) => Step::ReleaseMade { step },
            (4 | 5, Some(step)) => Step::CaptureMade {
                step,
                minor: random.one_in(2).then(|| amount(random)),
                to: random.one_in(2).then(|| account(random)),
                last: random.one_in(2),
            },
            _ => self.random_step(random),
        }
    }

    fn random_step(&self, random: &mut Random) -> Step {
        match random.below(12) {
            0..=2 => Step::Transfer {
                from: account(random),
                to: account(random),
                minor: amount(random),
            },
            3 | 4 => Step::UpTo {
                from: account(random),
                to: account(random),
                minor: amount(random),
                allows_nothing: random.one_in(2),
            },
            5..=7 => {
                let is_debit = random.one_in(3);
                let minor = amount(random);
                Step::Posting {
                    account: account(random),
                    kind: [
                        PostingKind::External,
                        PostingKind::Interest,
                        PostingKind::Fee,
                    ][random.index(3)],
                    direction: if is_debit {
                        EntryType::Debit
                    } else {
                        EntryType::Credit
                    },
                    // Money comes in, so that most other requests find some.
                    minor: if is_debit { minor } else { minor * 4 },
                }
            }
            8 => Step::Reversal {
                transfer: random.index(self.transfers.len() + 1),
                minor: random.one_in(2).then(|| amount(random)),
            },
            _ => Step::Capture {
                hold: self.random_hold(random),
                minor: random.one_in(2).then(|| amount(random)),
                to: random.one_in(2).then(|| account(random)),
                last: random.one_in(2),
            },
        }
    }
}

/// Returns the number of an account, most often of one in koruna.
fn account(random: &mut Random) -> usize {
    if random.one_in(6) {
        EUROS + random.index(ACCOUNTS - EUROS)
    } else {
        random.index(EUROS)
    }
}

/// Returns an amount that is often near the others, now and then zero or below.
fn amount(random: &mut Random) -> i64 {
    match random.below(20) {
        0 => random.signed(3) - 2,
        1..=6 => 1 + random.signed(10),
        _ => 1 + random.signed(1_000),
    }
}

/// Returns lines that often sum to zero.
fn journal(random: &mut Random) -> Vec<(usize, i64)> {
    let count = random.index(4);
    let mut lines: Vec<_> = (0..count)
        .map(|_| (random.index(EUROS), random.signed(400) - 200))
        .collect();
    if !random.one_in(5) {
        let sum: i64 = lines.iter().map(|(_, minor)| minor).sum();
        lines.push((random.index(EUROS), -sum));
    }
    lines
}

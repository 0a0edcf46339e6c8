//! Random histories of every kind of request against the server, compared with a model after every
//! step. `NEOBANK_HISTORY_STEPS` sets the number of steps, and `NEOBANK_HISTORY_SEED` the seed.

mod model;
mod operation;

use std::collections::VecDeque;
use std::time::Duration;

use chrono::Utc;
use neobank_db::{Executor, statement};
use neobank_domain::accounts::{self, AccountError};
use neobank_domain::ledger::{
    AdjustmentRequest, CaptureRequest, Comparison, Condition, ExchangeRequest, Given, GroupRequest,
    HoldEventType, HoldRequest, JournalLine, Outcome, ReleaseRequest, ReversalRequest, StepReceipt,
};
use neobank_domain::{
    AccountId, Currency, HoldId, Ledger, LedgerError, Money, PostingRequest, Receipt, Request,
    TransferId, TransferRequest,
};
use rust_decimal::Decimal;

use self::model::{Done, Model, Moved, Side, is_euro};
use self::operation::{ACCOUNTS, End, Kind, Operation, Step, operation};
use crate::harness::{Random, TestBank, grouped, single, single_with_cache};

on_both_versions!(histories_of_every_request_equal_the_model);

const STEPS: u64 = 1_500;
/// The auditor reads the whole journal, so it runs after this many steps or a twentieth of all.
const AUDITED: u64 = 750;
/// The accounts are read through the library after this many steps.
const READ: u64 = 10;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

async fn histories_of_every_request_equal_the_model(bank: TestBank) {
    let steps = variable("NEOBANK_HISTORY_STEPS", STEPS);
    let seed = variable("NEOBANK_HISTORY_SEED", 16);
    let audited = AUDITED.max(steps / 20);
    let mut history = History::begin(&bank, seed).await;
    for number in 0..steps {
        let next = operation(
            &mut history.random,
            history.model.moved.len(),
            history.model.holds.len(),
        );
        history.number = number;
        history.run(&next).await;
        history.assert_equal(&next).await;
        if number % audited == audited - 1 {
            bank.assert_sound().await;
        }
    }
    bank.assert_sound().await;
    let History {
        accepted, rejected, ..
    } = history;
    println!("{steps} steps of seed {seed}: {accepted} requests accepted, {rejected} rejected");
    assert!(accepted > steps / 3 && rejected > steps / 10);
}

struct History<'a> {
    bank: &'a TestBank,
    random: Random,
    ledgers: [Ledger; 3],
    accounts: Vec<AccountId>,
    model: Model,
    /// The identifiers of the model's transfers and holds.
    transfers: Vec<TransferId>,
    holds: Vec<HoldId>,
    /// Requests with their keys, and what they came to.
    keyed: VecDeque<(Request, Outcome)>,
    number: u64,
    keys: u64,
    accepted: u64,
    rejected: u64,
}

impl<'a> History<'a> {
    async fn begin(bank: &'a TestBank, seed: u64) -> Self {
        let mut opened = Vec::new();
        for account in 0..ACCOUNTS {
            opened.push(bank.account(Money::zero(currency(account as usize))).await);
        }
        Self {
            bank,
            random: Random::new(seed),
            ledgers: [
                single(bank.database.clone()),
                single_with_cache(bank.database.clone(), 0),
                grouped(&single(bank.database.clone())),
            ],
            accounts: opened,
            model: Model::new(ACCOUNTS as usize),
            transfers: Vec::new(),
            holds: Vec::new(),
            keyed: VecDeque::new(),
            number: 0,
            keys: 0,
            accepted: 0,
            rejected: 0,
        }
    }

    async fn run(&mut self, operation: &Operation) {
        self.model.begin();
        match operation {
            Operation::Freeze { .. } | Operation::Unfreeze { .. } | Operation::Limit { .. } => {
                self.change(operation).await;
            }
            Operation::Expire { limit } => {
                let ended = self.ledger().expire_holds(*limit).await.unwrap();
                assert!(ended.len() <= *limit, "{}", self.number);
            }
            Operation::Repeat { request } => self.repeat(*request).await,
            Operation::Batch(operations) => self.batch(operations).await,
            single => self.batch(std::slice::from_ref(single)).await,
        }
    }

    async fn change(&mut self, operation: &Operation) {
        let database = &self.bank.database;
        let changed = match *operation {
            Operation::Freeze { account } => {
                accounts::freeze(database, self.accounts[account]).await
            }
            Operation::Unfreeze { account } => {
                accounts::unfreeze(database, self.accounts[account]).await
            }
            Operation::Limit { account, minor } => {
                let (id, limit) = (self.accounts[account], money(account, minor));
                accounts::set_overdraft_limit(database, id, limit).await
            }
            _ => unreachable!("no change of an account"),
        };
        let expected = self.model.run(operation);
        if let Err(error) = &changed {
            assert!(
                matches!(
                    error,
                    AccountError::Status { .. } | AccountError::BelowLimit { .. }
                ),
                "{operation:?}: {error}"
            );
        }
        assert_eq!(
            changed.is_ok(),
            expected.is_ok(),
            "step {}: {operation:?}: {changed:?}, expected {expected:?}",
            self.number
        );
    }

    /// Sends an earlier request again: nothing happens, and the receipt is the first one.
    async fn repeat(&mut self, request: usize) {
        let Some((request, first)) = self.keyed.get(request).cloned() else {
            return;
        };
        let ledger = self.ledger();
        let again = ledger.submit_all(&[request]).await.unwrap();
        let expected = match first {
            Outcome::Posted(receipt) => Outcome::Replayed(receipt),
            Outcome::GroupPosted(receipt) => Outcome::GroupReplayed(receipt),
            Outcome::Hold(receipt) => Outcome::HoldReplayed(receipt),
            other => panic!("no accepted request: {other:?}"),
        };
        assert_eq!(again, [expected], "step {}", self.number);
    }

    /// Executes requests in one call, one after the other in the model.
    async fn batch(&mut self, operations: &[Operation]) {
        let mut requests = Vec::new();
        let mut sent = Vec::new();
        for operation in operations {
            // An earlier request of the call would change the version that it expects.
            if matches!(operation, Operation::Adjustment { .. }) && operations.len() > 1 {
                continue;
            }
            if let Some(request) = self.request(operation).await {
                requests.push(request);
                sent.push(operation);
            }
        }
        let outcomes = self.execute(&requests).await;
        let mut soon_over = Vec::new();
        for ((operation, request), outcome) in sent.into_iter().zip(requests).zip(outcomes) {
            let is_late = matches!(
                &outcome,
                Outcome::Rejected(neobank_domain::Rejection::HoldEndsInThePast { .. })
            );
            if is_late {
                continue;
            }
            let expected = self.model.run(operation);
            self.compare(operation, &outcome, &expected);
            if let (Operation::Hold { end: End::Soon, .. }, Outcome::Hold(receipt)) =
                (operation, &outcome)
            {
                soon_over.push((self.model.holds.len() - 1, receipt.hold_id));
            }
            if !matches!(outcome, Outcome::Rejected(_)) && request.idempotency_key().is_some() {
                self.keyed.push_front((request, outcome));
                self.keyed.truncate(40);
            }
        }
        // The requests of the call were decided before these ends.
        for (number, hold) in soon_over {
            self.wait_for_the_end(hold).await;
            self.model.holds[number].remaining = 0;
        }
    }

    async fn execute(&mut self, requests: &[Request]) -> Vec<Outcome> {
        let ledger = self.ledger();
        let [request] = requests else {
            return ledger.submit_all(requests).await.unwrap();
        };
        if self.random.below(2) == 0 {
            return ledger.submit_all(requests).await.unwrap();
        }
        let outcome = match request.clone() {
            Request::Group(group) => ledger.submit_group(group).await.map(Outcome::GroupPosted),
            Request::Hold(hold) => ledger.hold(hold).await.map(Outcome::Hold),
            Request::Release(release) => ledger.release(release).await.map(Outcome::Hold),
            other => ledger.submit(other).await.map(Outcome::Posted),
        };
        match outcome {
            Ok(outcome) => vec![outcome],
            Err(LedgerError::Rejected(rejection)) => vec![Outcome::Rejected(rejection)],
            Err(other) => panic!("step {}: {request:?}: {other}", self.number),
        }
    }

    fn compare(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        expected: &Result<Done, &'static str>,
    ) {
        let said = || {
            format!(
                "step {}: {operation:?}: {outcome:?}, expected {expected:?}",
                self.number
            )
        };
        match (outcome, expected) {
            (Outcome::Rejected(_), Err(_)) => self.rejected += 1,
            (Outcome::Posted(receipt), Ok(Done::Moved(moved))) => {
                assert_eq!(moved.len(), 1, "{}", said());
                self.assert_moved(receipt, moved[0].as_ref().unwrap(), &said);
                self.transfers.push(receipt.transfer_id);
                self.accepted += 1;
            }
            (Outcome::GroupPosted(group), Ok(Done::Moved(moved))) => {
                assert_eq!(group.steps.len(), moved.len(), "{}", said());
                for (receipt, moved) in group.steps.iter().zip(moved) {
                    assert_eq!(receipt.is_some(), moved.is_some(), "{}", said());
                    if let (Some(receipt), Some(moved)) = (receipt, moved) {
                        self.assert_step(receipt, moved, &said);
                    }
                }
                let made = group
                    .holds()
                    .filter(|change| change.event_type == HoldEventType::Authorised);
                self.holds.extend(made.map(|change| change.hold_id));
                if !matches!(operation, Operation::Journal(_)) {
                    let posted = group.transfers().map(|receipt| receipt.transfer_id);
                    self.transfers.extend(posted);
                }
                self.accepted += 1;
            }
            (Outcome::Hold(receipt), Ok(Done::Held)) => {
                self.holds.push(receipt.hold_id);
                self.accepted += 1;
            }
            (Outcome::Hold(receipt), Ok(Done::Released(minor))) => {
                let released = Decimal::new(*minor, 2);
                assert_eq!(receipt.amount.amount(), released, "{}", said());
                self.accepted += 1;
            }
            _ => panic!("{}", said()),
        }
        assert_eq!(self.transfers.len(), self.model.moved.len());
        assert_eq!(self.holds.len(), self.model.holds.len());
    }

    fn assert_step(&self, receipt: &StepReceipt, moved: &Moved, said: &impl Fn() -> String) {
        match receipt {
            StepReceipt::Transfer(receipt) if !moved.is_hold => {
                self.assert_moved(receipt, moved, said);
            }
            StepReceipt::Hold(change) if moved.is_hold => {
                let amount = Decimal::new(moved.minor, 2);
                assert_eq!(change.amount.amount(), amount, "{}", said());
            }
            _ => panic!("{}", said()),
        }
    }

    fn assert_moved(&self, receipt: &Receipt, moved: &Moved, said: &impl Fn() -> String) {
        let amount = Decimal::new(moved.minor, 2);
        assert_eq!(receipt.amount.amount(), amount, "{}", said());
        for (side, account) in [
            (moved.from, receipt.debit.account_id),
            (moved.to, receipt.credit.account_id),
        ] {
            if let Side::Customer(number) = side {
                assert_eq!(account, self.accounts[number], "{}", said());
            }
        }
    }

    /// Compares every balance and every available balance with the model.
    async fn assert_equal(&self, after: &Operation) {
        let sql = "SELECT account.current_balance::numeric,
                          banking.available_balance(account.account_id)::numeric
                   FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (account_id, place)
                   JOIN banking.accounts AS account USING (account_id)
                   ORDER BY wanted.place";
        let ids: Vec<_> = self.accounts.iter().map(|id| id.as_uuid()).collect();
        let rows = self.bank.database.query(statement(sql, [ids.into()]));
        let there: Vec<[Decimal; 2]> = rows
            .await
            .unwrap()
            .iter()
            .map(|row| [row.get(0), row.get(1)])
            .collect();
        let expected = (0..self.accounts.len()).map(|number| {
            let own = &self.model.accounts[number];
            [own.balance, self.model.available(number)].map(|minor| Decimal::new(minor, 2))
        });
        let expected: Vec<_> = expected.collect();
        assert_eq!(there, expected, "step {}, after {after:?}", self.number);
        if self.number.is_multiple_of(READ) {
            for (number, id) in self.accounts.iter().enumerate() {
                let found = self.bank.find(*id).await;
                let held = money(number, self.model.held(number));
                assert_eq!(found.held_balance, held, "step {}", self.number);
            }
        }
    }

    async fn wait_for_the_end(&self, hold: HoldId) {
        let sql = "SELECT coalesce(expires_at <= clock_timestamp(), true) FROM banking.holds
                   WHERE hold_id = $1";
        let database = &self.bank.database;
        while !database
            .fetch_value::<bool>(statement(sql, [hold.as_uuid().into()]))
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn ledger(&mut self) -> Ledger {
        let chosen = self.random.below(self.ledgers.len() as u64);
        self.ledgers[chosen as usize].clone()
    }

    fn key(&mut self) -> Option<String> {
        self.keys += 1;
        (self.random.below(2) == 0).then(|| format!("history {}", self.keys))
    }
}

/// The requests of operations.
impl History<'_> {
    /// Returns the request; `None` for one that cannot be built.
    async fn request(&mut self, operation: &Operation) -> Option<Request> {
        let key = self.key();
        Some(match operation {
            Operation::Step(step) => with_key(self.step(step, &[]), key),
            Operation::Adjustment {
                account,
                minor,
                is_stale,
            } => {
                let id = self.accounts[*account];
                let version = self.bank.find(id).await.version;
                let expected = if *is_stale { version + 1 } else { version };
                let amount = money(*account, *minor);
                AdjustmentRequest::new(id, amount, expected).into()
            }
            Operation::Group(steps, condition) => {
                let mut group = GroupRequest::new();
                for step in steps {
                    group = group.with_step(self.step(step, steps));
                }
                if let Some((account, least)) = *condition {
                    group = group.with_condition(Condition::balance(
                        self.accounts[account],
                        Comparison::AtLeast,
                        money(account, least),
                    ));
                }
                group.idempotency_key = key;
                group.into()
            }
            Operation::Journal(lines) => {
                let lines = lines.iter().map(|(account, minor)| {
                    let (id, amount) = (self.accounts[*account], money(*account, minor.abs()));
                    if *minor < 0 {
                        JournalLine::debit(id, amount)
                    } else {
                        JournalLine::credit(id, amount)
                    }
                });
                let mut group = GroupRequest::journal_entry(lines);
                group.idempotency_key = key;
                group.into()
            }
            Operation::Exchange {
                from,
                to,
                sold,
                rate,
            } => {
                let given = Given::Sold(money(*from, *sold));
                let (payer, payee) = (self.accounts[*from], self.accounts[*to]);
                let rate = Decimal::new(*rate, 4);
                let mut exchange = ExchangeRequest::new(payer, payee, given, "EUR", rate);
                exchange.idempotency_key = key;
                match exchange.into_group() {
                    Ok(group) => group.into(),
                    Err(error) => {
                        assert!(self.model.run(operation).is_err(), "{operation:?}: {error}");
                        return None;
                    }
                }
            }
            Operation::Hold {
                account,
                to,
                minor,
                end,
            } => {
                let mut hold = HoldRequest::new(self.accounts[*account], money(*account, *minor));
                if let Some(to) = to {
                    hold = hold.with_destination(self.accounts[*to]);
                }
                hold = match end {
                    End::None => hold,
                    End::Far => hold.with_expiry(Utc::now() + Duration::from_secs(86_400)),
                    End::Soon => hold.with_expiry(Utc::now() + Duration::from_millis(300)),
                };
                hold.idempotency_key = key;
                hold.into()
            }
            Operation::Release { hold } => {
                let mut release = ReleaseRequest::new(self.hold(*hold));
                release.idempotency_key = key;
                release.into()
            }
            other => panic!("no request: {other:?}"),
        })
    }

    /// Returns the request of a step among the steps of its group.
    fn step(&self, step: &Step, of_group: &[Step]) -> Request {
        let id = |account: usize| self.accounts[account];
        match *step {
            Step::Transfer { from, to, minor } => {
                TransferRequest::new(id(from), id(to), money(from, minor)).into()
            }
            Step::UpTo {
                from,
                to,
                minor,
                allows_nothing,
            } => {
                let transfer = TransferRequest::new(id(from), id(to), money(from, minor));
                if allows_nothing {
                    transfer.up_to_or_nothing().into()
                } else {
                    transfer.up_to().into()
                }
            }
            Step::Posting {
                account,
                kind,
                minor,
            } => {
                let (id, amount) = (id(account), money(account, minor));
                match kind {
                    Kind::Deposit => PostingRequest::deposit(id, amount),
                    Kind::Withdrawal => PostingRequest::withdrawal(id, amount),
                    Kind::Fee => PostingRequest::fee(id, amount),
                    Kind::Interest => PostingRequest::interest(id, amount),
                }
                .into()
            }
            Step::Reversal { transfer, minor } => {
                let original = self.transfers.get(transfer).copied();
                let mut reversal = ReversalRequest::new(original.unwrap_or_else(TransferId::new));
                reversal.amount = minor.map(|minor| {
                    let moved = self.model.moved.get(transfer);
                    let is_in_euros = moved.is_some_and(|moved| {
                        [moved.from, moved.to].iter().any(
                            |side| matches!(side, Side::Customer(account) if is_euro(*account)),
                        )
                    });
                    money(
                        if is_in_euros {
                            ACCOUNTS as usize - 1
                        } else {
                            0
                        },
                        minor,
                    )
                });
                reversal.into()
            }
            Step::Capture {
                hold,
                minor,
                to,
                last,
            } => {
                let account = self.model.holds.get(hold).map_or(0, |hold| hold.account);
                let mut capture = CaptureRequest::new(self.hold(hold));
                capture.amount = minor.map(|minor| money(account, minor));
                if let Some(to) = to {
                    capture = capture.with_destination(id(to));
                }
                if !last {
                    capture = capture.more_to_come();
                }
                capture.into()
            }
            Step::Hold { account, to, minor } => {
                let mut hold = HoldRequest::new(id(account), money(account, minor));
                hold.to = to.map(id);
                hold.into()
            }
            Step::Release { hold, if_open } => {
                let mut release = ReleaseRequest::new(self.hold(hold));
                release.if_open = if_open;
                release.into()
            }
            Step::ReleaseMade { step } => ReleaseRequest::of_step(step).into(),
            Step::CaptureMade {
                step,
                minor,
                to,
                last,
            } => {
                let account = match of_group.get(step) {
                    Some(Step::Hold { account, .. }) => *account,
                    _ => 0,
                };
                let mut capture = CaptureRequest::of_step(step);
                capture.amount = minor.map(|minor| money(account, minor));
                capture.to = to.map(id);
                capture.last = last;
                capture.into()
            }
        }
    }

    fn hold(&self, hold: usize) -> HoldId {
        self.holds.get(hold).copied().unwrap_or_else(HoldId::new)
    }
}

fn with_key(request: Request, key: Option<String>) -> Request {
    match request {
        Request::Transfer(mut transfer) => {
            transfer.idempotency_key = key;
            transfer.into()
        }
        Request::Posting(mut posting) => {
            posting.idempotency_key = key;
            posting.into()
        }
        Request::Reversal(mut reversal) => {
            reversal.idempotency_key = key;
            reversal.into()
        }
        Request::Capture(mut capture) => {
            capture.idempotency_key = key;
            capture.into()
        }
        other => other,
    }
}

fn currency(account: usize) -> Currency {
    Currency::from_code(if is_euro(account) { "EUR" } else { "CZK" }).unwrap()
}

fn money(account: usize, minor: i64) -> Money {
    Money::new(Decimal::new(minor, 2), currency(account)).unwrap()
}

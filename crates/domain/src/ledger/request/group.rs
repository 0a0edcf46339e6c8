//! Groups: requests that the ledger posts together or not at all.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{Attributes, PostingKind, PostingRequest, Request, builders};
use crate::{AccountId, Money};
use neobank_entity::enums::EntryType;

/// Requests that the ledger posts together or not at all.
///
/// Each step sees the balances that the steps before it left, and every limit holds after each
/// step. If a step is rejected, the ledger posts none of them, and
/// [`Rejection::GroupStep`](crate::Rejection::GroupStep) names the step and its reason. The steps
/// themselves have no idempotency keys: the group has one.
///
/// # Example
///
/// ```
/// use neobank_domain::ledger::{Comparison, Condition, GroupRequest, PostingRequest};
/// use neobank_domain::{AccountId, Currency, Money, TransferRequest};
///
/// let (payer, shop) = (AccountId::new(), AccountId::new());
/// let euros = |text: &str| Money::parse(text, Currency::from_code("EUR")?);
/// let group = GroupRequest::new()
///     .with_step(TransferRequest::new(payer, shop, euros("100.00")?))
///     .with_step(PostingRequest::fee(payer, euros("0.50")?))
///     // After the fee, the payer must have ten euros left.
///     .with_condition(Condition::available(payer, Comparison::AtLeast, euros("10")?))
///     .with_idempotency_key("order-4711");
/// assert_eq!(group.steps.len(), 2);
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupRequest {
    /// The requests in their order: 1 to [`GroupRequest::STEPS_MAX`], none of them a group.
    pub steps: Vec<Request>,
    /// The conditions, in the order of their steps.
    pub conditions: Vec<StepCondition>,
    /// The description for people, at most 500 characters; a step without a description has this
    /// one.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters: however often the caller repeats the
    /// request, the group is posted once.
    pub idempotency_key: Option<String>,
    /// The attributes of every step that has none of its own.
    pub attributes: Attributes,
    /// The server's time from which the group is rejected, such as the end of a quote.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A condition that must hold after a step of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepCondition {
    /// The index of the step, from 0.
    pub step: usize,
    /// The condition.
    pub condition: Condition,
}

/// A condition on an account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// The account.
    pub account: AccountId,
    /// The compared value of the account, and the value that it must have.
    pub measure: Measure,
}

/// The compared value of an account, and the value that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// The book balance.
    Balance(Comparison, Money),
    /// The available balance: the book balance less holds plus the overdraft limit.
    Available(Comparison, Money),
    /// The account's version equals this one.
    Version(i64),
}

/// A comparison of an account's balance with an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Comparison {
    /// The balance equals the amount.
    Equal,
    /// The balance is below the amount.
    Below,
    /// The balance is at most the amount.
    AtMost,
    /// The balance is above the amount.
    Above,
    /// The balance is at least the amount.
    AtLeast,
}

/// One line of a journal entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalLine {
    /// The customer's account.
    pub account: AccountId,
    /// The side of the account.
    pub direction: EntryType,
    /// The amount, more than zero.
    pub amount: Money,
    /// The description of this line; the group's where it is empty.
    pub description: String,
}

impl GroupRequest {
    /// The most steps of a group.
    pub const STEPS_MAX: usize = 1_000;

    /// Returns a group without steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a journal entry of several debits and credits in one currency, which must sum to
    /// zero. Each line is one entry of its account; the other side is the bank's clearing account,
    /// which is back at zero after the last line. The debits come first.
    #[must_use]
    pub fn journal_entry(lines: impl IntoIterator<Item = JournalLine>) -> Self {
        let (mut lines, credits): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .partition(|line| line.direction == EntryType::Debit);
        lines.extend(credits);
        lines.into_iter().fold(Self::new(), |group, line| {
            let kind = PostingKind::Clearing;
            let posting = PostingRequest::new(line.account, kind, line.direction, line.amount);
            group.with_step(posting.with_description(line.description))
        })
    }

    /// Returns the group with one more step.
    #[must_use]
    pub fn with_step(mut self, request: impl Into<Request>) -> Self {
        self.steps.push(request.into());
        self
    }

    /// Returns the group with a condition that must hold after the last step so far.
    #[must_use]
    pub fn with_condition(mut self, condition: Condition) -> Self {
        let step = self.steps.len().saturating_sub(1);
        self.conditions.push(StepCondition { step, condition });
        self
    }

    /// Returns the group with the server's time from which it is rejected.
    #[must_use]
    pub const fn with_expiry(mut self, expires_at: DateTime<Utc>) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Returns the parts of the group that its hash covers besides the steps' own hashes.
    pub(super) fn hashed(&self) -> Vec<String> {
        let expiry = self.expires_at.map(|time| time.timestamp_micros());
        let conditions = self.conditions.iter().map(|one| {
            let Condition { account, measure } = &one.condition;
            format!("{} {account} {measure}", one.step)
        });
        expiry
            .map(|micros| format!("expires {micros}"))
            .into_iter()
            .chain(conditions)
            .collect()
    }
}

builders!(GroupRequest: description, idempotency_key, metadata, value_date);

impl Condition {
    /// Returns a condition on an account.
    #[must_use]
    pub const fn new(account: AccountId, measure: Measure) -> Self {
        Self { account, measure }
    }

    /// Returns a condition on the book balance.
    #[must_use]
    pub const fn balance(account: AccountId, comparison: Comparison, amount: Money) -> Self {
        Self::new(account, Measure::Balance(comparison, amount))
    }

    /// Returns a condition on the available balance.
    #[must_use]
    pub const fn available(account: AccountId, comparison: Comparison, amount: Money) -> Self {
        Self::new(account, Measure::Available(comparison, amount))
    }

    /// Returns the condition that the account has a version.
    #[must_use]
    pub const fn version(account: AccountId, version: i64) -> Self {
        Self::new(account, Measure::Version(version))
    }
}

impl Comparison {
    /// Returns true if a balance meets the comparison with an amount.
    #[must_use]
    pub fn holds(self, balance: Decimal, amount: Decimal) -> bool {
        match self {
            Self::Equal => balance == amount,
            Self::Below => balance < amount,
            Self::AtMost => balance <= amount,
            Self::Above => balance > amount,
            Self::AtLeast => balance >= amount,
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Equal => "equal to",
            Self::Below => "below",
            Self::AtMost => "at most",
            Self::Above => "above",
            Self::AtLeast => "at least",
        })
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Balance(comparison, amount) => write!(formatter, "balance {comparison} {amount}"),
            Self::Available(comparison, amount) => {
                write!(formatter, "available balance {comparison} {amount}")
            }
            Self::Version(version) => write!(formatter, "version {version}"),
        }
    }
}

impl JournalLine {
    /// Returns a line that lowers an account's balance.
    #[must_use]
    pub const fn debit(account: AccountId, amount: Money) -> Self {
        Self::new(account, EntryType::Debit, amount)
    }

    /// Returns a line that raises an account's balance.
    #[must_use]
    pub const fn credit(account: AccountId, amount: Money) -> Self {
        Self::new(account, EntryType::Credit, amount)
    }

    /// Returns the line with a description of its own.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    const fn new(account: AccountId, direction: EntryType, amount: Money) -> Self {
        Self {
            account,
            direction,
            amount,
            description: String::new(),
        }
    }
}

//! The reasons for which the ledger rejects a request.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

use crate::accounts::AccountStatus;
use crate::accounts::limits::{AccountLimit, Window};
use crate::{AccountId, Currency, HoldId, Money, MoneyError, TransferId};

/// The reason why a request was rejected. The request changed nothing.
///
/// If several reasons apply, the ledger returns one of them. It looks at the key first, then at the
/// request itself, then at one account after the other, and at the available balance last.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "details", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// The amount is invalid: it has too many decimals or is out of range.
    #[error(transparent)]
    Amount(#[from] MoneyError),
    /// A text is invalid.
    #[error("the {field} cannot be kept: {reason}")]
    Text {
        /// `description` or `idempotency_key`.
        field: &'static str,
        /// The defect of the text.
        reason: String,
    },
    /// The idempotency key was used before, for another request.
    #[error("the idempotency key {key:?} was used for another request: {} ({first})", super::ReferenceNumber::from(*.first))]
    KeyReused {
        /// The caller's key.
        key: String,
        /// The transfer that has the key.
        first: TransferId,
    },
    /// The ledger was built to require an actor, and the request has none.
    #[error("the request has no actor, and the ledger requires one")]
    ActorRequired,
    /// A group has no step, or more than [`GroupRequest::STEPS_MAX`](super::GroupRequest::STEPS_MAX).
    #[error(
        "a group has 1 to {} steps, not {steps}",
        super::GroupRequest::STEPS_MAX
    )]
    GroupSize {
        /// The number of steps.
        steps: usize,
    },
    /// A step of a group is a group itself.
    #[error("a step of a group cannot be a group")]
    NestedGroup,
    /// A step of a group has an idempotency key; the group has one.
    #[error("a step of a group cannot have an idempotency key of its own: {key:?}")]
    KeyInGroup {
        /// The step's key.
        key: String,
    },
    /// The lines of a journal entry, or their reversals, do not sum to zero.
    #[error("the lines of a journal entry in {currency} sum to {sum}, not to zero")]
    Unbalanced {
        /// The currency of the lines.
        currency: Currency,
        /// The credits less the debits.
        sum: Decimal,
    },
    /// The server's time has reached the group's limit, such as the end of a quote.
    #[error("the group was valid until {expires_at}; it is {now}")]
    GroupExpired {
        /// The group's limit.
        expires_at: DateTime<Utc>,
        /// The time of the decision.
        now: DateTime<Utc>,
    },
    /// A step of a group was rejected, so the ledger posted none of its steps.
    #[error("step {step} of the group, counted from 0: {reason}")]
    GroupStep {
        /// The index of the step, from 0.
        step: usize,
        /// The reason.
        reason: Box<Self>,
    },
    /// A capture or a release names a step that is not an earlier hold of the same group.
    #[error("step {step}, counted from 0, is no earlier hold of the same group")]
    NoHoldAtStep {
        /// The index of the named step, from 0.
        step: usize,
    },
    /// A group that is to be reversed has released a hold, which cannot be reserved again.
    #[error("the group has released hold {hold}, which cannot be reserved again")]
    ReleasedByGroup {
        /// The hold.
        hold: HoldId,
    },
    /// No step of a group had anything to move.
    #[error("no step had anything to move")]
    NothingMoved,
    /// The idempotency key was used by a hold or a release.
    #[error("the key {key:?} was used for hold {first}")]
    KeyOfHold {
        /// The key.
        key: String,
        /// The hold.
        first: HoldId,
    },
    /// The request changes a hold and moves no money, so it has no transfer.
    #[error("a hold or a release moves no money, and so has no transfer")]
    NoTransfer,
    /// The request moves money and is neither a hold nor a release.
    #[error("the request is neither a hold nor a release")]
    NotAHold,
    /// The hold does not exist.
    #[error("unknown hold: {hold}")]
    UnknownHold {
        /// The requested hold.
        hold: HoldId,
    },
    /// Captures have ended the hold.
    #[error("hold {hold} has been captured")]
    HoldCaptured {
        /// The requested hold.
        hold: HoldId,
    },
    /// The hold was released.
    #[error("hold {hold} has been released")]
    HoldReleased {
        /// The requested hold.
        hold: HoldId,
    },
    /// The time of the hold has run out.
    #[error("hold {hold} was valid until {expires_at}")]
    HoldExpired {
        /// The requested hold.
        hold: HoldId,
        /// The end of its time.
        expires_at: DateTime<Utc>,
    },
    /// The time of the hold has not run out.
    #[error("the time of hold {hold} has not run out")]
    HoldNotDue {
        /// The requested hold.
        hold: HoldId,
    },
    /// The end of a new hold is not in the future.
    #[error("a hold must end in the future, not at {expires_at}; it is {now}")]
    HoldEndsInThePast {
        /// The requested end.
        expires_at: DateTime<Utc>,
        /// The time of the decision.
        now: DateTime<Utc>,
    },
    /// The end of a new hold is a time that the database cannot keep.
    #[error("a hold cannot end at {expires_at}")]
    HoldExpiryRange {
        /// The requested end.
        expires_at: DateTime<Utc>,
    },
    /// A capture is of more than remains of the hold.
    #[error("{remaining} of hold {hold} remains, {requested} was asked for")]
    MoreThanHeld {
        /// The requested hold.
        hold: HoldId,
        /// The amount that the hold still reserves.
        remaining: Money,
        /// The requested amount.
        requested: Money,
    },
    /// A capture names another currency than the hold's.
    #[error("hold {hold} is in {hold_currency}, the amount is in {currency}")]
    HoldCurrency {
        /// The requested hold.
        hold: HoldId,
        /// The hold's currency.
        hold_currency: Currency,
        /// The amount's currency.
        currency: Currency,
    },
    /// A capture names another destination than the hold.
    #[error("hold {hold} is for account {named}, not for {requested}")]
    HoldDestination {
        /// The requested hold.
        hold: HoldId,
        /// The hold's destination.
        named: AccountId,
        /// The capture's destination.
        requested: AccountId,
    },
    /// Neither the hold nor the capture names an account to pay.
    #[error("neither hold {hold} nor its capture names an account to pay")]
    NoDestination {
        /// The requested hold.
        hold: HoldId,
    },
    /// The transfer to reverse does not exist.
    #[error("unknown transfer: {transfer}")]
    UnknownTransfer {
        /// The requested transfer.
        transfer: TransferId,
    },
    /// The transfer to reverse is itself a reversal.
    #[error("transfer {transfer} is a reversal, which cannot be reversed")]
    ReversalOfReversal {
        /// The requested transfer.
        transfer: TransferId,
    },
    /// The reversals of a transfer would exceed its amount.
    #[error("{left} of transfer {transfer} is left to reverse, {requested} was asked for")]
    MoreThanRemains {
        /// The transfer to reverse.
        transfer: TransferId,
        /// The amount that earlier reversals have left.
        left: Money,
        /// The requested amount.
        requested: Money,
    },
    /// Earlier reversals have left nothing of the transfer.
    #[error("transfer {transfer} has been reversed completely")]
    AlreadyReversed {
        /// The transfer to reverse.
        transfer: TransferId,
    },
    /// The value date lies outside the ledger's window.
    #[error("the value date {value_date} must lie between {earliest} and {latest}")]
    ValueDate {
        /// The requested value date.
        value_date: NaiveDate,
        /// The first day of the window.
        earliest: NaiveDate,
        /// The last day of the window.
        latest: NaiveDate,
    },
    /// The booking time or the value date lies in a closed period of the currency.
    #[error(
        "the days before {first_open_day} are closed in {currency}, for account {account} as for others"
    )]
    PeriodClosed {
        /// The account that was to have an entry.
        account: AccountId,
        /// The currency.
        currency: Currency,
        /// The first open day.
        first_open_day: NaiveDate,
    },
    /// A transfer names the same account twice.
    #[error("account {account} cannot pay itself")]
    SameAccount {
        /// The account.
        account: AccountId,
    },
    /// The amount is zero or negative.
    #[error("the amount must be more than zero: {amount}")]
    AmountNotPositive {
        /// The requested amount.
        amount: Money,
    },
    /// The time of the event is a leap second, which the database cannot keep.
    #[error("the event time {event_time} is a leap second, which cannot be kept")]
    LeapSecond {
        /// The requested time.
        event_time: DateTime<Utc>,
    },
    /// An account of the bank itself, which only postings may name, and only as their other side.
    #[error("account {account} is one of the bank's own")]
    SystemAccount {
        /// The account.
        account: AccountId,
    },
    /// The account does not exist.
    #[error("unknown account: {account}")]
    UnknownAccount {
        /// The requested account.
        account: AccountId,
    },
    /// The account is not active.
    #[error("account {account} is {status}")]
    NotActive {
        /// The account.
        account: AccountId,
        /// The account's status.
        status: AccountStatus,
    },
    /// The account is in another currency than the amount.
    #[error("account {account} is in {account_currency}, the amount is in {currency}")]
    CurrencyMismatch {
        /// The account.
        account: AccountId,
        /// The account's currency.
        account_currency: Currency,
        /// The amount's currency.
        currency: Currency,
    },
    /// The account has changed since the caller saw it.
    #[error("account {account} has version {found}, not {expected}")]
    StaleVersion {
        /// The account.
        account: AccountId,
        /// The version that the caller saw.
        expected: i64,
        /// The version that the account has.
        found: i64,
    },
    /// The account already has the corrected balance.
    #[error("account {account} has the balance {balance} already")]
    BalanceUnchanged {
        /// The account.
        account: AccountId,
        /// The account's balance.
        balance: Money,
    },
    /// The time of the event lies before the account's last entry, before its opening or in the
    /// future.
    #[error(
        "account {account} cannot have an entry at {event_time}: it must lie between {earliest} and {latest}"
    )]
    EventTime {
        /// The account.
        account: AccountId,
        /// The requested time.
        event_time: DateTime<Utc>,
        /// The time of the account's last entry or opening.
        earliest: DateTime<Utc>,
        /// The time of the decision.
        latest: DateTime<Utc>,
    },
    /// A condition of a group does not hold.
    #[error("account {account} has {found}, and the condition is: {condition}")]
    ConditionFailed {
        /// The account of the condition.
        account: AccountId,
        /// The condition.
        condition: String,
        /// The value that the account has after the step.
        found: String,
    },
    /// The available balance is less than the amount.
    #[error("account {account} has {available} available, {requested} was asked for")]
    InsufficientFunds {
        /// The account that was to pay.
        account: AccountId,
        /// The available balance.
        available: Money,
        /// The requested amount.
        requested: Money,
    },
    /// A limit of the account does not allow the amount.
    #[error(
        "account {account} has {}, {requested} was asked for{}",
        exceeded(.limit, *.used), possible(*.possible_at)
    )]
    LimitExceeded {
        /// The account with the limit.
        account: AccountId,
        /// The limit.
        limit: Box<AccountLimit>,
        /// The sum of the transfers in the limit's window before this one.
        used: Money,
        /// The requested amount.
        requested: Money,
        /// The time at which a day's use ends; `None` for other windows, and for an amount above the
        /// limit.
        possible_at: Option<DateTime<Utc>>,
    },
    /// The balance or the available balance would exceed 10^18.
    #[error("account {account} cannot take {amount} on top of {balance}")]
    Overflow {
        /// The account.
        account: AccountId,
        /// The account's balance.
        balance: Money,
        /// The signed amount of the entry.
        amount: Money,
    },
}

impl Rejection {
    /// Returns the stable name of the reason for programs, such as `insufficient_funds`. It is the
    /// `kind` of the serialised rejection.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Amount(_) => "amount",
            Self::Text { .. } => "text",
            Self::KeyReused { .. } => "key_reused",
            Self::SameAccount { .. } => "same_account",
            Self::AmountNotPositive { .. } => "amount_not_positive",
            Self::SystemAccount { .. } => "system_account",
            Self::UnknownAccount { .. } => "unknown_account",
            Self::NotActive { .. } => "not_active",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::StaleVersion { .. } => "stale_version",
            Self::BalanceUnchanged { .. } => "balance_unchanged",
            Self::EventTime { .. } => "event_time",
            Self::LeapSecond { .. } => "leap_second",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::Overflow { .. } => "overflow",
            Self::ActorRequired => "actor_required",
            Self::GroupSize { .. } => "group_size",
            Self::NestedGroup => "nested_group",
            Self::KeyInGroup { .. } => "key_in_group",
            Self::Unbalanced { .. } => "unbalanced",
            Self::GroupExpired { .. } => "group_expired",
            Self::GroupStep { .. } => "group_step",
            Self::NoHoldAtStep { .. } => "no_hold_at_step",
            Self::ReleasedByGroup { .. } => "released_by_group",
            Self::NothingMoved => "nothing_moved",
            Self::KeyOfHold { .. } => "key_of_hold",
            Self::NoTransfer => "no_transfer",
            Self::NotAHold => "not_a_hold",
            Self::UnknownHold { .. } => "unknown_hold",
            Self::HoldCaptured { .. } => "hold_captured",
            Self::HoldReleased { .. } => "hold_released",
            Self::HoldExpired { .. } => "hold_expired",
            Self::HoldNotDue { .. } => "hold_not_due",
            Self::HoldEndsInThePast { .. } => "hold_ends_in_the_past",
            Self::HoldExpiryRange { .. } => "hold_expiry_range",
            Self::MoreThanHeld { .. } => "more_than_held",
            Self::HoldCurrency { .. } => "hold_currency",
            Self::HoldDestination { .. } => "hold_destination",
            Self::NoDestination { .. } => "no_destination",
            Self::UnknownTransfer { .. } => "unknown_transfer",
            Self::ReversalOfReversal { .. } => "reversal_of_reversal",
            Self::MoreThanRemains { .. } => "more_than_remains",
            Self::AlreadyReversed { .. } => "already_reversed",
            Self::ValueDate { .. } => "value_date",
            Self::PeriodClosed { .. } => "period_closed",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::ConditionFailed { .. } => "condition_failed",
        }
    }

    /// Returns true for a rejection that depends on the state of accounts. The other reasons lie in
    /// the request itself or in its key.
    pub(super) fn depends_on_accounts(&self) -> bool {
        match self {
            Self::Text { .. }
            | Self::KeyReused { .. }
            | Self::ActorRequired
            | Self::KeyOfHold { .. }
            | Self::GroupSize { .. }
            | Self::NestedGroup
            | Self::KeyInGroup { .. }
            | Self::Unbalanced { .. }
            | Self::NoHoldAtStep { .. }
            | Self::ReleasedByGroup { .. }
            | Self::SameAccount { .. }
            | Self::AmountNotPositive { .. }
            | Self::LeapSecond { .. } => false,
            Self::GroupStep { reason, .. } => reason.depends_on_accounts(),
            _ => true,
        }
    }

    /// Returns true for a rejection that is valid only while the request's key is unused.
    pub(super) fn needs_unused_key(&self) -> bool {
        match self {
            Self::KeyReused { .. } | Self::KeyOfHold { .. } => false,
            Self::Text { field, .. } => *field != super::decision::IDEMPOTENCY_KEY,
            _ => true,
        }
    }
}

/// Returns a limit that a request exceeds, with what its window has used.
fn exceeded(limit: &AccountLimit, used: Money) -> String {
    let AccountLimit {
        direction, amount, ..
    } = limit;
    let kind = limit
        .transfer_type
        .map(|kind| format!(" of type {kind}"))
        .unwrap_or_default();
    let of_window = match limit.window {
        Window::Transfer => return format!("a limit of {amount} for each {direction}{kind}"),
        Window::Day => "of a day".to_owned(),
        Window::Rolling(_) => format!("of {}", limit.window),
    };
    format!("used {used} of its limit of {amount} for the {direction}s{kind} {of_window}")
}

/// Returns the end of a message with the time at which a request becomes possible.
fn possible(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| format!("; the day ends at {at}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use neobank_entity::enums::{EntryType, TransferType};

    use super::*;

    #[test]
    fn exceeded_limit_is_named_by_its_window() {
        let money = |text: &str| text.parse::<Money>().unwrap();
        let said = |window, kind: Option<TransferType>, used: &str| {
            let limit = AccountLimit::new(EntryType::Debit, window, money("5 CZK"));
            exceeded(&limit.with_transfer_type(kind), money(used))
        };
        assert_eq!(
            said(Window::Transfer, None, "0 CZK"),
            "a limit of 5.00 CZK for each debit"
        );
        assert_eq!(
            said(Window::Transfer, Some(TransferType::Withdrawal), "0 CZK"),
            "a limit of 5.00 CZK for each debit of type withdrawal"
        );
        assert_eq!(
            said(Window::Day, None, "4 CZK"),
            "used 4.00 CZK of its limit of 5.00 CZK for the debits of a day"
        );
        assert_eq!(
            said(Window::Rolling(24), None, "4 CZK"),
            "used 4.00 CZK of its limit of 5.00 CZK for the debits of 24 hours"
        );
    }
}

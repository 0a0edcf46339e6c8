use rust_decimal::Decimal;
use thiserror::Error;

use super::Currency;

/// Why a number is not an amount of money.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MoneyError {
    /// Not an optional minus, digits, and optionally a point and digits; or more digits than any amount has.
    #[error("not an amount: {text:?}")]
    NotANumber {
        /// What was given.
        text: String,
    },
    /// A fraction of the currency's minor unit.
    #[error("{amount} has more decimals than the {} of {currency}", currency.minor_units())]
    TooManyDecimals {
        /// What was given.
        amount: Decimal,
        /// The currency.
        currency: Currency,
    },
    /// 10^18 or more away from zero.
    #[error("{amount} {currency} is beyond the limit of 10^18")]
    OutOfRange {
        /// What was given or added.
        amount: Decimal,
        /// The currency.
        currency: Currency,
    },
    /// Two amounts that cannot be added.
    #[error("{left} and {right} are different currencies")]
    CurrencyMismatch {
        /// One currency.
        left: Currency,
        /// The other.
        right: Currency,
    },
    /// No currency of ISO 4217.
    #[error("unknown currency: {code:?}")]
    UnknownCurrency {
        /// What was given.
        code: String,
    },
}

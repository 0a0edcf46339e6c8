use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

use super::Currency;

/// Why a number is not an amount of money.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MoneyError {
    /// Not a number by the rule of [`Money::parse`](super::Money::parse), or more digits than any amount has.
    #[error("not an amount: {text:?}")]
    NotANumber {
        /// What was given, cut to a length.
        text: String,
    },
    /// An amount without its currency.
    #[error("an amount has a number and a currency, such as \"250.00 CZK\", not {text:?}")]
    NoCurrency {
        /// What was given, cut to a length.
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
        /// What was given, cut to a length.
        code: String,
    },
}

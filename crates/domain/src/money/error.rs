use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

use super::Currency;

/// The error of a text or a number that is not an amount of money.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MoneyError {
    /// The text breaks the rules of [`Money::parse`](super::Money::parse), or has more digits than
    /// any amount.
    #[error("not an amount: {text:?}")]
    NotANumber {
        /// The text that the caller gave, cut to 80 characters.
        text: String,
    },
    /// The text is an amount without a currency.
    #[error("an amount has a number and a currency, such as \"250.00 CZK\", not {text:?}")]
    NoCurrency {
        /// The text that the caller gave, cut to 80 characters.
        text: String,
    },
    /// The amount is a fraction of the currency's minor unit.
    #[error("{amount} has more decimals than the {} of {currency}", currency.minor_units())]
    TooManyDecimals {
        /// The amount that the caller gave, in major units.
        amount: Decimal,
        /// The currency.
        currency: Currency,
    },
    /// The amount is 10^18 major units or more away from zero.
    #[error("{amount} {currency} is beyond the limit of 10^18")]
    OutOfRange {
        /// The amount that the caller gave or added, in major units.
        amount: Decimal,
        /// The currency.
        currency: Currency,
    },
    /// The two amounts of a sum or a difference have different currencies.
    #[error("{left} and {right} are different currencies")]
    CurrencyMismatch {
        /// The currency of the first amount.
        left: Currency,
        /// The currency of the second amount.
        right: Currency,
    },
    /// An amount cannot be split: no weight is greater than zero.
    #[error("a split needs a weight greater than zero, and none of the {weights} weights is")]
    NoWeight {
        /// The number of weights that the caller gave.
        weights: usize,
    },
    /// The code is not one of ISO 4217.
    #[error("unknown currency: {code:?}")]
    UnknownCurrency {
        /// The code that the caller gave, cut to 80 characters.
        code: String,
    },
}

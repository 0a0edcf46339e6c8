//! Amounts of money: a decimal with its currency, exact and within limits.

mod currency;
mod error;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::shortened;

pub use currency::Currency;
pub use error::MoneyError;

/// An amount in a currency, in major units: `12.50 CZK`. May be negative.
///
/// Always has exactly the currency's decimals and lies between [`Money::MIN`](Money::limit) and its opposite; there is no
/// way to hold a fraction of a minor unit, an infinity or what is not a number. Nothing rounds.
///
/// # Example
///
/// ```
/// use neobank_domain::{Currency, Money, MoneyError};
///
/// let koruna = Currency::from_code("CZK")?;
/// let price = Money::parse("12.5", koruna)?;
/// assert_eq!(price.to_string(), "12.50 CZK");
/// assert!(matches!(Money::parse("12.505", koruna), Err(MoneyError::TooManyDecimals { .. })));
/// // As text with its currency, in order, and as JSON.
/// assert_eq!("12.50 CZK".parse::<Money>()?, price);
/// assert!(price > Money::zero(koruna));
/// let json = serde_json::to_string(&price).unwrap();
/// assert_eq!(json, r#"{"amount":"12.50","currency":"CZK"}"#);
/// # Ok::<(), MoneyError>(())
/// ```
///
/// Amounts of different currencies are neither less, equal nor greater: [`PartialOrd`] gives `None` for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

/// 10^18: every amount and every balance is nearer to zero than this, here and in the database.
const LIMIT: Decimal = Decimal::from_parts(0xA764_0000, 0x0DE0_B6B3, 0, false, 0);

impl Money {
    /// The most bytes of a text that [`Money::parse`] reads: an amount of the highest precision with room for zeros.
    pub const TEXT_MAX: usize = 100;

    /// An amount of `amount` major units.
    ///
    /// # Errors
    ///
    /// [`MoneyError::TooManyDecimals`] when it has more decimals than the currency, zeros at the end aside;
    /// [`MoneyError::OutOfRange`] when it is 10^18 or more away from zero.
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let mut exact = amount.normalize();
        if exact.scale() > currency.minor_units() {
            return Err(MoneyError::TooManyDecimals { amount, currency });
        }
        if exact.abs() >= LIMIT {
            return Err(MoneyError::OutOfRange { amount, currency });
        }
        // Only adds zeros, and there is room for them below the limit.
        exact.rescale(currency.minor_units());
        Ok(Self {
            amount: exact,
            currency,
        })
    }

    /// An amount from a text, by one rule:
    ///
    /// 1. At most [`Money::TEXT_MAX`] bytes; the length is checked before anything else.
    /// 2. An optional minus, one or more digits, and optionally a point with one or more digits. No exponent, no
    ///    separator, no plus, no space.
    /// 3. Zeros before the first digit and after the last decimal mean nothing: `0012.5000` is `12.5`.
    /// 4. The number is an amount of the currency as [`Money::new`] says. Zero and negative numbers are amounts; whether
    ///    they may move is for the ledger to say.
    ///
    /// # Errors
    ///
    /// [`MoneyError::NotANumber`] for any other text, else as [`Money::new`].
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::NotANumber {
            text: shortened(text),
        };
        if text.len() > Self::TEXT_MAX {
            return Err(malformed());
        }
        let (whole, fraction) = match text.strip_prefix('-').unwrap_or(text).split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text.strip_prefix('-').unwrap_or(text), None),
        };
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !fraction.is_none_or(digits) {
            return Err(malformed());
        }
        // More digits than fit are an error here, not a rounded number.
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.unwrap_or_default().trim_end_matches('0');
        let sign = if text.starts_with('-') { "-" } else { "" };
        let amount = Decimal::from_str_exact(&format!("{sign}0{whole}.{fraction}0"))
            .map_err(|_| malformed())?;
        // As an error shows it: without zeros that mean nothing.
        Self::new(amount.normalize(), currency)
    }

    /// Nothing, in a currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let mut amount = Decimal::ZERO;
        amount.rescale(currency.minor_units());
        Self { amount, currency }
    }

    /// The limit that no amount reaches: 10^18 major units.
    #[must_use]
    pub const fn limit() -> Decimal {
        LIMIT
    }

    /// The number of major units.
    #[must_use]
    pub const fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.amount > Decimal::ZERO
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    /// The sum.
    ///
    /// # Errors
    ///
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::OutOfRange`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch {
                left: self.currency,
                right: other.currency,
            });
        }
        match self.amount.checked_add(other.amount) {
            Some(sum) => Self::new(sum, self.currency),
            None => Err(MoneyError::OutOfRange {
                amount: other.amount,
                currency: self.currency,
            }),
        }
    }

    /// The difference.
    ///
    /// # Errors
    ///
    /// As [`Money::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.checked_add(other.negated())
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        // A decimal's sign is a bit of its own: changing it cannot overflow.
        let mut amount = self.amount;
        if !amount.is_zero() {
            amount.set_sign_negative(amount.is_sign_positive());
        }
        Self {
            amount,
            currency: self.currency,
        }
    }
}

/// By amount, within one currency.
impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.amount.cmp(&other.amount))
    }
}

/// Reads what `Display` writes: the number as [`Money::parse`] does, a space, and the currency's code.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (number, code) = text
            .rsplit_once(' ')
            .ok_or_else(|| MoneyError::NoCurrency {
                text: shortened(text),
            })?;
        Self::parse(number, Currency::from_code(code)?)
    }
}

/// Reads an object of `amount` (a text, because numbers of JSON lose digits in many programs) and `currency`.
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Money", deny_unknown_fields)]
        struct Parts {
            amount: String,
            currency: Currency,
        }
        let parts = Parts::deserialize(deserializer)?;
        Self::parse(&parts.amount, parts.currency).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{} {}", self.amount, self.currency))
    }
}

#[cfg(test)]
mod tests;

//! Amounts of money: an exact decimal within limits, and its currency.

mod currency;
mod error;
mod split;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::shortened;

pub use currency::Currency;
pub use error::MoneyError;

/// An amount in a currency, in major units: `12.50 CZK`. It may be negative.
///
/// An amount has exactly the decimals of its currency, and is nearer to zero than [`Money::limit`].
/// It cannot be a fraction of a minor unit, an infinity or a NaN. No operation rounds.
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
/// Amounts of different currencies have no order: [`PartialOrd`] returns `None` for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

/// 10^18 major units: every amount and every balance is nearer to zero than this, in this library
/// and in the database.
const LIMIT: Decimal = Decimal::from_parts(0xA764_0000, 0x0DE0_B6B3, 0, false, 0);

impl Money {
    /// The most bytes of a text that [`Money::parse`] reads: room for the longest amount and for
    /// superfluous zeros.
    pub const TEXT_MAX: usize = 100;

    /// Creates an amount of `amount` major units.
    ///
    /// # Errors
    ///
    /// [`MoneyError::TooManyDecimals`] when the amount has more decimals than the currency, not
    /// counting zeros at the end; [`MoneyError::OutOfRange`] when it is 10^18 or more away from
    /// zero.
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let mut exact = amount.normalize();
        if exact.scale() > currency.minor_units() {
            return Err(MoneyError::TooManyDecimals { amount, currency });
        }
        if exact.abs() >= LIMIT {
            return Err(MoneyError::OutOfRange { amount, currency });
        }
        // Rescaling only adds zeros here, and a decimal below the limit has room for them.
        exact.rescale(currency.minor_units());
        Ok(Self {
            amount: exact,
            currency,
        })
    }

    /// Reads an amount from a text, by these rules:
    ///
    /// 1. The text has at most [`Money::TEXT_MAX`] bytes; its length is checked before anything
    ///    else.
    /// 2. It is an optional minus, one or more digits, and optionally a point with one or more
    ///    digits, without exponent, separator, plus or space.
    /// 3. Leading zeros and zeros after the last decimal have no meaning: `0012.5000` is `12.5`.
    /// 4. The number meets the conditions of [`Money::new`]. Zero and negative numbers are amounts;
    ///    the ledger decides which amounts a request may move.
    ///
    /// # Errors
    ///
    /// [`MoneyError::NotANumber`] for a text that breaks the rules 1 and 2, and the errors of
    /// [`Money::new`].
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
        // `from_str_exact` fails on more digits than a decimal holds, where `from_str` would round.
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.unwrap_or_default().trim_end_matches('0');
        let sign = if text.starts_with('-') { "-" } else { "" };
        let amount = Decimal::from_str_exact(&format!("{sign}0{whole}.{fraction}0"))
            .map_err(|_| malformed())?;
        // Errors show the amount without superfluous zeros.
        Self::new(amount.normalize(), currency)
    }

    /// Returns the amount zero in a currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let mut amount = Decimal::ZERO;
        amount.rescale(currency.minor_units());
        Self { amount, currency }
    }

    /// Returns the limit that no amount reaches: 10^18 major units.
    #[must_use]
    pub const fn limit() -> Decimal {
        LIMIT
    }

    /// Returns the number of major units, with the decimals of the currency.
    #[must_use]
    pub const fn amount(self) -> Decimal {
        self.amount
    }

    /// Returns the currency of the amount.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Returns true for an amount greater than zero.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.amount > Decimal::ZERO
    }

    /// Returns true for the amount zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    /// Returns the sum of two amounts.
    ///
    /// # Errors
    ///
    /// [`MoneyError::CurrencyMismatch`] for amounts of different currencies, and
    /// [`MoneyError::OutOfRange`] for a sum of 10^18 or more away from zero.
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

    /// Returns the difference of two amounts.
    ///
    /// # Errors
    ///
    /// The errors of [`Money::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.checked_add(other.negated())
    }

    /// Returns the amount with the opposite sign.
    #[must_use]
    pub fn negated(self) -> Self {
        // The sign of a decimal is a separate bit, so that changing it cannot overflow. Zero keeps
        // a positive sign.
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

/// Compares by amount within one currency; amounts of different currencies have no order.
impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.amount.cmp(&other.amount))
    }
}

/// Reads the text that `Display` writes: a number as in [`Money::parse`], a space, and the
/// currency's code. White space around the text is ignored, and between its parts it may be longer.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let no_currency = || MoneyError::NoCurrency {
            text: shortened(text),
        };
        let parts = text.trim().rsplit_once(char::is_whitespace);
        let (number, code) = parts.ok_or_else(no_currency)?;
        Self::parse(number.trim_end(), Currency::from_code(code)?)
    }
}

/// Reads an object of `amount` and `currency`. The amount is a text, because many programs round
/// the numbers of JSON.
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

//! Currency exchange: a group over the bank's positions in two currencies.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::{Attributes, GroupRequest, PostingKind, PostingRequest, builders};
use crate::ledger::{Metadata, MetadataError};
use crate::{AccountId, Currency, Money, MoneyError};
use neobank_entity::enums::EntryType;

/// A request to sell an amount of one currency for another.
///
/// The ledger posts a group: the sold amount moves from the customer's account to the bank's
/// position in its currency, and the bought amount from the bank's position in the other currency
/// to the customer's other account. So each currency balances by itself.
///
/// The caller gives one side and the rate; the other side is computed exactly and rounded to the
/// decimals of its currency, in the bank's favour unless the request has another [`Rounding`]. The rate and
/// the quote are kept as metadata of the group, in the member `exchange`.
///
/// # Example
///
/// ```
/// use neobank_domain::AccountId;
/// use neobank_domain::ledger::{ExchangeRequest, Given};
///
/// let (koruna, euro) = (AccountId::new(), AccountId::new());
/// let given = Given::Sold("1000 CZK".parse()?);
/// // A koruna buys 0.04 euros.
/// let request = ExchangeRequest::new(koruna, euro, given, "EUR", "0.0399".parse()?);
/// let (sold, bought) = request.amounts()?;
/// assert_eq!((sold.to_string(), bought.to_string()), ("1000.00 CZK".into(), "39.90 EUR".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeRequest {
    /// The customer's account that pays the sold amount.
    pub from: AccountId,
    /// The customer's account that gets the bought amount.
    pub to: AccountId,
    /// The side that the caller gives, with its amount.
    pub given: Given,
    /// The code of the currency of the other side.
    pub other_currency: String,
    /// The units of the bought currency for one unit of the sold currency: more than zero, with at
    /// most 15 significant digits and 12 decimals.
    pub rate: Decimal,
    /// The rounding of the computed side.
    pub rounding: Rounding,
    /// The quote that the rate comes from.
    pub quote: Option<Quote>,
    /// The bank's spread, which the account `from` pays as a fee of its own.
    pub spread: Option<Money>,
    /// The description for people, at most 500 characters.
    pub description: String,
    /// The caller's idempotency key, at most 255 characters.
    pub idempotency_key: Option<String>,
    /// Metadata and value date.
    pub attributes: Attributes,
}

/// The side of an exchange that the caller gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Given {
    /// The amount that the customer sells.
    Sold(Money),
    /// The amount that the customer buys.
    Bought(Money),
}

/// The rounding of the computed side of an exchange to the decimals of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rounding {
    /// A bought amount is rounded down and a sold amount up, so that the bank never loses.
    #[default]
    InTheBanksFavour,
    /// To the nearest amount, and halves away from zero. The bank can lose up to half of the
    /// smallest unit.
    HalfUp,
}

/// A quote: a rate that the bank offers until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote {
    /// The quote's name, in the caller's words.
    pub id: String,
    /// The server's time from which the exchange is rejected.
    pub expires_at: DateTime<Utc>,
}

/// The reason why an exchange cannot become a group.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The rate is not more than zero, or has too many digits.
    #[error(
        "the rate {rate} must be more than zero, with at most 15 significant digits and 12 decimals"
    )]
    Rate {
        /// The rate.
        rate: Decimal,
    },
    /// Both sides have the same currency.
    #[error("both sides are in {currency}")]
    SameCurrency {
        /// The currency.
        currency: Currency,
    },
    /// The given amount is not more than zero, or the computed one is zero.
    #[error("{given} at the rate {rate} is nothing on the other side")]
    Zero {
        /// The given amount.
        given: Money,
        /// The rate.
        rate: Decimal,
    },
    /// The computed amount is out of range, or a currency is unknown.
    #[error(transparent)]
    Amount(#[from] MoneyError),
    /// The caller's metadata has a member of the name that the ledger uses.
    #[error("the member {field:?} of the metadata is kept for the rate and the quote")]
    Reserved {
        /// The name of the member: `exchange`.
        field: &'static str,
    },
    /// The metadata with the rate and the quote cannot be kept.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The member of the metadata that has the rate and the quote.
const MEMBER: &str = "exchange";
/// The largest mantissa of a rate: 15 digits.
const RATE_MANTISSA_MAX: i128 = 999_999_999_999_999;
/// The most decimals of a rate.
const RATE_SCALE_MAX: u32 = 12;

impl ExchangeRequest {
    /// Returns an exchange without a quote, a spread, a description and a key. `rate` is the units
    /// of the bought currency for one unit of the sold currency.
    #[must_use]
    pub fn new(
        from: AccountId,
        to: AccountId,
        given: Given,
        other_currency: impl Into<String>,
        rate: Decimal,
    ) -> Self {
        Self {
            from,
            to,
            given,
            other_currency: other_currency.into(),
            rate,
            rounding: Rounding::default(),
            quote: None,
            spread: None,
            description: String::new(),
            idempotency_key: None,
            attributes: Attributes::default(),
        }
    }

    /// Returns the exchange with another rounding.
    #[must_use]
    pub const fn with_rounding(mut self, rounding: Rounding) -> Self {
        self.rounding = rounding;
        self
    }

    /// Returns the exchange with the quote that its rate comes from.
    #[must_use]
    pub fn with_quote(mut self, id: impl Into<String>, expires_at: DateTime<Utc>) -> Self {
        let id = id.into();
        self.quote = Some(Quote { id, expires_at });
        self
    }

    /// Returns the exchange with the bank's spread, a fee of the account `from`.
    #[must_use]
    pub const fn with_spread(mut self, spread: Money) -> Self {
        self.spread = Some(spread);
        self
    }

    /// Returns the sold and the bought amount.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`], except for [`ExchangeError::Reserved`] and [`ExchangeError::Metadata`].
    pub fn amounts(&self) -> Result<(Money, Money), ExchangeError> {
        let rate = self.rate.normalize();
        let is_usable = rate.is_sign_positive()
            && !rate.is_zero()
            && rate.mantissa() <= RATE_MANTISSA_MAX
            && rate.scale() <= RATE_SCALE_MAX;
        if !is_usable {
            return Err(ExchangeError::Rate { rate: self.rate });
        }
        let other = Currency::from_code(&self.other_currency)?;
        let (Given::Sold(given) | Given::Bought(given)) = self.given;
        if given.currency() == other {
            return Err(ExchangeError::SameCurrency { currency: other });
        }
        let zero = ExchangeError::Zero {
            given,
            rate: self.rate,
        };
        if !given.is_positive() {
            return Err(zero);
        }
        let units = self.units(given, other, rate);
        let out_of_range = || MoneyError::OutOfRange {
            amount: given.amount(),
            currency: other,
        };
        let units = units.ok_or_else(out_of_range)?;
        if units == 0 {
            return Err(zero);
        }
        let computed = Decimal::try_from_i128_with_scale(units, other.minor_units())
            .map_err(|_| out_of_range())?;
        let computed = Money::new(computed, other)?;
        Ok(match self.given {
            Given::Sold(_) => (given, computed),
            Given::Bought(_) => (computed, given),
        })
    }

    /// Returns the exchange as a group.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`].
    pub fn into_group(self) -> Result<GroupRequest, ExchangeError> {
        let (sold, bought) = self.amounts()?;
        let kind = PostingKind::Exchange;
        let mut group = GroupRequest::new()
            .with_step(PostingRequest::new(self.from, kind, EntryType::Debit, sold))
            .with_step(PostingRequest::new(
                self.to,
                kind,
                EntryType::Credit,
                bought,
            ))
            .with_description(self.description.clone());
        if let Some(spread) = self.spread {
            group = group.with_step(PostingRequest::fee(self.from, spread));
        }
        if let Some(quote) = &self.quote {
            group = group.with_expiry(quote.expires_at);
        }
        group.attributes = self.attributes.clone();
        group.attributes.metadata = Some(self.metadata()?);
        group.idempotency_key = self.idempotency_key;
        Ok(group)
    }

    /// Returns the units of the computed side, rounded; `None` when they are out of range.
    fn units(&self, given: Money, other: Currency, rate: Decimal) -> Option<i128> {
        let mut amount = given.amount();
        amount.rescale(given.currency().minor_units());
        let units = amount.mantissa();
        let (given_decimals, other_decimals, rate_decimals) = (
            i64::from(given.currency().minor_units()),
            i64::from(other.minor_units()),
            i64::from(rate.scale()),
        );
        let (numerator, denominator, rounds_up) = match self.given {
            Given::Sold(_) => {
                let exponent = other_decimals
                    .checked_sub(given_decimals)?
                    .checked_sub(rate_decimals)?;
                let product = units.checked_mul(rate.mantissa())?;
                let (factor, denominator) = powers(exponent)?;
                (product.checked_mul(factor)?, denominator, false)
            }
            Given::Bought(_) => {
                let exponent = other_decimals
                    .checked_add(rate_decimals)?
                    .checked_sub(given_decimals)?;
                let (factor, denominator) = powers(exponent)?;
                let denominator = denominator.checked_mul(rate.mantissa())?;
                (units.checked_mul(factor)?, denominator, true)
            }
        };
        let (whole, rest) = (
            numerator.checked_div(denominator)?,
            numerator.checked_rem(denominator)?,
        );
        let rounds_up = match self.rounding {
            Rounding::InTheBanksFavour => rounds_up && rest > 0,
            Rounding::HalfUp => rest >= denominator.checked_sub(rest)?,
        };
        whole.checked_add(i128::from(rounds_up))
    }

    /// Returns the caller's metadata with the rate and the quote in the member `exchange`.
    fn metadata(&self) -> Result<Metadata, ExchangeError> {
        let mut members = match &self.attributes.metadata {
            Some(metadata) => match metadata.to_value() {
                Value::Object(members) => members,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        let mut exchange = json!({ "rate": self.rate.normalize().to_string() });
        if let (Some(quote), Some(exchange)) = (&self.quote, exchange.as_object_mut()) {
            exchange.insert("quote".to_owned(), Value::String(quote.id.clone()));
        }
        if members.insert(MEMBER.to_owned(), exchange).is_some() {
            return Err(ExchangeError::Reserved { field: MEMBER });
        }
        Ok(Metadata::new(members)?)
    }
}

builders!(ExchangeRequest: description, idempotency_key, metadata, value_date);

/// Returns 10 to the power of an exponent as a factor and a divisor, one of which is 1.
fn powers(exponent: i64) -> Option<(i128, i128)> {
    let power = 10_i128.checked_pow(u32::try_from(exponent.unsigned_abs()).ok()?)?;
    Some(if exponent >= 0 {
        (power, 1)
    } else {
        (1, power)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(given: Given, other: &str, rate: &str) -> ExchangeRequest {
        let (from, to) = (AccountId::new(), AccountId::new());
        ExchangeRequest::new(from, to, given, other, rate.parse().unwrap())
    }

    fn amounts(given: Given, other: &str, rate: &str) -> Result<String, ExchangeError> {
        let (sold, bought) = request(given, other, rate).amounts()?;
        Ok(format!("{sold} for {bought}"))
    }

    fn sold(text: &str) -> Given {
        Given::Sold(text.parse().unwrap())
    }

    fn bought(text: &str) -> Given {
        Given::Bought(text.parse().unwrap())
    }

    #[test]
    fn computed_side_is_rounded_in_the_banks_favour() {
        for (given, other, rate, expected) in [
            (
                sold("1000 CZK"),
                "EUR",
                "0.0399",
                "1000.00 CZK for 39.90 EUR",
            ),
            (sold("0.99 CZK"), "EUR", "0.0399", "0.99 CZK for 0.03 EUR"),
            (bought("0.03 EUR"), "CZK", "0.0399", "0.76 CZK for 0.03 EUR"),
            // Currencies without and with three decimals.
            (sold("10 JPY"), "KWD", "0.002", "10 JPY for 0.020 KWD"),
            (bought("10 JPY"), "KWD", "490.5", "0.021 KWD for 10 JPY"),
            (
                sold("999999999999999999.99 CZK"),
                "EUR",
                "0.04",
                "999999999999999999.99 CZK for 39999999999999999.99 EUR",
            ),
        ] {
            assert_eq!(amounts(given, other, rate).unwrap(), expected);
        }
    }

    #[test]
    fn callers_metadata_is_kept_beside_the_rate_and_never_replaced() {
        let metadata = |text: &str| {
            let mut request = request(sold("1000 CZK"), "EUR", "0.04");
            request.attributes.metadata = Some(text.parse().unwrap());
            request.into_group()
        };
        let group = metadata(r#"{"order": 1}"#).unwrap();
        assert_eq!(
            group.attributes.metadata.unwrap().as_str(),
            r#"{"exchange":{"rate":"0.04"},"order":1}"#
        );
        let error = metadata(r#"{"exchange": 1}"#).unwrap_err();
        assert!(matches!(error, ExchangeError::Reserved { .. }), "{error:?}");
    }

    #[test]
    fn impossible_exchanges_are_errors() {
        for rate in ["0", "-1", "1234567890123456", "0.0000000000001"] {
            let error = amounts(sold("1 CZK"), "EUR", rate).unwrap_err();
            assert!(
                matches!(error, ExchangeError::Rate { .. }),
                "{rate}: {error:?}"
            );
        }
        let error = amounts(sold("1 CZK"), "CZK", "1").unwrap_err();
        assert!(
            matches!(error, ExchangeError::SameCurrency { .. }),
            "{error:?}"
        );
        for given in [sold("0.10 CZK"), sold("0 CZK"), sold("-1 CZK")] {
            let error = amounts(given, "EUR", "0.04").unwrap_err();
            assert!(matches!(error, ExchangeError::Zero { .. }), "{error:?}");
        }
        for (given, other, rate) in [
            (sold("999999999999999999 CZK"), "EUR", "2"),
            (sold("1 CZK"), "XXX", "1"),
            (bought("999999999999999999 CZK"), "EUR", "0.000000000001"),
        ] {
            let error = amounts(given, other, rate).unwrap_err();
            assert!(matches!(error, ExchangeError::Amount(_)), "{error:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn bank_never_loses_by_rounding(
            minor in 1_i64..10_000_000_000,
            mantissa in 1_i64..1_000_000_000_000,
            scale in 0_u32..12,
            is_sold in any::<bool>(),
            pair in 0_usize..4,
        ) {
            let (own, other) = [("CZK", "EUR"), ("JPY", "CZK"), ("EUR", "KWD"), ("KWD", "JPY")][pair];
            let own = Currency::from_code(own).unwrap();
            let given = Money::new(Decimal::new(minor, own.minor_units()), own).unwrap();
            let given = if is_sold { Given::Sold(given) } else { Given::Bought(given) };
            let rate = Decimal::new(mantissa, scale);
            let request = ExchangeRequest::new(AccountId::new(), AccountId::new(), given, other, rate);
            if let Ok((sold, bought)) = request.amounts() {
                // In integers: bought <= sold * rate, and one unit more would be too much.
                let parts = |money: Money| (money.amount().mantissa(), money.amount().scale());
                let ((sold_units, sold_scale), (bought_units, bought_scale)) = (parts(sold), parts(bought));
                let value = |sold_units: i128| sold_units * i128::from(mantissa) * 10_i128.pow(bought_scale);
                let price = |bought_units: i128| bought_units * 10_i128.pow(sold_scale + scale);
                prop_assert!(price(bought_units) <= value(sold_units));
                if is_sold {
                    prop_assert!(price(bought_units + 1) > value(sold_units));
                } else {
                    prop_assert!(price(bought_units) > value(sold_units - 1));
                }
            }
        }
    }
}

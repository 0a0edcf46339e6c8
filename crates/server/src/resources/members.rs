//! The members of bodies that many requests have: objects, amounts, times, metadata and value dates.

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use neobank_domain::ledger::{Attributes, Metadata};
use neobank_domain::{Currency, Money, MoneyError, Rejection};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::times;

/// A member that is an object. The derived reader would also take an array.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = ObjectVisitor(PhantomData);
        deserializer.deserialize_map(visitor).map(Object)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// An amount: a text with the number, and the currency.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = GivenAmount)]
#[serde(from = "Object<AmountMembers>")]
pub(super) struct AmountBody {
    /// The number, in major units, with at most the decimals of the currency.
    #[schema(example = "250.00")]
    amount: String,
    /// The code of ISO 4217.
    #[schema(example = "CZK")]
    currency: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountMembers {
    amount: String,
    currency: String,
}

impl From<Object<AmountMembers>> for AmountBody {
    fn from(Object(members): Object<AmountMembers>) -> Self {
        Self {
            amount: members.amount,
            currency: members.currency,
        }
    }
}

impl AmountBody {
    /// Reads the amount of the member `amount`.
    pub(super) fn read(&self) -> Result<Money, Problem> {
        self.read_as("amount")
    }

    /// Reads the amount of a member of another name.
    pub(super) fn read_as(&self, member: &'static str) -> Result<Money, Problem> {
        let problem = |part: &'static str| {
            move |error: MoneyError| {
                Problem::from(Rejection::from(error)).with_field(format!("{member}.{part}"))
            }
        };
        let currency = Currency::from_code(&self.currency).map_err(problem("currency"))?;
        Money::parse(&self.amount, currency).map_err(problem("amount"))
    }
}

/// Reads the member `currency` of a body.
pub(super) fn currency(code: &str) -> Result<Currency, Problem> {
    let read = Currency::from_code(code);
    read.map_err(|error| Problem::from(Rejection::from(error)).with_field("currency"))
}

/// Reads an amount that may be missing.
pub(super) fn optional_amount(
    amount: Option<&AmountBody>,
    member: &'static str,
) -> Result<Option<Money>, Problem> {
    amount.map(|amount| amount.read_as(member)).transpose()
}

/// Reads metadata and value date.
pub(super) fn attributes(
    metadata: Option<&RawValue>,
    value_date: Option<&str>,
) -> Result<Attributes, Problem> {
    let mut attributes = Attributes::default();
    if let Some(metadata) = metadata.filter(|metadata| metadata.get() != "null") {
        let read = metadata.get().parse::<Metadata>();
        let read = read.map_err(|error| Problem::invalid("metadata", error.to_string()))?;
        attributes.metadata = Some(read);
    }
    if let Some(date) = value_date {
        let wrong = || Problem::invalid("value_date", times::DAY_FORM);
        attributes.value_date = Some(times::day_of(date).ok_or_else(wrong)?);
    }
    Ok(attributes)
}

/// Reads a time that may be missing.
pub(super) fn time(
    text: Option<&str>,
    member: &'static str,
) -> Result<Option<DateTime<Utc>>, Problem> {
    let wrong = || Problem::invalid(member, times::TIME_FORM);
    let read = |text: &str| times::time(text).ok_or_else(wrong);
    text.map(read).transpose()
}

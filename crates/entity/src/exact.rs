//! A numeric that is read exactly or not at all.

use std::error::Error;

use rust_decimal::Decimal;
use tokio_postgres::types::{FromSql, Type};

/// A numeric that fits into a [`Decimal`] without rounding.
///
/// Reading any other numeric fails, where `rust_decimal` would silently round it.
#[derive(Clone, Copy, Debug)]
pub struct Exact(
    /// The decimal, equal to the numeric.
    pub Decimal,
);

impl<'a> FromSql<'a> for Exact {
    fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let value = Decimal::from_sql(column, raw)?;
        // Six groups of four digits always fit, so that only wider numerics, which are rare, are
        // compared digit by digit.
        let is_narrow = raw.len() <= 8 + 6 * 2 && value.scale() < 28;
        if is_narrow || significant_digits(raw) == Some(digits(value)) {
            Ok(Self(value))
        } else {
            Err("it has more digits than a Decimal can hold".into())
        }
    }

    fn accepts(column: &Type) -> bool {
        *column == Type::NUMERIC
    }
}

/// Returns the digits of a numeric without zeros at either end, from PostgreSQL's binary form.
///
/// The form is a count, a weight, a sign, a scale and then groups of four digits, each of them in
/// 16 bits (`numeric_send` in the server's source).
fn significant_digits(raw: &[u8]) -> Option<String> {
    let mut text = String::new();
    for group in raw.get(8..)?.chunks_exact(2) {
        text.push_str(&format!(
            "{:04}",
            u16::from_be_bytes(group.try_into().ok()?)
        ));
    }
    Some(text.trim_matches('0').to_owned())
}

fn digits(value: Decimal) -> String {
    value
        .mantissa()
        .unsigned_abs()
        .to_string()
        .trim_matches('0')
        .to_owned()
}

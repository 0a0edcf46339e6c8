//! Reading of the parameters of an address: strict, as bodies are.

use std::collections::HashSet;

use axum::http::Uri;
use neobank_domain::{Currency, Money, MoneyError, Rejection, shortened};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Reads the parameters. An unknown parameter, one that occurs twice and a value of a wrong type are
/// errors that name the parameter.
pub(crate) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let query = uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut seen = HashSet::new();
    for (name, _) in pairs {
        if !seen.insert(name.clone()) {
            let name = shortened(&name);
            let detail = format!("{name} occurs twice.");
            return Err(Problem::malformed(name, detail));
        }
    }
    let parameters = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(parameters).map_err(|error| {
        let path = error.path().to_string();
        let detail = shortened(&error.into_inner().to_string());
        let field = if path == "." {
            "query".to_owned()
        } else {
            path
        };
        Problem::malformed(shortened(&field), detail)
    })
}

/// Reads a parameter with a type of the library.
pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, Problem> {
    let wrong = |error: T::Err| Problem::malformed(field, shortened(&error.to_string()));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// Reads the parameter `currency`.
pub(crate) fn currency(text: Option<&str>) -> Result<Option<Currency>, Problem> {
    let read = text.map(Currency::from_code).transpose();
    read.map_err(of_amount("currency"))
}

/// Reads a parameter with an amount of the parameter `currency`.
pub(crate) fn amount(
    field: &'static str,
    text: Option<&str>,
    currency: Option<Currency>,
) -> Result<Option<Money>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let missing = || Problem::malformed("currency", format!("{field} needs a currency."));
    let read = Money::parse(text, currency.ok_or_else(missing)?);
    read.map(Some).map_err(of_amount(field))
}

fn of_amount(field: &'static str) -> impl Fn(MoneyError) -> Problem {
    move |error| Problem::from(Rejection::from(error)).with_field(field)
}

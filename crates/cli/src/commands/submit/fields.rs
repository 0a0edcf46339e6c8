//! The fields of a line, of which each is read once and none may be left.

use chrono::{DateTime, NaiveDate, Utc};
use neobank_domain::ledger::{AmountLimit, EntryType, Metadata, Rounding};
use neobank_domain::{Money, MoneyError, shortened};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::commands::moment;

/// The fields that a CSV file can have as columns.
pub(super) const COLUMNS: [&str; 26] = [
    "kind",
    "account",
    "from",
    "to",
    "transfer",
    "hold",
    "amount",
    "up_to",
    "side",
    "balance",
    "expected_version",
    "expires_at",
    "keep_rest",
    "sold",
    "bought",
    "currency",
    "rate",
    "rounding",
    "quote",
    "quote_expires_at",
    "spread",
    "key",
    "description",
    "metadata",
    "value_date",
    "event_time",
];

/// The fields that are lists or parts of them, and so only occur in JSON.
const ONLY_JSON: [&str; 9] = [
    "steps",
    "hold_step",
    "if_open",
    "debits",
    "credits",
    "conditions",
    "step",
    "version",
    "available",
];

/// The reason why a line is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineError {
    /// The wrong field, unless the line as a whole is wrong.
    pub(super) field: Option<&'static str>,
    /// The reason.
    pub(super) message: String,
}

/// The fields of a line that are not read yet.
pub(super) struct Fields(Map<String, Value>);

impl LineError {
    /// Returns the error of a line as a whole.
    pub(super) const fn file(message: String) -> Self {
        Self {
            field: None,
            message,
        }
    }

    /// Returns the error of a field.
    pub(super) fn field(field: &'static str, message: impl ToString) -> Self {
        Self {
            field: Some(field),
            message: message.to_string(),
        }
    }

    /// Returns the error of a member by its path, such as `metadata.order`.
    pub(super) fn member(path: &str, message: String) -> Self {
        let outermost = path.split(['.', '[']).next().unwrap_or_default();
        Self {
            field: known(outermost),
            message,
        }
    }

    /// Returns the error of a part of a list.
    fn within(self, list: &'static str, place: usize) -> Self {
        let field = self.field.map(|field| format!(", {field}"));
        let field = field.unwrap_or_default();
        Self {
            field: Some(list),
            message: format!("{list}[{place}]{field}: {}", self.message),
        }
    }
}

/// Returns a field's name, where there is such a field.
fn known(name: &str) -> Option<&'static str> {
    let mut names = COLUMNS.into_iter().chain(ONLY_JSON);
    names.find(|known| *known == name)
}

impl Fields {
    pub(super) const fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// Returns an error that names a field which the line's kind does not have.
    pub(super) fn finish(self) -> Result<(), LineError> {
        // A field without a value is no field, as an empty field of a CSV file.
        let left = self.0.into_iter().find(|(_, value)| !value.is_null());
        match left {
            None => Ok(()),
            Some((name, _)) => Err(LineError {
                field: known(&name),
                message: format!("this kind has no field `{}`", shortened(&name)),
            }),
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field).filter(|value| !value.is_null())
    }

    fn required<T>(field: &'static str, value: Option<T>) -> Result<T, LineError> {
        value.ok_or_else(|| LineError::field(field, format!("missing field `{field}`")))
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, LineError> {
        let text = self.optional_text(field)?;
        Self::required(field, text)
    }

    pub(super) fn optional_text(
        &mut self,
        field: &'static str,
    ) -> Result<Option<String>, LineError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(LineError::field(
                field,
                format!("not a text: {}", shown(&other)),
            )),
        }
    }

    pub(super) fn money(&mut self, field: &'static str) -> Result<Money, LineError> {
        let money = self.optional_money(field)?;
        Self::required(field, money)
    }

    /// Reads `"250.00 CZK"`, or the object of the JSON contract.
    pub(super) fn optional_money(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Money>, LineError> {
        let wrong = |message: String| Err(LineError::field(field, message));
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => match text.parse() {
                Ok(money) => Ok(Some(money)),
                Err(error) => wrong(MoneyError::to_string(&error)),
            },
            Some(value @ Value::Object(_)) => match Money::deserialize(value) {
                Ok(money) => Ok(Some(money)),
                Err(error) => wrong(error.to_string()),
            },
            Some(other) => wrong(format!(
                "not an amount such as \"250.00 CZK\": {}",
                shown(&other)
            )),
        }
    }

    /// Reads true or false; false where the field is missing.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, LineError> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(LineError::field(
                field,
                format!("neither true nor false: {}", shown(&other)),
            )),
        }
    }

    /// Reads whether a transfer may move less than its amount.
    pub(super) fn limit(&mut self, field: &'static str) -> Result<AmountLimit, LineError> {
        let value = self.take(field);
        let text = value.as_ref().and_then(Value::as_str);
        match (&value, text) {
            (None | Some(Value::Bool(false)), _) | (_, Some("false")) => Ok(AmountLimit::Exact),
            (Some(Value::Bool(true)), _) | (_, Some("true")) => Ok(AmountLimit::UpTo),
            (_, Some("or_nothing")) => Ok(AmountLimit::UpToOrNothing),
            (Some(other), _) => Err(LineError::field(
                field,
                format!("neither true, false nor or_nothing: {}", shown(other)),
            )),
        }
    }

    pub(super) fn side(&mut self, field: &'static str) -> Result<Option<EntryType>, LineError> {
        let value = self.take(field);
        match value.as_ref().map(|value| (value, value.as_str())) {
            None => Ok(None),
            Some((_, Some("credit"))) => Ok(Some(EntryType::Credit)),
            Some((_, Some("debit"))) => Ok(Some(EntryType::Debit)),
            Some((other, _)) => Err(LineError::field(
                field,
                format!("neither credit nor debit: {}", shown(other)),
            )),
        }
    }

    pub(super) fn version(&mut self, field: &'static str) -> Result<i64, LineError> {
        let version = self.optional_version(field)?;
        Self::required(field, version)
    }

    pub(super) fn optional_version(
        &mut self,
        field: &'static str,
    ) -> Result<Option<i64>, LineError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let message = || format!("not the number of a version: {}", shown(&value));
        number
            .map(Some)
            .ok_or_else(|| LineError::field(field, message()))
    }

    /// Reads the place of a step, from 0 to the last of `steps`.
    pub(super) fn optional_step(
        &mut self,
        field: &'static str,
        steps: usize,
    ) -> Result<Option<usize>, LineError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let place = value.as_u64().and_then(|place| usize::try_from(place).ok());
        let message = || format!("not one of {steps} steps, from 0: {}", shown(&value));
        place
            .filter(|place| *place < steps)
            .map(Some)
            .ok_or_else(|| LineError::field(field, message()))
    }

    /// Reads an object with one member, whose name is one of these, as the place of the name and
    /// the amount that the member has.
    pub(super) fn optional_choice(
        &mut self,
        field: &'static str,
        names: &[&'static str],
    ) -> Result<Option<(usize, Money)>, LineError> {
        let wrong = |found: String| {
            let names = names.join(", ");
            let message = format!("not an object with one of {names} and its amount: {found}");
            LineError::field(field, message)
        };
        let mut members = match self.take(field) {
            None => return Ok(None),
            Some(Value::Object(object)) => Self(object),
            Some(other) => return Err(wrong(shown(&other))),
        };
        let place = names.iter().position(|name| members.0.contains_key(*name));
        let found = place.and_then(|place| Some((place, names.get(place)?)));
        let (Some((place, name)), 1) = (found, members.0.len()) else {
            return Err(wrong(shown(&Value::Object(members.0))));
        };
        let amount = members
            .money(name)
            .map_err(|error| LineError::field(field, format!("{name}: {}", error.message)))?;
        Ok(Some((place, amount)))
    }

    /// Reads a number as a text or a number of JSON.
    pub(super) fn decimal(&mut self, field: &'static str) -> Result<Decimal, LineError> {
        let value = Self::required(field, self.take(field))?;
        let number = match &value {
            Value::Number(number) => number.to_string().parse().ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            LineError::field(
                field,
                format!("not a number such as \"0.0399\": {}", shown(&value)),
            )
        })
    }

    pub(super) fn time(&mut self, field: &'static str) -> Result<Option<DateTime<Utc>>, LineError> {
        let text = self.optional_text(field)?;
        let time = text.map(|text| {
            moment::parse(&text)
                .map_err(|reason| LineError::field(field, format!("{reason}: {}", quoted(&text))))
        });
        time.transpose()
    }

    pub(super) fn day(&mut self, field: &'static str) -> Result<Option<NaiveDate>, LineError> {
        let text = self.optional_text(field)?;
        let day = text.map(|text| {
            let day = (text.len() == 10).then(|| text.parse().ok()).flatten();
            day.ok_or_else(|| {
                LineError::field(
                    field,
                    format!("not a day such as 2026-11-30: {}", quoted(&text)),
                )
            })
        });
        day.transpose()
    }

    /// Reads an object, or the text of one, which is the form in a CSV file.
    pub(super) fn metadata(&mut self, field: &'static str) -> Result<Option<Metadata>, LineError> {
        let metadata = match self.take(field) {
            None => return Ok(None),
            Some(Value::String(text)) => text.parse(),
            Some(Value::Object(object)) => Metadata::new(object),
            Some(other) => {
                let message = format!("not a JSON object: {}", shown(&other));
                return Err(LineError::field(field, message));
            }
        };
        match metadata {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) => Err(LineError::field(field, error)),
        }
    }

    pub(super) fn rounding(&mut self, field: &'static str) -> Result<Rounding, LineError> {
        match self.optional_text(field)?.as_deref() {
            None | Some("in_the_banks_favour") => Ok(Rounding::InTheBanksFavour),
            Some("half_up") => Ok(Rounding::HalfUp),
            Some(other) => Err(LineError::field(
                field,
                format!("neither in_the_banks_favour nor half_up: {}", quoted(other)),
            )),
        }
    }

    /// Reads a list of objects. An error names the place in the list, from 0.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(Self) -> Result<T, LineError>,
    ) -> Result<Vec<T>, LineError> {
        let list = self.optional_list(field, read)?;
        Self::required(field, list)
    }

    /// As [`Self::list`]; none where the field is missing.
    pub(super) fn optional_list<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(Self) -> Result<T, LineError>,
    ) -> Result<Option<Vec<T>>, LineError> {
        let values = match self.take(field) {
            None => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(other) => {
                let message = format!("not a list: {}", shown(&other));
                return Err(LineError::field(field, message));
            }
        };
        let values = values.into_iter().enumerate();
        let read = values.map(|(place, value)| {
            let part = match value {
                Value::Object(object) => read(Self(object)),
                other => Err(LineError::file(format!("not an object: {}", shown(&other)))),
            };
            part.map_err(|error| error.within(field, place))
        });
        read.collect::<Result<_, _>>().map(Some)
    }
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

//! A line of a file as a request.

use neobank_domain::ledger::EntryType;
use neobank_domain::{Money, MoneyError, shortened};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Every field of every kind.
pub(super) const COLUMNS: [&str; 11] = [
    "kind",
    "account",
    "from",
    "to",
    "transfer",
    "amount",
    "side",
    "balance",
    "expected_version",
    "key",
    "description",
];

/// The reason why a line is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineError {
    /// The wrong field, unless the line as a whole is wrong.
    pub(super) field: Option<&'static str>,
    /// The reason.
    pub(super) message: String,
}

/// A line as a request whose accounts are not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineRequest {
    pub(super) movement: Movement,
    pub(super) key: Option<String>,
    pub(super) description: String,
}

/// The kinds of requests, with their accounts by identifier or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Movement {
    Transfer {
        from: String,
        to: String,
        amount: Money,
    },
    Deposit {
        account: String,
        amount: Money,
    },
    Withdrawal {
        account: String,
        amount: Money,
    },
    Interest {
        account: String,
        amount: Money,
        side: EntryType,
    },
    Fee {
        account: String,
        amount: Money,
        side: EntryType,
    },
    Reversal {
        transfer: String,
        amount: Option<Money>,
    },
    Adjustment {
        account: String,
        balance: Money,
        expected_version: i64,
    },
}

/// The fields of a kind. Their values are checked one by one, so that an error names the field.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Fields {
    Transfer {
        from: Value,
        to: Value,
        amount: Value,
        key: Option<Value>,
        description: Option<Value>,
    },
    Deposit(Posting),
    Withdrawal(Posting),
    Interest(SidedPosting),
    Fee(SidedPosting),
    Reversal {
        transfer: Value,
        amount: Option<Value>,
        key: Option<Value>,
        description: Option<Value>,
    },
    Adjustment {
        account: Value,
        balance: Value,
        expected_version: Value,
        description: Option<Value>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Posting {
    account: Value,
    amount: Value,
    key: Option<Value>,
    description: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SidedPosting {
    account: Value,
    amount: Value,
    side: Option<Value>,
    key: Option<Value>,
    description: Option<Value>,
}

impl LineError {
    /// Returns the error of a line as a whole.
    pub(super) fn file(message: String) -> Self {
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
        let outermost = path.split(['.', '[']).next();
        Self {
            field: COLUMNS.into_iter().find(|known| Some(*known) == outermost),
            message,
        }
    }
}

impl LineRequest {
    /// Reads a line's fields.
    pub(super) fn read(fields: Map<String, Value>) -> Result<Self, LineError> {
        let (movement, key, description) = match parse(fields)? {
            Fields::Transfer {
                from,
                to,
                amount,
                key,
                description,
            } => {
                let movement = Movement::Transfer {
                    from: text("from", &from)?,
                    to: text("to", &to)?,
                    amount: money("amount", &amount)?,
                };
                (movement, key, description)
            }
            Fields::Deposit(posting) => {
                let (account, amount) = posting.movement()?;
                let movement = Movement::Deposit { account, amount };
                (movement, posting.key, posting.description)
            }
            Fields::Withdrawal(posting) => {
                let (account, amount) = posting.movement()?;
                let movement = Movement::Withdrawal { account, amount };
                (movement, posting.key, posting.description)
            }
            Fields::Interest(posting) => {
                let movement = Movement::Interest {
                    account: text("account", &posting.account)?,
                    amount: money("amount", &posting.amount)?,
                    side: side(posting.side.as_ref(), EntryType::Credit)?,
                };
                (movement, posting.key, posting.description)
            }
            Fields::Fee(posting) => {
                let movement = Movement::Fee {
                    account: text("account", &posting.account)?,
                    amount: money("amount", &posting.amount)?,
                    side: side(posting.side.as_ref(), EntryType::Debit)?,
                };
                (movement, posting.key, posting.description)
            }
            Fields::Reversal {
                transfer,
                amount,
                key,
                description,
            } => {
                let amount = amount.filter(|amount| !amount.is_null());
                let amount = amount.map(|amount| money("amount", &amount));
                let movement = Movement::Reversal {
                    transfer: text("transfer", &transfer)?,
                    amount: amount.transpose()?,
                };
                (movement, key, description)
            }
            Fields::Adjustment {
                account,
                balance,
                expected_version,
                description,
            } => {
                let movement = Movement::Adjustment {
                    account: text("account", &account)?,
                    balance: money("balance", &balance)?,
                    expected_version: version(&expected_version)?,
                };
                (movement, None, description)
            }
        };
        let optional = |field, value: Option<Value>| {
            let value = value.filter(|value| !value.is_null());
            value.map(|value| text(field, &value)).transpose()
        };
        Ok(Self {
            movement,
            key: optional("key", key)?,
            description: optional("description", description)?.unwrap_or_default(),
        })
    }
}

impl Posting {
    fn movement(&self) -> Result<(String, Money), LineError> {
        let account = text("account", &self.account)?;
        Ok((account, money("amount", &self.amount)?))
    }
}

/// Reads the fields of the line's kind, and names a field that is missing or unknown.
fn parse(fields: Map<String, Value>) -> Result<Fields, LineError> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let message = error.to_string();
        let named = message.split('`').nth(1);
        let known = COLUMNS.into_iter().find(|known| Some(*known) == named);
        let is_kind = message.starts_with("unknown variant");
        LineError {
            field: if is_kind { Some("kind") } else { known },
            message,
        }
    })
}

fn text(field: &'static str, value: &Value) -> Result<String, LineError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(LineError::field(
            field,
            format!("not a text: {}", shown(other)),
        )),
    }
}

/// Reads `"250.00 CZK"`, or the object of the JSON contract.
fn money(field: &'static str, value: &Value) -> Result<Money, LineError> {
    match value {
        Value::String(text) => text
            .parse()
            .map_err(|error: MoneyError| LineError::field(field, error)),
        Value::Object(_) => {
            Money::deserialize(value).map_err(|error| LineError::field(field, error))
        }
        other => Err(LineError::field(
            field,
            format!("not an amount such as \"250.00 CZK\": {}", shown(other)),
        )),
    }
}

fn side(value: Option<&Value>, default: EntryType) -> Result<EntryType, LineError> {
    match value.and_then(Value::as_str) {
        Some("credit") => Ok(EntryType::Credit),
        Some("debit") => Ok(EntryType::Debit),
        _ => match value {
            None | Some(Value::Null) => Ok(default),
            Some(other) => Err(LineError::field(
                "side",
                format!("neither credit nor debit: {}", shown(other)),
            )),
        },
    }
}

fn version(value: &Value) -> Result<i64, LineError> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| {
        let message = format!("not the number of a version: {}", shown(value));
        LineError::field("expected_version", message)
    })
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<LineRequest, LineError> {
        LineRequest::read(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn each_kind_is_read() {
        let amount: Money = "1.50 CZK".parse().unwrap();
        let (a, b) = ("A".to_owned(), "B".to_owned());
        for (json, movement) in [
            (
                r#"{"kind": "transfer", "from": "A", "to": "B", "amount": "1.5 CZK"}"#,
                Movement::Transfer {
                    from: a.clone(),
                    to: b,
                    amount,
                },
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": {"amount": "1.50", "currency": "CZK"}}"#,
                Movement::Deposit {
                    account: a.clone(),
                    amount,
                },
            ),
            (
                r#"{"kind": "withdrawal", "account": "A", "amount": "1.50 CZK"}"#,
                Movement::Withdrawal {
                    account: a.clone(),
                    amount,
                },
            ),
            (
                r#"{"kind": "interest", "account": "A", "amount": "1.50 CZK"}"#,
                Movement::Interest {
                    account: a.clone(),
                    amount,
                    side: EntryType::Credit,
                },
            ),
            (
                r#"{"kind": "fee", "account": "A", "amount": "1.50 CZK", "side": "credit"}"#,
                Movement::Fee {
                    account: a.clone(),
                    amount,
                    side: EntryType::Credit,
                },
            ),
            (
                r#"{"kind": "fee", "account": "A", "amount": "1.50 CZK"}"#,
                Movement::Fee {
                    account: a.clone(),
                    amount,
                    side: EntryType::Debit,
                },
            ),
            (
                r#"{"kind": "reversal", "transfer": "rent-11"}"#,
                Movement::Reversal {
                    transfer: "rent-11".to_owned(),
                    amount: None,
                },
            ),
            (
                r#"{"kind": "adjustment", "account": "A", "balance": "1.50 CZK", "expected_version": "7"}"#,
                Movement::Adjustment {
                    account: a,
                    balance: amount,
                    expected_version: 7,
                },
            ),
        ] {
            assert_eq!(read(json).unwrap().movement, movement, "{json}");
        }
        let named = r#"{"kind": "deposit", "account": "A", "amount": "1 CZK", "key": "k", "description": null}"#;
        let named = read(named).unwrap();
        assert_eq!(
            (named.key.as_deref(), named.description.as_str()),
            (Some("k"), "")
        );
    }

    #[test]
    fn errors_name_the_field() {
        for (json, field) in [
            (r#"{"from": "A"}"#, Some("kind")),
            (r#"{"kind": "gift"}"#, Some("kind")),
            (
                r#"{"kind": "transfer", "to": "B", "amount": "1 CZK"}"#,
                Some("from"),
            ),
            (
                r#"{"kind": "transfer", "from": 1, "to": "B", "amount": "1 CZK"}"#,
                Some("from"),
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": 1}"#,
                Some("amount"),
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": "1"}"#,
                Some("amount"),
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": "1.005 CZK"}"#,
                Some("amount"),
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": "1 CZK", "side": "debit"}"#,
                Some("side"),
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": "1 CZK", "amout": "2"}"#,
                None,
            ),
            (
                r#"{"kind": "fee", "account": "A", "amount": "1 CZK", "side": "left"}"#,
                Some("side"),
            ),
            (
                r#"{"kind": "fee", "account": "A", "amount": "1 CZK", "key": 7}"#,
                Some("key"),
            ),
            (
                r#"{"kind": "adjustment", "account": "A", "balance": "1 CZK", "expected_version": 1.5}"#,
                Some("expected_version"),
            ),
            (
                r#"{"kind": "adjustment", "account": "A", "balance": "1 CZK", "expected_version": 1, "key": "k"}"#,
                Some("key"),
            ),
        ] {
            let error = read(json).unwrap_err();
            assert_eq!(error.field, field, "{json}: {}", error.message);
        }
        let unknown = read(r#"{"kind": "fee", "account": "A", "amount": "1 CZK", "amout": "2"}"#);
        assert!(unknown.unwrap_err().message.contains("`amout`"));
    }
}

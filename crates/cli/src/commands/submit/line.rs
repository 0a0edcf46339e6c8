//! A line of a file as a request.

use chrono::{DateTime, Utc};
use neobank_domain::Money;
use neobank_domain::ledger::{
    AmountLimit, Attributes, EntryType, Given, GroupRequest, PostingKind, Rounding,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::conditions::{self, LineCondition};
use super::fields::{Fields, LineError};

/// A line as a request whose accounts are not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineRequest {
    pub(super) movement: Movement,
    pub(super) key: Option<String>,
    pub(super) description: String,
    pub(super) attributes: Attributes,
}

/// The kinds of requests, with their accounts by identifier or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Movement {
    Transfer {
        from: String,
        to: String,
        amount: Money,
        limit: AmountLimit,
    },
    Posting {
        account: String,
        kind: PostingKind,
        side: EntryType,
        amount: Money,
        event_time: Option<DateTime<Utc>>,
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
    Hold {
        account: String,
        to: Option<String>,
        amount: Money,
        expires_at: Option<DateTime<Utc>>,
    },
    Capture {
        hold: HoldName,
        to: Option<String>,
        amount: Option<Money>,
        keep_rest: bool,
    },
    Release {
        hold: HoldName,
        if_open: bool,
    },
    Expiry {
        hold: String,
    },
    Exchange(Box<Exchange>),
    JournalEntry {
        debits: Vec<Side>,
        credits: Vec<Side>,
        terms: Terms,
    },
    Group {
        steps: Vec<LineRequest>,
        terms: Terms,
    },
}

/// The hold that a capture or a release names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HoldName {
    /// An identifier or a key.
    Text(String),
    /// The hold of an earlier step of the same group, counted from 0.
    Step(usize),
}

/// The conditions of a group or a journal entry, and the time from which it is rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) conditions: Vec<LineCondition>,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

/// The fields of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) given: Given,
    pub(super) currency: String,
    pub(super) rate: Decimal,
    pub(super) rounding: Rounding,
    pub(super) quote: Option<(String, DateTime<Utc>)>,
    pub(super) spread: Option<Money>,
}

/// One line of a journal entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) account: String,
    pub(super) amount: Money,
    pub(super) description: String,
}

/// The kinds, as a line names them.
const KINDS: [&str; 14] = [
    "transfer",
    "deposit",
    "withdrawal",
    "interest",
    "fee",
    "reversal",
    "adjustment",
    "hold",
    "capture",
    "release",
    "expiry",
    "exchange",
    "journal_entry",
    "group",
];

impl Movement {
    /// Returns true for a request that has no idempotency key: the account's version keeps an
    /// adjustment from happening twice, and a hold expires once.
    pub(super) const fn is_keyless(&self) -> bool {
        matches!(self, Self::Adjustment { .. } | Self::Expiry { .. })
    }

    /// Returns true for a request that is several, and so cannot be a step of a group.
    const fn is_group(&self) -> bool {
        matches!(
            self,
            Self::Exchange(_) | Self::JournalEntry { .. } | Self::Group { .. }
        )
    }

    const fn has_description(&self) -> bool {
        !matches!(self, Self::Release { .. } | Self::Expiry { .. })
    }

    const fn has_metadata(&self) -> bool {
        !matches!(self, Self::Expiry { .. })
    }

    const fn has_value_date(&self) -> bool {
        !matches!(
            self,
            Self::Hold { .. } | Self::Release { .. } | Self::Expiry { .. }
        )
    }
}

impl LineRequest {
    /// Reads a line's fields.
    pub(super) fn read(fields: Map<String, Value>) -> Result<Self, LineError> {
        let mut fields = Fields::new(fields);
        let movement = movement(&mut fields)?;
        let key = if movement.is_keyless() {
            None
        } else {
            fields.optional_text("key")?
        };
        let description = if movement.has_description() {
            fields.optional_text("description")?.unwrap_or_default()
        } else {
            String::new()
        };
        let mut attributes = Attributes::default();
        if movement.has_metadata() {
            attributes.metadata = fields.metadata("metadata")?;
        }
        if movement.has_value_date() {
            attributes.value_date = fields.day("value_date")?;
        }
        fields.finish()?;
        Ok(Self {
            movement,
            key,
            description,
            attributes,
        })
    }
}

fn movement(fields: &mut Fields) -> Result<Movement, LineError> {
    let kind = fields.text("kind")?;
    Ok(match kind.as_str() {
        "transfer" => Movement::Transfer {
            from: fields.text("from")?,
            to: fields.text("to")?,
            amount: fields.money("amount")?,
            limit: fields.limit("up_to")?,
        },
        "deposit" => posting(fields, PostingKind::External, EntryType::Credit)?,
        "withdrawal" => posting(fields, PostingKind::External, EntryType::Debit)?,
        "interest" => {
            let side = fields.side("side")?.unwrap_or(EntryType::Credit);
            posting(fields, PostingKind::Interest, side)?
        }
        "fee" => {
            let side = fields.side("side")?.unwrap_or(EntryType::Debit);
            posting(fields, PostingKind::Fee, side)?
        }
        "reversal" => Movement::Reversal {
            transfer: fields.text("transfer")?,
            amount: fields.optional_money("amount")?,
        },
        "adjustment" => Movement::Adjustment {
            account: fields.text("account")?,
            balance: fields.money("balance")?,
            expected_version: fields.version("expected_version")?,
        },
        "hold" => Movement::Hold {
            account: fields.text("account")?,
            to: fields.optional_text("to")?,
            amount: fields.money("amount")?,
            expires_at: fields.time("expires_at")?,
        },
        "capture" => Movement::Capture {
            hold: hold_name(fields)?,
            to: fields.optional_text("to")?,
            amount: fields.optional_money("amount")?,
            keep_rest: fields.flag("keep_rest")?,
        },
        "release" => Movement::Release {
            hold: hold_name(fields)?,
            if_open: fields.flag("if_open")?,
        },
        "expiry" => Movement::Expiry {
            hold: fields.text("hold")?,
        },
        "exchange" => Movement::Exchange(Box::new(exchange(fields)?)),
        "journal_entry" => {
            let (debits, credits) = (sides(fields, "debits")?, sides(fields, "credits")?);
            let terms = terms(fields, debits.len() + credits.len())?;
            Movement::JournalEntry {
                debits,
                credits,
                terms,
            }
        }
        "group" => {
            let steps = steps(fields)?;
            let terms = terms(fields, steps.len())?;
            Movement::Group { steps, terms }
        }
        other => {
            let message = format!(
                "unknown kind {:?}: the kinds are {}",
                neobank_domain::shortened(other),
                KINDS.join(", ")
            );
            return Err(LineError::field("kind", message));
        }
    })
}

fn posting(fields: &mut Fields, kind: PostingKind, side: EntryType) -> Result<Movement, LineError> {
    Ok(Movement::Posting {
        account: fields.text("account")?,
        kind,
        side,
        amount: fields.money("amount")?,
        event_time: fields.time("event_time")?,
    })
}

fn hold_name(fields: &mut Fields) -> Result<HoldName, LineError> {
    match fields.optional_step("hold_step", GroupRequest::STEPS_MAX)? {
        None => fields.text("hold").map(HoldName::Text),
        Some(step) => match fields.optional_text("hold")? {
            None => Ok(HoldName::Step(step)),
            Some(_) => {
                let message = "give either hold or hold_step";
                Err(LineError::field("hold_step", message))
            }
        },
    }
}

fn terms(fields: &mut Fields, steps: usize) -> Result<Terms, LineError> {
    Ok(Terms {
        conditions: conditions::read(fields, steps)?,
        expires_at: fields.time("expires_at")?,
    })
}

fn exchange(fields: &mut Fields) -> Result<Exchange, LineError> {
    let given = match (
        fields.optional_money("sold")?,
        fields.optional_money("bought")?,
    ) {
        (Some(sold), None) => Given::Sold(sold),
        (None, Some(bought)) => Given::Bought(bought),
        _ => {
            let message = "give one side of the exchange: either sold or bought";
            return Err(LineError::field("sold", message));
        }
    };
    let quote = fields.optional_text("quote")?;
    let expires_at = fields.time("quote_expires_at")?;
    let quote = match (quote, expires_at) {
        (Some(quote), Some(expires_at)) => Some((quote, expires_at)),
        (None, None) => None,
        _ => {
            let message = "a quote has both: quote and quote_expires_at";
            return Err(LineError::field("quote", message));
        }
    };
    Ok(Exchange {
        from: fields.text("from")?,
        to: fields.text("to")?,
        given,
        currency: fields.text("currency")?,
        rate: fields.decimal("rate")?,
        rounding: fields.rounding("rounding")?,
        quote,
        spread: fields.optional_money("spread")?,
    })
}

fn sides(fields: &mut Fields, name: &'static str) -> Result<Vec<Side>, LineError> {
    let read = |mut fields: Fields| {
        let side = Side {
            account: fields.text("account")?,
            amount: fields.money("amount")?,
            description: fields.optional_text("description")?.unwrap_or_default(),
        };
        fields.finish()?;
        Ok(side)
    };
    fields.list(name, read)
}

fn steps(fields: &mut Fields) -> Result<Vec<LineRequest>, LineError> {
    fields.list("steps", |step| {
        let read = LineRequest::read(step.into_map())?;
        if read.movement.is_group() {
            return Err(LineError::field("kind", "a step of a group is no group"));
        }
        if read.key.is_some() {
            let message = "a step of a group has no key of its own: the group has one";
            return Err(LineError::field("key", message));
        }
        Ok(read)
    })
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
                    to: b.clone(),
                    amount,
                    limit: AmountLimit::Exact,
                },
            ),
            (
                r#"{"kind": "transfer", "from": "A", "to": "B", "amount": "1.5 CZK", "up_to": "true"}"#,
                Movement::Transfer {
                    from: a.clone(),
                    to: b.clone(),
                    amount,
                    limit: AmountLimit::UpTo,
                },
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": {"amount": "1.50", "currency": "CZK"}}"#,
                Movement::Posting {
                    account: a.clone(),
                    kind: PostingKind::External,
                    side: EntryType::Credit,
                    amount,
                    event_time: None,
                },
            ),
            (
                r#"{"kind": "withdrawal", "account": "A", "amount": "1.50 CZK"}"#,
                Movement::Posting {
                    account: a.clone(),
                    kind: PostingKind::External,
                    side: EntryType::Debit,
                    amount,
                    event_time: None,
                },
            ),
            (
                r#"{"kind": "interest", "account": "A", "amount": "1.50 CZK"}"#,
                Movement::Posting {
                    account: a.clone(),
                    kind: PostingKind::Interest,
                    side: EntryType::Credit,
                    amount,
                    event_time: None,
                },
            ),
            (
                r#"{"kind": "fee", "account": "A", "amount": "1.50 CZK", "side": "credit"}"#,
                Movement::Posting {
                    account: a.clone(),
                    kind: PostingKind::Fee,
                    side: EntryType::Credit,
                    amount,
                    event_time: None,
                },
            ),
            (
                r#"{"kind": "fee", "account": "A", "amount": "1.50 CZK"}"#,
                Movement::Posting {
                    account: a.clone(),
                    kind: PostingKind::Fee,
                    side: EntryType::Debit,
                    amount,
                    event_time: None,
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
                    account: a.clone(),
                    balance: amount,
                    expected_version: 7,
                },
            ),
            (
                r#"{"kind": "hold", "account": "A", "amount": "1.50 CZK", "expires_at": "2026-12-01"}"#,
                Movement::Hold {
                    account: a.clone(),
                    to: None,
                    amount,
                    expires_at: "2026-12-01T00:00:00Z".parse().ok(),
                },
            ),
            (
                r#"{"kind": "capture", "hold": "h", "to": "B", "amount": "1.50 CZK", "keep_rest": true}"#,
                Movement::Capture {
                    hold: HoldName::Text("h".to_owned()),
                    to: Some(b.clone()),
                    amount: Some(amount),
                    keep_rest: true,
                },
            ),
            (
                r#"{"kind": "release", "hold": "h", "metadata": "{\"a\": 1}"}"#,
                Movement::Release {
                    hold: HoldName::Text("h".to_owned()),
                    if_open: false,
                },
            ),
            (
                r#"{"kind": "release", "hold_step": 2, "if_open": true}"#,
                Movement::Release {
                    hold: HoldName::Step(2),
                    if_open: true,
                },
            ),
            (
                r#"{"kind": "expiry", "hold": "h"}"#,
                Movement::Expiry {
                    hold: "h".to_owned(),
                },
            ),
            (
                r#"{"kind": "transfer", "from": "A", "to": "B", "amount": "1.5 CZK", "up_to": "or_nothing"}"#,
                Movement::Transfer {
                    from: a.clone(),
                    to: b.clone(),
                    amount,
                    limit: AmountLimit::UpToOrNothing,
                },
            ),
            (
                r#"{"kind": "withdrawal", "account": "A", "amount": "1.50 CZK", "event_time": "2026-12-01"}"#,
                Movement::Posting {
                    account: a.clone(),
                    kind: PostingKind::External,
                    side: EntryType::Debit,
                    amount,
                    event_time: "2026-12-01T00:00:00Z".parse().ok(),
                },
            ),
            (
                r#"{"kind": "exchange", "from": "A", "to": "B", "sold": "1.50 CZK", "currency": "EUR", "rate": "0.04",
                    "quote": "q", "quote_expires_at": "2026-12-01", "rounding": "half_up"}"#,
                Movement::Exchange(Box::new(Exchange {
                    from: a.clone(),
                    to: b.clone(),
                    given: Given::Sold(amount),
                    currency: "EUR".to_owned(),
                    rate: "0.04".parse().unwrap(),
                    rounding: Rounding::HalfUp,
                    quote: Some(("q".to_owned(), "2026-12-01T00:00:00Z".parse().unwrap())),
                    spread: None,
                })),
            ),
            (
                r#"{"kind": "journal_entry", "debits": [{"account": "A", "amount": "1.50 CZK"}],
                    "credits": [{"account": "B", "amount": "1.50 CZK", "description": "x"}]}"#,
                Movement::JournalEntry {
                    debits: vec![Side {
                        account: a.clone(),
                        amount,
                        description: String::new(),
                    }],
                    credits: vec![Side {
                        account: b,
                        amount,
                        description: "x".to_owned(),
                    }],
                    terms: Terms::default(),
                },
            ),
            (
                r#"{"kind": "group", "steps": [{"kind": "deposit", "account": "A", "amount": "1.50 CZK"}]}"#,
                Movement::Group {
                    steps: vec![LineRequest {
                        movement: Movement::Posting {
                            account: a,
                            kind: PostingKind::External,
                            side: EntryType::Credit,
                            amount,
                            event_time: None,
                        },
                        key: None,
                        description: String::new(),
                        attributes: Attributes::default(),
                    }],
                    terms: Terms::default(),
                },
            ),
        ] {
            let found = read(json);
            assert!(found.is_ok(), "{json}: {found:?}");
            assert_eq!(found.unwrap().movement, movement, "{json}");
        }
        let named = r#"{"kind": "deposit", "account": "A", "amount": "1 CZK", "key": "k", "description": null,
                        "metadata": {"b": 1, "a": 2}, "value_date": "2026-11-30"}"#;
        let named = read(named).unwrap();
        assert_eq!(
            (named.key.as_deref(), named.description.as_str()),
            (Some("k"), "")
        );
        let metadata = named.attributes.metadata.unwrap();
        assert_eq!(metadata.as_str(), r#"{"a":2,"b":1}"#);
        assert_eq!(named.attributes.value_date, "2026-11-30".parse().ok());
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
                r#"{"kind": "transfer", "from": "A", "to": "B", "amount": "1 CZK", "up_to": "yes"}"#,
                Some("up_to"),
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
                r#"{"kind": "deposit", "account": "A", "amount": "1 CZK", "metadata": []}"#,
                Some("metadata"),
            ),
            (
                r#"{"kind": "deposit", "account": "A", "amount": "1 CZK", "value_date": "30.11.2026"}"#,
                Some("value_date"),
            ),
            (
                r#"{"kind": "hold", "account": "A", "amount": "1 CZK", "value_date": "2026-11-30"}"#,
                Some("value_date"),
            ),
            (
                r#"{"kind": "hold", "account": "A", "amount": "1 CZK", "expires_at": "soon"}"#,
                Some("expires_at"),
            ),
            (
                r#"{"kind": "release", "hold": "h", "description": "x"}"#,
                Some("description"),
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
            (
                r#"{"kind": "exchange", "from": "A", "to": "B", "currency": "EUR", "rate": "0.04"}"#,
                Some("sold"),
            ),
            (
                r#"{"kind": "exchange", "from": "A", "to": "B", "sold": "1 CZK", "currency": "EUR", "rate": "x"}"#,
                Some("rate"),
            ),
            (
                r#"{"kind": "exchange", "from": "A", "to": "B", "sold": "1 CZK", "currency": "EUR", "rate": "1", "quote": "q"}"#,
                Some("quote"),
            ),
            (
                r#"{"kind": "journal_entry", "debits": [{"account": "A"}], "credits": []}"#,
                Some("debits"),
            ),
            (
                r#"{"kind": "capture", "hold": "h", "hold_step": 1}"#,
                Some("hold_step"),
            ),
            (
                r#"{"kind": "group", "steps": [{"kind": "release", "hold": "h", "key": "k"}]}"#,
                Some("steps"),
            ),
            (
                r#"{"kind": "group", "steps": [{"kind": "group", "steps": []}]}"#,
                Some("steps"),
            ),
            (
                r#"{"kind": "group", "steps": [], "conditions": 1}"#,
                Some("conditions"),
            ),
            (
                r#"{"kind": "transfer", "from": "A", "to": "B", "amount": "1 CZK", "conditions": []}"#,
                Some("conditions"),
            ),
            (
                r#"{"kind": "expiry", "hold": "h", "metadata": {}}"#,
                Some("metadata"),
            ),
            (
                r#"{"kind": "hold", "account": "A", "amount": "1 CZK", "event_time": "2026-11-30"}"#,
                Some("event_time"),
            ),
            (
                r#"{"kind": "group", "steps": [{"kind": "expiry", "hold": "h"}], "version": 1}"#,
                Some("version"),
            ),
        ] {
            let error = read(json).unwrap_err();
            assert_eq!(error.field, field, "{json}: {}", error.message);
        }
        let unknown = read(r#"{"kind": "fee", "account": "A", "amount": "1 CZK", "amout": "2"}"#);
        assert!(unknown.unwrap_err().message.contains("`amout`"));
        let step =
            r#"{"kind": "group", "steps": [{"kind": "fee", "account": "A", "amount": "1"}]}"#;
        let message = read(step).unwrap_err().message;
        assert!(message.starts_with("steps[0], amount: "), "{message}");
    }
}

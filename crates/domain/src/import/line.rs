//! One line of each file.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ImportError;
use super::read::Fields;
use crate::ledger::{Direction, PostingKind};
use crate::{AccountId, Currency, CustomerId, Money, PostingRequest};

/// A customer in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerLine {
    /// The line in the file, from 1.
    pub line: u64,
    /// The identifier in the source.
    pub source_id: String,
    /// The identifier here, made from that.
    pub customer_id: CustomerId,
    /// Date of birth.
    pub date_of_birth: Option<NaiveDate>,
}

/// An account in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLine {
    /// The line in the file, from 1.
    pub line: u64,
    /// The identifier in the source.
    pub source_id: String,
    /// The identifier here, made from that.
    pub account_id: AccountId,
    /// Its owner's identifier in the source.
    pub customer: String,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
}

/// A transaction in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLine {
    /// The line in the file, from 1.
    pub line: u64,
    /// The identifier in the source.
    pub source_id: String,
    /// The account's identifier in the source.
    pub account: String,
    /// The account's identifier here.
    pub account_id: AccountId,
    /// The balance that the bank recorded after it.
    pub recorded_balance: Money,
    /// What to ask the ledger for.
    pub request: PostingRequest,
}

impl CustomerLine {
    pub(super) const FILE: &'static str = "customers";
    pub(super) const COLUMNS: &'static [&'static str] = &["customer_id", "date_of_birth"];

    pub(super) fn read(fields: &Fields<'_>, source: &str) -> Result<Self, ImportError> {
        let source_id = fields.identifier("customer_id")?;
        let date_of_birth = if fields.get("date_of_birth").is_empty() {
            None
        } else {
            Some(fields.date("date_of_birth")?)
        };
        Ok(Self {
            line: fields.line,
            customer_id: derived(source, "customer", &source_id).into(),
            source_id,
            date_of_birth,
        })
    }
}

impl AccountLine {
    pub(super) const FILE: &'static str = "accounts";
    pub(super) const COLUMNS: &'static [&'static str] = &["account_id", "customer_id", "opened_on"];

    pub(super) fn read(fields: &Fields<'_>, source: &str) -> Result<Self, ImportError> {
        let source_id = fields.identifier("account_id")?;
        Ok(Self {
            line: fields.line,
            account_id: derived(source, "account", &source_id).into(),
            source_id,
            customer: fields.identifier("customer_id")?,
            opened_at: midnight(fields.date("opened_on")?),
        })
    }
}

impl TransactionLine {
    pub(super) const FILE: &'static str = "transactions";
    pub(super) const COLUMNS: &'static [&'static str] = &[
        "transaction_id",
        "account_id",
        "date",
        "movement",
        "balance",
        "operation",
        "purpose",
    ];

    pub(super) fn read(
        fields: &Fields<'_>,
        source: &str,
        currency: Currency,
    ) -> Result<Self, ImportError> {
        let source_id = fields.identifier("transaction_id")?;
        let account = fields.identifier("account_id")?;
        let account_id = AccountId::from(derived(source, "account", &account));
        let movement = fields.money("movement", currency)?;
        if movement.is_zero() {
            return Err(fields.problem("movement", "nothing moves"));
        }
        let (direction, amount) = if movement.is_positive() {
            (Direction::Credit, movement)
        } else {
            (Direction::Debit, movement.negated())
        };
        let (operation, purpose) = (fields.get("operation"), fields.get("purpose"));
        let request = PostingRequest::new(account_id, kind(purpose), direction, amount)
            .described(description(operation, purpose))
            .with_key(format!("{source}/transaction/{source_id}"))
            .at(midnight(fields.date("date")?));
        Ok(Self {
            line: fields.line,
            source_id,
            account,
            account_id,
            recorded_balance: fields.money("balance", currency)?,
            request,
        })
    }
}

fn kind(purpose: &str) -> PostingKind {
    match purpose {
        "interest" | "overdraft interest" => PostingKind::Interest,
        "statement fee" => PostingKind::Fee,
        _ => PostingKind::External,
    }
}

fn description(operation: &str, purpose: &str) -> String {
    match (operation, purpose) {
        (operation, "") => operation.to_owned(),
        // The source calls everything that is not a payment "other".
        ("" | "other", purpose) => purpose.to_owned(),
        (operation, purpose) => format!("{operation}: {purpose}"),
    }
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// The same identifier for the same thing of the same source, whenever it is imported: a version 8 UUID (RFC 9562) of the
/// first 128 bits of a SHA-256.
fn derived(source: &str, kind: &str, source_id: &str) -> Uuid {
    let digest = Sha256::digest(format!("neobank import\n{source}\n{kind}\n{source_id}"));
    let mut bytes = [0; 16];
    for (byte, digest) in bytes.iter_mut().zip(digest.iter()) {
        *byte = *digest;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

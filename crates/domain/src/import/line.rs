//! The lines of the three files, and the identifiers that are derived from them.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::read::Fields;
use super::{ImportError, ImportOptions};
use crate::customers::CustomerType;
use crate::ledger::{EntryType, PostingKind};
use crate::{AccountId, AccountType, Currency, CustomerId, Money, PostingRequest};

/// A line of the file of customers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomerLine {
    /// The line number, from 1.
    pub line: u64,
    /// The customer's identifier in the source.
    pub source_id: String,
    /// The customer's identifier in the database, derived from the source's.
    pub customer_id: CustomerId,
    /// The date of birth, where the source has one.
    pub date_of_birth: Option<NaiveDate>,
    /// The given name, where the source has one.
    pub first_name: Option<String>,
    /// The family name, where the source has one.
    pub last_name: Option<String>,
    /// The e-mail address, where the source has one.
    pub email: Option<String>,
    /// The telephone number, where the source has one.
    pub phone: Option<String>,
    /// The type of the customer; an individual where the source has none.
    pub customer_type: CustomerType,
    /// The customer number in the source; the database makes one where the source has none.
    pub customer_number: Option<String>,
}

/// A line of the file of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountLine {
    /// The line number, from 1.
    pub line: u64,
    /// The account's identifier in the source.
    pub source_id: String,
    /// The account's identifier in the database, derived from the source's.
    pub account_id: AccountId,
    /// The owner's identifier in the source.
    pub customer: String,
    /// The day on which the account was opened, in its own time zone.
    pub opened_on: NaiveDate,
    /// The type of the account; a checking account where the source has none.
    pub account_type: AccountType,
    /// The account's currency; the history's where the source has none.
    pub currency: Currency,
    /// The time zone of the account's dates; the history's where the source has none.
    pub time_zone: String,
    /// The account number in the source; the database makes one where the source has none.
    pub account_number: Option<String>,
}

/// A line of the file of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionLine {
    /// The line number, from 1.
    pub line: u64,
    /// The transaction's identifier in the source.
    pub source_id: String,
    /// The account's identifier in the source.
    pub account: String,
    /// The account's identifier in the database.
    pub account_id: AccountId,
    /// The day of the transaction, in the account's time zone.
    pub date: NaiveDate,
    /// The balance that the bank recorded after the transaction.
    pub recorded_balance: Money,
    /// The request to the ledger. Its time is the start of the day in UTC, until
    /// [`run`](super::run) reads the account's time zone.
    pub request: PostingRequest,
}

impl CustomerLine {
    pub(super) const FILE: &'static str = "customers";
    pub(super) const COLUMNS: &'static [&'static str] = &["customer_id", "date_of_birth"];
    pub(super) const OPTIONAL: &'static [&'static str] = &[
        "first_name",
        "last_name",
        "email",
        "phone",
        "customer_type",
        "customer_number",
    ];

    pub(super) fn read(fields: &Fields<'_>, source: &str) -> Result<Self, ImportError> {
        let source_id = fields.identifier("customer_id")?;
        let date_of_birth = if fields.get("date_of_birth").is_empty() {
            None
        } else {
            Some(fields.date("date_of_birth")?)
        };
        Ok(Self {
            line: fields.line,
            customer_id: customer_id(source, &source_id),
            source_id,
            date_of_birth,
            first_name: fields.optional("first_name"),
            last_name: fields.optional("last_name"),
            email: fields.optional("email"),
            phone: fields.optional("phone"),
            customer_type: match fields.get("customer_type") {
                "" => CustomerType::Individual,
                name => name
                    .parse()
                    .map_err(|_| fields.problem("customer_type", "not individual or business"))?,
            },
            customer_number: fields.optional("customer_number"),
        })
    }
}

impl AccountLine {
    pub(super) const FILE: &'static str = "accounts";
    pub(super) const COLUMNS: &'static [&'static str] = &["account_id", "customer_id", "opened_on"];
    pub(super) const OPTIONAL: &'static [&'static str] =
        &["account_type", "currency", "time_zone", "account_number"];

    pub(super) fn read(fields: &Fields<'_>, options: &ImportOptions) -> Result<Self, ImportError> {
        let source = &options.source;
        let source_id = fields.identifier("account_id")?;
        Ok(Self {
            line: fields.line,
            account_id: account_id(source, &source_id),
            source_id,
            customer: fields.identifier("customer_id")?,
            opened_on: fields.date("opened_on")?,
            account_type: match fields.get("account_type") {
                "" => AccountType::Checking,
                name => name
                    .parse()
                    .ok()
                    .filter(|account_type| *account_type != AccountType::System)
                    .ok_or_else(|| {
                        fields.problem("account_type", "not checking, savings or business")
                    })?,
            },
            currency: match fields.get("currency") {
                "" => options.currency,
                code => {
                    Currency::from_code(code).map_err(|error| fields.problem("currency", error))?
                }
            },
            time_zone: match fields.get("time_zone") {
                "" => options.time_zone.clone(),
                zone => zone.to_owned(),
            },
            account_number: fields.optional("account_number"),
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
        currency: impl Fn(&str) -> Currency,
    ) -> Result<Self, ImportError> {
        let source_id = fields.identifier("transaction_id")?;
        let account = fields.identifier("account_id")?;
        let currency = currency(&account);
        let date = fields.date("date")?;
        let account_id = account_id(source, &account);
        let movement = fields.money("movement", currency)?;
        if movement.is_zero() {
            return Err(fields.problem("movement", "nothing moves"));
        }
        let (direction, amount) = if movement.is_positive() {
            (EntryType::Credit, movement)
        } else {
            (EntryType::Debit, movement.negated())
        };
        let (operation, purpose) = (fields.get("operation"), fields.get("purpose"));
        if !OPERATIONS.contains(&operation) {
            let known = OPERATIONS.join(", ");
            let reason = format!("not an operation that can be imported: one of: none{known}");
            return Err(fields.problem("operation", reason));
        }
        let request = PostingRequest::new(account_id, kind(purpose), direction, amount)
            .with_description(description(operation, purpose))
            .with_idempotency_key(format!("{source}/transaction/{source_id}"))
            .effective_at(midnight(date));
        Ok(Self {
            line: fields.line,
            source_id,
            account,
            account_id,
            date,
            recorded_balance: fields.money("balance", currency)?,
            request,
        })
    }
}

/// The operations that a source may name. The empty text means no operation.
const OPERATIONS: &[&str] = &[
    "",
    "cash deposit",
    "cash withdrawal",
    "card withdrawal",
    "transfer in",
    "transfer out",
    "other",
];

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

pub(super) fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// Returns the identifier in the database of an account that was imported from a source.
#[must_use]
pub fn account_id(source: &str, source_id: &str) -> AccountId {
    derived(source, "account", source_id).into()
}

/// Returns the identifier in the database of a customer that was imported from a source.
#[must_use]
pub fn customer_id(source: &str, source_id: &str) -> CustomerId {
    derived(source, "customer", source_id).into()
}

/// Derives an identifier from the names in a source, so that every import gives the same one: a
/// UUID of version 8 (RFC 9562) from the first 128 bits of a SHA-256.
fn derived(source: &str, kind: &str, source_id: &str) -> Uuid {
    let digest = Sha256::digest(format!("neobank import\n{source}\n{kind}\n{source_id}"));
    let mut bytes = [0; 16];
    for (byte, digest) in bytes.iter_mut().zip(digest.iter()) {
        *byte = *digest;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

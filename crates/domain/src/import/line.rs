//! One line of each file.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::read::Fields;
use super::{ImportError, ImportOptions};
use crate::customers::CustomerType;
use crate::ledger::{EntryType, PostingKind};
use crate::{AccountId, AccountType, Currency, CustomerId, Money, PostingRequest};

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
    /// Given name, where the source has one.
    pub first_name: Option<String>,
    /// Family name, where the source has one.
    pub last_name: Option<String>,
    /// E-mail address, where the source has one.
    pub email: Option<String>,
    /// Telephone number, where the source has one.
    pub phone: Option<String>,
    /// The kind of customer; an individual where the source has none.
    pub customer_type: CustomerType,
    /// The number that the source uses with people; the database makes one where the source has none.
    pub customer_number: Option<String>,
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
    /// The day on which it was opened, in its time zone.
    pub opened_on: NaiveDate,
    /// The kind of account; a checking account where the source has none.
    pub account_type: AccountType,
    /// The account's currency; the history's where the source has none.
    pub currency: Currency,
    /// The zone whose days the account's dates are; the history's where the source has none.
    pub time_zone: String,
    /// The number that the source uses with people; the database makes one where the source has none.
    pub account_number: Option<String>,
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
    /// The day, in the account's time zone.
    pub date: NaiveDate,
    /// The balance that the bank recorded after it.
    pub recorded_balance: Money,
    /// The request to the ledger. Its time is the start of the day in UTC until the account's zone is known.
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

/// The operations that a source may name; an empty one is none.
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

/// Returns the identifier here of an account that was imported from a source.
#[must_use]
pub fn account_id(source: &str, source_id: &str) -> AccountId {
    derived(source, "account", source_id).into()
}

/// Returns the identifier here of a customer who was imported from a source.
#[must_use]
pub fn customer_id(source: &str, source_id: &str) -> CustomerId {
    derived(source, "customer", source_id).into()
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

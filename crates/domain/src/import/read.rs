//! Reads and checks the files, without a database.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord};

use super::ImportError;
use super::line::{AccountLine, CustomerLine, TransactionLine};
use crate::{Currency, Money};

/// The three files. The first line of each names its columns; more columns than are needed do not matter.
#[derive(Debug)]
pub struct Sources<C, A, T> {
    /// Columns `customer_id`, `date_of_birth` (may be empty).
    pub customers: C,
    /// Columns `account_id`, `customer_id`, `opened_on`.
    pub accounts: A,
    /// Columns `transaction_id`, `account_id`, `date`, `movement` (with its sign), `balance` (as the bank recorded it after
    /// the transaction), `operation`, `purpose`; in the order in which they happened.
    pub transactions: T,
}

/// What the files hold, checked: every line can be read, identifiers are unique, accounts have owners, transactions have
/// accounts, and times do not go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub(super) currency: Currency,
    /// The customers.
    pub customers: Vec<CustomerLine>,
    /// The accounts.
    pub accounts: Vec<AccountLine>,
    /// The transactions, in their order.
    pub transactions: Vec<TransactionLine>,
}

impl History {
    /// Reads the files.
    ///
    /// `source` names where they come from, such as `czech-bank-1999`; it keeps the identifiers of different sources apart.
    ///
    /// # Errors
    ///
    /// [`ImportError`] names the file, the line and the field.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_domain::Currency;
    /// use neobank_domain::import::{History, Sources};
    ///
    /// let files = Sources {
    ///     customers: "customer_id,date_of_birth\n7,1970-01-01\n".as_bytes(),
    ///     accounts: "account_id,customer_id,opened_on\n1,7,1993-01-01\n".as_bytes(),
    ///     transactions: "transaction_id,account_id,date,movement,balance,operation,purpose\n\
    ///                    1,1,1993-01-02,12.505,12.505,cash deposit,\n".as_bytes(),
    /// };
    /// let error = History::read(files, "example", Currency::from_code("CZK")?).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "transactions, line 2, field movement: \"12.505\": 12.505 has more decimals than the 2 of CZK",
    /// );
    /// # Ok::<(), neobank_domain::MoneyError>(())
    /// ```
    pub fn read<C: Read, A: Read, T: Read>(
        sources: Sources<C, A, T>,
        source: &str,
        currency: Currency,
    ) -> Result<Self, ImportError> {
        let customers = lines(
            sources.customers,
            CustomerLine::FILE,
            CustomerLine::COLUMNS,
            |fields| CustomerLine::read(fields, source),
        )?;
        let accounts = lines(
            sources.accounts,
            AccountLine::FILE,
            AccountLine::COLUMNS,
            |fields| AccountLine::read(fields, source),
        )?;
        let transactions = lines(
            sources.transactions,
            TransactionLine::FILE,
            TransactionLine::COLUMNS,
            |fields| TransactionLine::read(fields, source, currency),
        )?;
        let history = Self {
            currency,
            customers,
            accounts,
            transactions,
        };
        history.check()?;
        Ok(history)
    }

    fn check(&self) -> Result<(), ImportError> {
        let customers = unique(
            self.customers
                .iter()
                .map(|line| (line.line, line.source_id.as_str())),
            "customers",
            "customer_id",
        )?;
        let accounts = unique(
            self.accounts
                .iter()
                .map(|line| (line.line, line.source_id.as_str())),
            "accounts",
            "account_id",
        )?;
        unique(
            self.transactions
                .iter()
                .map(|line| (line.line, line.source_id.as_str())),
            "transactions",
            "transaction_id",
        )?;
        for line in &self.accounts {
            known(
                &customers,
                "accounts",
                line.line,
                "customer_id",
                &line.customer,
            )?;
        }
        for line in &self.transactions {
            known(
                &accounts,
                "transactions",
                line.line,
                "account_id",
                &line.account,
            )?;
        }
        self.check_times()
    }

    fn check_times(&self) -> Result<(), ImportError> {
        for pair in self.transactions.windows(2) {
            if let [before, after] = pair
                && after.request.event_time < before.request.event_time
            {
                return Err(ImportError::Field {
                    file: "transactions",
                    line: after.line,
                    field: "date",
                    value: after
                        .request
                        .event_time
                        .map(|time| time.date_naive().to_string())
                        .unwrap_or_default(),
                    reason: "it lies before the date of the line before".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// One line by the names of its fields.
pub(super) struct Fields<'a> {
    pub(super) line: u64,
    file: &'static str,
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

impl Fields<'_> {
    /// The field; every column that is asked for was looked for in the first line.
    pub(super) fn get(&self, field: &str) -> &str {
        self.columns
            .get(field)
            .and_then(|column| self.record.get(*column))
            .unwrap_or_default()
    }

    pub(super) fn identifier(&self, field: &'static str) -> Result<String, ImportError> {
        let identifier = self.get(field);
        // It becomes part of an idempotency key, beside the source's name.
        if identifier.is_empty() || identifier.len() > 100 || identifier.contains('\0') {
            return Err(self.problem(field, "not an identifier of 1 to 100 bytes"));
        }
        Ok(identifier.to_owned())
    }

    pub(super) fn date(&self, field: &'static str) -> Result<NaiveDate, ImportError> {
        let text = self.get(field);
        // The library's parser would also take 1993-1-1, and years of any length.
        let is_iso = text.len() == 10;
        let date = is_iso
            .then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
            .flatten();
        date.ok_or_else(|| self.problem(field, "not a date such as 1993-01-31"))
    }

    pub(super) fn money(
        &self,
        field: &'static str,
        currency: Currency,
    ) -> Result<Money, ImportError> {
        Money::parse(self.get(field), currency).map_err(|error| self.problem(field, error))
    }

    pub(super) fn problem(
        &self,
        field: &'static str,
        reason: impl std::fmt::Display,
    ) -> ImportError {
        ImportError::Field {
            file: self.file,
            line: self.line,
            field,
            value: self.get(field).to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn lines<L>(
    source: impl Read,
    file: &'static str,
    needed: &'static [&'static str],
    read: impl Fn(&Fields<'_>) -> Result<L, ImportError>,
) -> Result<Vec<L>, ImportError> {
    let mut reader = ReaderBuilder::new().from_reader(source);
    let malformed = |error: &csv::Error| ImportError::Malformed {
        file,
        line: error.position().map_or(1, csv::Position::line),
        reason: error.to_string(),
    };
    let header = reader.headers().map_err(|error| malformed(&error))?;
    let columns: HashMap<String, usize> = header
        .iter()
        .enumerate()
        .map(|(column, name)| (name.trim().to_owned(), column))
        .collect();
    if let Some(column) = needed.iter().find(|name| !columns.contains_key(**name)) {
        return Err(ImportError::MissingColumn { file, column });
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        lines.push(read(&Fields {
            line,
            file,
            columns: &columns,
            record: &record,
        })?);
    }
    Ok(lines)
}

fn unique<'a>(
    lines: impl Iterator<Item = (u64, &'a str)>,
    file: &'static str,
    field: &'static str,
) -> Result<HashSet<&'a str>, ImportError> {
    let mut seen = HashSet::new();
    for (line, identifier) in lines {
        if !seen.insert(identifier) {
            let reason = "it stands on an earlier line too".to_owned();
            return Err(ImportError::Field {
                file,
                line,
                field,
                value: identifier.to_owned(),
                reason,
            });
        }
    }
    Ok(seen)
}

fn known(
    identifiers: &HashSet<&str>,
    file: &'static str,
    line: u64,
    field: &'static str,
    identifier: &str,
) -> Result<(), ImportError> {
    if identifiers.contains(identifier) {
        return Ok(());
    }
    let reason = "no such line in its own file".to_owned();
    Err(ImportError::Field {
        file,
        line,
        field,
        value: identifier.to_owned(),
        reason,
    })
}

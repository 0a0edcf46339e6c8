//! Reading and checking the files, without a database.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord};

use super::line::{AccountLine, CustomerLine, TransactionLine};
use super::{ImportError, PhysicalLines};
use crate::ledger::EntryType;
use crate::{Currency, Money, shortened};

/// The three files of a history.
///
/// The first line of each names its columns. A warning names each unknown column.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sources<C, A, T> {
    /// The customers. Columns: `customer_id`, `date_of_birth` (may be empty); optional
    /// `first_name`, `last_name`, `email`, `phone`, `customer_type`, `customer_number`.
    pub customers: C,
    /// The accounts. Columns: `account_id`, `customer_id`, `opened_on`; optional `account_type`,
    /// `currency`, `time_zone`, `account_number`.
    pub accounts: A,
    /// The transactions, in the order in which they happened. Columns: `transaction_id`,
    /// `account_id`, `date`, `movement` (signed), `balance` (recorded by the bank after the
    /// transaction), `operation`, `purpose`.
    pub transactions: T,
}

impl<C, A, T> Sources<C, A, T> {
    /// Creates the sources of a history: the files of customers, accounts and transactions.
    #[must_use]
    pub const fn new(customers: C, accounts: A, transactions: T) -> Self {
        Self {
            customers,
            accounts,
            transactions,
        }
    }
}

/// The name of the source, and the defaults for fields that the files leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    pub(super) source: String,
    pub(super) currency: Currency,
    pub(super) time_zone: String,
}

impl ImportOptions {
    /// Creates options for files of `source`, with amounts in `currency` and dates in UTC where the
    /// files name no others.
    ///
    /// `source` identifies the origin of the files, such as `czech-bank-1999`. It keeps the
    /// identifiers of different sources apart.
    #[must_use]
    pub fn new(source: impl Into<String>, currency: Currency) -> Self {
        Self {
            source: source.into(),
            currency,
            time_zone: "UTC".to_owned(),
        }
    }

    /// Sets the time zone of accounts for which the files name none.
    #[must_use]
    pub fn with_time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = time_zone.into();
        self
    }
}

/// The contents of the three files, read and checked.
///
/// Every line is well formed. Identifiers and numbers are unique. Accounts have owners, and
/// transactions have accounts. Dates never go back, and never lie before an account's opening.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// A message for each column of the files that was not used.
    pub warnings: Vec<String>,
    /// The customers, in the order of the file.
    pub customers: Vec<CustomerLine>,
    /// The accounts, in the order of the file.
    pub accounts: Vec<AccountLine>,
    /// The transactions, in the order of the file.
    pub transactions: Vec<TransactionLine>,
}

impl History {
    /// Reads and checks the files.
    ///
    /// `source` and `currency` are those of [`ImportOptions::new`].
    ///
    /// # Errors
    ///
    /// The first [`ImportError`], which names the file, the line and the field.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_domain::Currency;
    /// use neobank_domain::import::{History, Sources};
    ///
    /// let files = Sources::new(
    ///     "customer_id,date_of_birth\n7,1970-01-01\n".as_bytes(),
    ///     "account_id,customer_id,opened_on\n1,7,1993-01-01\n".as_bytes(),
    ///     "transaction_id,account_id,date,movement,balance,operation,purpose\n\
    ///      1,1,1993-01-02,12.505,12.505,cash deposit,\n".as_bytes(),
    /// );
    /// let error = History::read(files, "example", Currency::from_code("CZK")?).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "transactions, line 2, field movement: \"12.505\": \
    ///      12.505 has more decimals than the 2 of CZK",
    /// );
    /// # Ok::<(), neobank_domain::MoneyError>(())
    /// ```
    pub fn read<C: Read, A: Read, T: Read>(
        sources: Sources<C, A, T>,
        source: &str,
        currency: Currency,
    ) -> Result<Self, ImportError> {
        let options = ImportOptions::new(source, currency);
        Self::read_all(sources, &options).map_err(|problems| {
            // `read_all` returns at least one error.
            problems
                .into_iter()
                .next()
                .unwrap_or(ImportError::Malformed {
                    file: "transactions",
                    line: 1,
                    reason: "it cannot be read".to_owned(),
                })
        })
    }

    /// Reads and checks the files, and collects the errors of all lines, up to 1,000 for each file.
    ///
    /// # Errors
    ///
    /// Every [`ImportError`], in the order of the files and lines; at least one.
    pub fn read_all<C: Read, A: Read, T: Read>(
        sources: Sources<C, A, T>,
        options: &ImportOptions,
    ) -> Result<Self, Vec<ImportError>> {
        let mut notes = Notes::default();
        let customers = lines(
            sources.customers,
            CustomerLine::FILE,
            (CustomerLine::COLUMNS, CustomerLine::OPTIONAL),
            &mut notes,
            |fields| CustomerLine::read(fields, &options.source),
        );
        let accounts = lines(
            sources.accounts,
            AccountLine::FILE,
            (AccountLine::COLUMNS, AccountLine::OPTIONAL),
            &mut notes,
            |fields| AccountLine::read(fields, options),
        );
        let currencies: HashMap<&str, Currency> = accounts
            .iter()
            .map(|line| (line.source_id.as_str(), line.currency))
            .collect();
        let transactions = lines(
            sources.transactions,
            TransactionLine::FILE,
            (TransactionLine::COLUMNS, &[]),
            &mut notes,
            |fields| {
                TransactionLine::read(fields, &options.source, |account| {
                    currencies.get(account).copied().unwrap_or(options.currency)
                })
            },
        );
        let Notes {
            warnings,
            mut problems,
        } = notes;
        let history = Self {
            warnings,
            customers,
            accounts,
            transactions,
        };
        // A malformed line of an owner would also be reported as missing, so report it alone first.
        if problems.is_empty() {
            history.check(&mut problems);
        }
        if problems.is_empty() {
            Ok(history)
        } else {
            Err(problems)
        }
    }

    /// Returns an error for every recorded balance that is not the account's previous balance plus
    /// the movement. It needs no database.
    ///
    /// The balance before an account's first transaction is unknown, because the files may continue
    /// where earlier ones ended. The method therefore trusts the recorded balance of that line.
    #[must_use]
    pub fn check_balances(&self) -> Vec<ImportError> {
        let mut balances: HashMap<&str, Money> = HashMap::new();
        let mut problems = Vec::new();
        for line in &self.transactions {
            let before = balances.insert(line.account.as_str(), line.recorded_balance);
            let Some(before) = before else { continue };
            let movement = match line.request.direction {
                EntryType::Credit => line.request.amount,
                EntryType::Debit => line.request.amount.negated(),
            };
            match before.checked_add(movement) {
                Ok(running) if running == line.recorded_balance => {}
                Ok(running) => problems.push(ImportError::BalanceDiffers {
                    line: line.line,
                    account: line.account.clone(),
                    recorded: line.recorded_balance,
                    running,
                }),
                Err(error) => problems.push(ImportError::Field {
                    file: "transactions",
                    line: line.line,
                    field: "movement",
                    value: movement.to_string(),
                    reason: error.to_string(),
                }),
            }
        }
        problems
    }

    fn check(&self, problems: &mut Vec<ImportError>) {
        let customers = unique(
            self.customers
                .iter()
                .map(|line| (line.line, line.source_id.as_str())),
            ("customers", "customer_id"),
            problems,
        );
        let accounts = unique(
            self.accounts
                .iter()
                .map(|line| (line.line, line.source_id.as_str())),
            ("accounts", "account_id"),
            problems,
        );
        unique(
            self.transactions
                .iter()
                .map(|line| (line.line, line.source_id.as_str())),
            ("transactions", "transaction_id"),
            problems,
        );
        let owners = self
            .accounts
            .iter()
            .map(|line| (line.line, line.customer.as_str()));
        known(&customers, owners, ("accounts", "customer_id"), problems);
        let moved = self
            .transactions
            .iter()
            .map(|line| (line.line, line.account.as_str()));
        known(&accounts, moved, ("transactions", "account_id"), problems);
        self.check_numbers(problems);
        self.check_times(problems);
        self.check_openings(problems);
    }

    /// Checks that no two customers, and no two accounts, have the same number.
    fn check_numbers(&self, problems: &mut Vec<ImportError>) {
        let customers = self.customers.iter();
        unique(
            customers.filter_map(|line| Some((line.line, line.customer_number.as_deref()?))),
            ("customers", "customer_number"),
            problems,
        );
        let accounts = self.accounts.iter();
        unique(
            accounts.filter_map(|line| Some((line.line, line.account_number.as_deref()?))),
            ("accounts", "account_number"),
            problems,
        );
    }

    /// Checks that no transaction lies before the opening of its account.
    fn check_openings(&self, problems: &mut Vec<ImportError>) {
        let opened: HashMap<&str, NaiveDate> = self
            .accounts
            .iter()
            .map(|line| (line.source_id.as_str(), line.opened_on))
            .collect();
        for line in &self.transactions {
            let opened_on = opened.get(line.account.as_str());
            if let Some(opened_on) = opened_on.filter(|opened_on| line.date < **opened_on) {
                problems.push(ImportError::Field {
                    file: "transactions",
                    line: line.line,
                    field: "date",
                    value: line.date.to_string(),
                    reason: format!(
                        "the account {:?} was opened on {opened_on}",
                        shortened(&line.account)
                    ),
                });
            }
        }
    }

    /// Checks that the dates of the transactions never go back.
    fn check_times(&self, problems: &mut Vec<ImportError>) {
        for pair in self.transactions.windows(2) {
            if let [before, after] = pair
                && after.date < before.date
            {
                problems.push(ImportError::Field {
                    file: "transactions",
                    line: after.line,
                    field: "date",
                    value: after.date.to_string(),
                    reason: "it lies before the date of the line before".to_owned(),
                });
            }
        }
    }
}

/// The warnings and errors of the files.
#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    problems: Vec<ImportError>,
}

/// One line, whose fields are found by their names.
pub(super) struct Fields<'a> {
    pub(super) line: u64,
    file: &'static str,
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

impl Fields<'_> {
    /// Returns a field, or an empty text where the file lacks an optional column.
    pub(super) fn get(&self, field: &str) -> &str {
        self.columns
            .get(field)
            .and_then(|column| self.record.get(*column))
            .unwrap_or_default()
    }

    /// Returns the field of an optional column; `None` when the field is empty or the column
    /// missing.
    pub(super) fn optional(&self, field: &str) -> Option<String> {
        Some(self.get(field))
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    pub(super) fn identifier(&self, field: &'static str) -> Result<String, ImportError> {
        let identifier = self.get(field);
        // The identifier becomes part of an idempotency key, whose length is limited.
        if identifier.is_empty() || identifier.len() > 100 || identifier.contains('\0') {
            return Err(self.problem(field, "not an identifier of 1 to 100 bytes"));
        }
        Ok(identifier.to_owned())
    }

    pub(super) fn date(&self, field: &'static str) -> Result<NaiveDate, ImportError> {
        let text = self.get(field);
        // chrono's parser would also accept 1993-1-1, and years of any length.
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
            value: shortened(self.get(field)),
            reason: reason.to_string(),
        }
    }
}

/// The most errors that are collected from one file.
const PROBLEMS_MAX: usize = 1_000;

/// Returns every well-formed line of a file, and adds errors and unused columns to the notes.
fn lines<L>(
    source: impl Read,
    file: &'static str,
    (needed, optional): (&'static [&'static str], &'static [&'static str]),
    notes: &mut Notes,
    read: impl Fn(&Fields<'_>) -> Result<L, ImportError>,
) -> Vec<L> {
    let mut reader = ReaderBuilder::new().from_reader(PhysicalLines::new(source, 1));
    let header = match reader.headers().cloned() {
        Ok(header) => header,
        Err(error) => {
            notes.problems.push(unreadable(file, 1, &error));
            return Vec::new();
        }
    };
    let Some(columns) = columns(&header, file, (needed, optional), notes) else {
        return Vec::new();
    };
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    loop {
        let byte = reader.position().byte();
        let is_read = reader.read_record(&mut record);
        let line = reader.get_mut().line_of_record(byte);
        let line = match is_read {
            Ok(false) => break,
            Ok(true) => read(&Fields {
                line,
                file,
                columns: &columns,
                record: &record,
            }),
            Err(error) => Err(unreadable(file, line, &error)),
        };
        let is_unreadable = matches!(line, Err(ImportError::Unreadable { .. }));
        match line {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push(problem),
        }
        if is_unreadable || problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    notes.problems.append(&mut problems);
    lines
}

/// Returns the error of a record that cannot be read.
fn unreadable(file: &'static str, line: u64, error: &csv::Error) -> ImportError {
    match error.kind() {
        csv::ErrorKind::Io(error) => ImportError::Unreadable {
            file,
            reason: error.to_string(),
        },
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => ImportError::Malformed {
            file,
            line,
            reason: format!("it has {len} fields, and the header has {expected_len}"),
        },
        csv::ErrorKind::Utf8 { err, .. } => ImportError::Malformed {
            file,
            line,
            reason: format!("it is not UTF-8: {err}"),
        },
        _ => ImportError::Malformed {
            file,
            line,
            reason: error.to_string(),
        },
    }
}

/// Returns the positions of the columns; `None` when one is missing or doubled.
fn columns(
    header: &StringRecord,
    file: &'static str,
    (needed, optional): (&'static [&'static str], &'static [&'static str]),
    notes: &mut Notes,
) -> Option<HashMap<String, usize>> {
    let mut columns = HashMap::new();
    let before = notes.problems.len();
    for (column, name) in header.iter().enumerate() {
        let name = name.trim();
        if columns.insert(name.to_owned(), column).is_some() {
            notes.problems.push(ImportError::DoubledColumn {
                file,
                column: shortened(name),
            });
        } else if !needed.contains(&name) && !optional.contains(&name) {
            let name = shortened(name);
            notes
                .warnings
                .push(format!("{file}: the column {name:?} is not used"));
        }
    }
    for column in needed.iter().filter(|name| !columns.contains_key(**name)) {
        notes
            .problems
            .push(ImportError::MissingColumn { file, column });
    }
    (notes.problems.len() == before).then_some(columns)
}

/// Returns the identifiers of the lines, and adds an error for each one that is not unique.
fn unique<'a>(
    lines: impl Iterator<Item = (u64, &'a str)>,
    (file, field): (&'static str, &'static str),
    problems: &mut Vec<ImportError>,
) -> HashSet<&'a str> {
    let mut seen = HashSet::new();
    for (line, identifier) in lines {
        if !seen.insert(identifier) {
            problems.push(ImportError::Field {
                file,
                line,
                field,
                value: shortened(identifier),
                reason: "it stands on an earlier line too".to_owned(),
            });
        }
    }
    seen
}

/// Adds an error for each line that refers to an identifier without a line of its own.
fn known<'a>(
    identifiers: &HashSet<&str>,
    lines: impl Iterator<Item = (u64, &'a str)>,
    (file, field): (&'static str, &'static str),
    problems: &mut Vec<ImportError>,
) {
    for (line, identifier) in lines {
        if !identifiers.contains(identifier) {
            problems.push(ImportError::Field {
                file,
                line,
                field,
                value: identifier.to_owned(),
                reason: "no such line in its own file".to_owned(),
            });
        }
    }
}

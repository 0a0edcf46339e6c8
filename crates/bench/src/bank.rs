//! The benchmark's accounts, and the check of every invariant at the end.

use indicatif::ProgressBar;
use neobank_db::{Database, Executor, statement};
use neobank_domain::ledger::Outcome;
use neobank_domain::{Currency, Ledger, Money, PostingRequest, Request, TransferRequest, audit};

use crate::choice::{Choice, Chooser, account};
use crate::error::BenchError;
use crate::host::Host;
use crate::options::Options;

/// The opening balance of each account, so large that no account runs out of money.
const FUNDS: &str = "1000000000.00";
const CHUNK: u32 = 10_000;

pub(crate) struct Bank {
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    /// The number of transfers that must be stored at the end.
    pub(crate) transfers: u64,
    /// The part of `transfers` that funded the accounts.
    deposits: u64,
}

/// Builds a ledger without group commit: each call has a transaction of its own.
pub(crate) fn ledger(database: Database, options: &Options) -> Result<Ledger, BenchError> {
    Ledger::builder(database)
        .account_cache_capacity(options.account_cache)
        .without_group_commit()
        .build()
        .map_err(|error| BenchError::other("ledger", error))
}

impl Bank {
    /// Opens the accounts, funds each, and fills the journal.
    pub(crate) async fn open(
        options: &Options,
        host: &Host,
        progress: &ProgressBar,
    ) -> Result<Self, BenchError> {
        progress.set_message(format!("{} accounts", options.accounts));
        open_accounts(options.accounts, host).await?;
        let database = Database::connect(host.application(options.connections)?).await?;
        let mut bank = Self {
            ledger: ledger(database.clone(), options)?,
            database,
            transfers: 0,
            deposits: 0,
        };
        let funds = Money::parse(FUNDS, currency()?)?;
        let mut first = 0;
        while first < options.accounts {
            progress.set_message(format!("{first} of {} accounts", options.accounts));
            let chunk = first..options.accounts.min(first + CHUNK);
            first = chunk.end;
            let deposits =
                chunk.map(|number| PostingRequest::deposit(account(number), funds).into());
            bank.post(deposits.collect()).await?;
        }
        bank.deposits = bank.transfers;
        bank.fill(options.journal, options, host, progress).await?;
        Ok(bank)
    }

    /// Fills the journal up to `entries` entries beside those of the deposits, and waits until the
    /// server is idle.
    pub(crate) async fn fill(
        &mut self,
        journal: u64,
        options: &Options,
        host: &Host,
        progress: &ProgressBar,
    ) -> Result<(), BenchError> {
        while self.filled() < journal {
            progress.set_message(format!("{} of {journal} entries", self.filled()));
            self.post_random(CHUNK, options).await?;
        }
        host.superuser
            .execute(statement("VACUUM (ANALYZE)", []))
            .await?;
        host.settle().await
    }

    /// Fills a ledger's account cache, as a ledger that has run for a while has filled its own.
    pub(crate) async fn acquaint(
        &mut self,
        ledger: &Ledger,
        options: &Options,
    ) -> Result<(), BenchError> {
        let cent = cent()?;
        let accounts = usize::try_from(options.accounts).unwrap_or(usize::MAX);
        let known = u32::try_from(options.account_cache.min(accounts)).unwrap_or(0);
        let mut first = 0;
        while first < known {
            let chunk = first..known.min(first + CHUNK);
            first = chunk.end;
            let postings: Vec<Request> = chunk
                .map(|number| PostingRequest::deposit(account(number), cent).into())
                .collect();
            self.transfers += postings.len() as u64;
            ledger.submit_all(&postings).await?;
        }
        Ok(())
    }

    /// Returns the same accounts in a copy of the database, or in the database after a reconnect.
    pub(crate) async fn copied(&self, options: &Options, host: &Host) -> Result<Self, BenchError> {
        let database = Database::connect(host.application(options.connections)?).await?;
        Ok(Self {
            ledger: ledger(database.clone(), options)?,
            database,
            transfers: self.transfers,
            deposits: self.deposits,
        })
    }

    /// Waits until the server has finished earlier work, and then writes to as many pages as a
    /// measured line will write to.
    ///
    /// The first write to a page after a checkpoint logs the whole page. Without this, each
    /// transfer of a slow way would pay for more such pages than one of a fast way.
    pub(crate) async fn settle(
        &mut self,
        options: &Options,
        host: &Host,
    ) -> Result<(), BenchError> {
        host.settle().await?;
        self.post_random(options.accounts.min(CHUNK), options).await
    }

    async fn post_random(&mut self, transfers: u32, options: &Options) -> Result<(), BenchError> {
        let mut chooser = Chooser::new(Choice::Random, options.accounts, self.transfers);
        let transfers = (0..transfers).map(|_| {
            let (from, to) = chooser.pair();
            Ok::<Request, BenchError>(transfer(from, to, None)?.into())
        });
        self.post(transfers.collect::<Result<_, _>>()?).await
    }

    async fn post(&mut self, requests: Vec<Request>) -> Result<(), BenchError> {
        let outcomes = self.ledger.submit_all(&requests).await?;
        let posted = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Posted(_)));
        self.transfers += posted.count() as u64;
        Ok(())
    }

    /// Returns the number of entries in the journal.
    pub(crate) fn entries(&self) -> u64 {
        self.transfers * 2
    }

    fn filled(&self) -> u64 {
        self.entries() - self.deposits * 2
    }

    /// Audits every row, and returns the number of entries.
    pub(crate) async fn check(&self) -> Result<u64, BenchError> {
        let transfers: i64 = self
            .database
            .fetch_value(statement("SELECT count(*) FROM banking.transfers", []))
            .await?;
        let transfers = u64::try_from(transfers).unwrap_or(0);
        if transfers != self.transfers {
            return Err(BenchError::Unsound(format!(
                "{} transfers were acknowledged, and {transfers} are there",
                self.transfers
            )));
        }
        let violations = audit::violations(&self.database).await?;
        if let Some(violation) = violations.first() {
            return Err(BenchError::Unsound(format!(
                "{} violations, the first: {violation:?}",
                violations.len()
            )));
        }
        Ok(self.entries())
    }
}

pub(crate) fn currency() -> Result<Currency, BenchError> {
    Ok(Currency::from_code("EUR")?)
}

pub(crate) fn cent() -> Result<Money, BenchError> {
    Ok(Money::parse("0.01", currency()?)?)
}

/// A transfer of one cent from one account to another.
pub(crate) fn transfer(
    from: u32,
    to: u32,
    key: Option<String>,
) -> Result<TransferRequest, BenchError> {
    let mut request = TransferRequest::new(account(from), account(to), cent()?);
    request.idempotency_key = key;
    Ok(request)
}

async fn open_accounts(accounts: u32, host: &Host) -> Result<(), BenchError> {
    for sql in [
        "SELECT FROM banking.open_system_accounts('EUR')".to_owned(),
        "INSERT INTO banking.customers (customer_id, first_name, last_name)
         VALUES ('01900000-0000-7000-8000-000000000000', 'Ada', 'Lovelace')"
            .to_owned(),
        format!(
            "INSERT INTO banking.accounts (account_id, customer_id, account_type, currency_code, minor_units)
             SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
                    '01900000-0000-7000-8000-000000000000', 'checking', 'EUR', 2
             FROM generate_series(0, {accounts} - 1) AS number"
        ),
    ] {
        host.superuser.execute(statement(&sql, [])).await?;
    }
    host.superuser
        .execute(statement("ANALYZE banking.accounts", []))
        .await?;
    Ok(())
}

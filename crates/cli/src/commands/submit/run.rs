//! The execution of batches of lines.

use std::collections::HashMap;

use neobank_domain::ledger::{AdjustmentRequest, PostingKind, ReversalRequest};
use neobank_domain::{AccountId, Ledger, LedgerError, PostingRequest, Request, TransferRequest};

use super::line::{LineError, LineRequest, Movement};
use super::outcome::{LineOutcome, LineResult};
use super::read::Line;
use crate::commands::{account, transfers};
use crate::error::CommandError;

/// A run over a file.
pub(super) struct Run {
    ledger: Ledger,
    key_prefix: Option<String>,
    /// The accounts that were looked up by number.
    accounts: HashMap<String, AccountId>,
}

/// A line on its way: a request, or the outcome that it has already.
struct Prepared {
    line: u64,
    key: Option<String>,
    request: Result<Request, LineResult>,
}

impl Run {
    pub(super) fn new(ledger: Ledger, key_prefix: Option<String>) -> Self {
        Self {
            ledger,
            key_prefix,
            accounts: HashMap::new(),
        }
    }

    /// Executes lines in their order, and returns the outcome of each, or those that are known and
    /// the error that ends the run.
    pub(super) async fn execute(
        &mut self,
        lines: Vec<Line>,
    ) -> (Vec<LineOutcome>, Option<CommandError>) {
        let mut prepared = Vec::with_capacity(lines.len());
        for line in lines {
            match self.prepare(line).await {
                Ok(line) => prepared.push(line),
                Err(error) => return (Vec::new(), Some(error)),
            }
        }
        if prepared.is_empty() {
            return (Vec::new(), None);
        }
        let requests: Vec<Request> = prepared
            .iter()
            .filter_map(|line| line.request.as_ref().ok().cloned())
            .collect();
        let (results, error): (Vec<LineResult>, _) = match self.ledger.submit_all(&requests).await {
            Ok(outcomes) => (outcomes.into_iter().map(Into::into).collect(), None),
            Err(LedgerError::NotReplicated { outcomes }) => {
                let results = outcomes.iter().cloned().map(Into::into).collect();
                let error = LedgerError::NotReplicated { outcomes };
                (results, Some(error.into()))
            }
            Err(error @ LedgerError::Unknown { .. }) => (
                vec![LineResult::Unknown; requests.len()],
                Some(error.into()),
            ),
            Err(error) => return (Vec::new(), Some(error.into())),
        };
        let mut results = results.into_iter();
        let outcomes = prepared.into_iter().map(|line| LineOutcome {
            line: line.line,
            key: line.key,
            result: match line.request {
                Ok(_) => results.next().unwrap_or(LineResult::Unknown),
                Err(known) => known,
            },
        });
        (outcomes.collect(), error)
    }

    /// Reads a line and looks up its accounts. An error ends the run.
    async fn prepare(&mut self, line: Line) -> Result<Prepared, CommandError> {
        let number = line.number;
        let invalid = |key, error| Prepared {
            line: number,
            key,
            request: Err(LineResult::Invalid(error)),
        };
        let read = match line.fields.and_then(LineRequest::read) {
            Ok(read) => read,
            Err(error) => return Ok(invalid(None, error)),
        };
        let is_adjustment = matches!(read.movement, Movement::Adjustment { .. });
        let derived = self
            .key_prefix
            .as_ref()
            .filter(|_| !is_adjustment)
            .map(|prefix| format!("{prefix}{number}"));
        let key = read.key.or(derived);
        if key.is_none() && !is_adjustment {
            let message = "no idempotency key: give one in the line, or --key-prefix";
            return Ok(invalid(None, LineError::field("key", message)));
        }
        let request = match self
            .request(read.movement, read.description, key.clone())
            .await
        {
            Ok(request) => Ok(request),
            Err(error) if matches!(error.kind, "unknown_account" | "unknown_transfer") => {
                Err(LineResult::Rejected(error))
            }
            Err(error) => return Err(error),
        };
        Ok(Prepared {
            line: number,
            key,
            request,
        })
    }

    async fn request(
        &mut self,
        movement: Movement,
        description: String,
        key: Option<String>,
    ) -> Result<Request, CommandError> {
        let posting = |mut posting: PostingRequest| {
            posting.description.clone_from(&description);
            posting.idempotency_key.clone_from(&key);
            Request::from(posting)
        };
        Ok(match movement {
            Movement::Transfer { from, to, amount } => {
                let (from, to) = (self.account(&from).await?, self.account(&to).await?);
                let mut transfer = TransferRequest::new(from, to, amount);
                transfer.description = description;
                transfer.idempotency_key = key;
                transfer.into()
            }
            Movement::Deposit { account, amount } => {
                let account = self.account(&account).await?;
                posting(PostingRequest::deposit(account, amount))
            }
            Movement::Withdrawal { account, amount } => {
                let account = self.account(&account).await?;
                posting(PostingRequest::withdrawal(account, amount))
            }
            Movement::Interest {
                account,
                amount,
                side,
            } => {
                let account = self.account(&account).await?;
                let kind = PostingKind::Interest;
                posting(PostingRequest::new(account, kind, side, amount))
            }
            Movement::Fee {
                account,
                amount,
                side,
            } => {
                let account = self.account(&account).await?;
                posting(PostingRequest::new(account, PostingKind::Fee, side, amount))
            }
            Movement::Reversal { transfer, amount } => {
                let original = transfers::find(self.ledger.database(), &transfer).await?;
                let mut reversal = ReversalRequest::new(original.transfer_id);
                reversal.amount = amount;
                reversal.description = description;
                reversal.idempotency_key = key;
                reversal.into()
            }
            Movement::Adjustment {
                account,
                balance,
                expected_version,
            } => {
                let account = self.account(&account).await?;
                AdjustmentRequest::new(account, balance, expected_version)
                    .with_description(description)
                    .into()
            }
        })
    }

    /// Returns the account of an identifier, which the ledger looks up itself, or of a number.
    async fn account(&mut self, named: &str) -> Result<AccountId, CommandError> {
        if let Ok(identifier) = named.parse() {
            return Ok(identifier);
        }
        if let Some(known) = self.accounts.get(named) {
            return Ok(*known);
        }
        let found = account::find(self.ledger.database(), named).await?;
        self.accounts.insert(named.to_owned(), found.account_id);
        Ok(found.account_id)
    }
}

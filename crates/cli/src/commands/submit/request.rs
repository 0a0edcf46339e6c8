//! The requests of lines, whose accounts, transfers and holds are looked up.

use std::collections::HashMap;

use neobank_domain::ledger::{
    AdjustmentRequest, Attributes, CaptureRequest, ExchangeRequest, ExpiryRequest, GroupRequest,
    HoldReference, HoldRequest, JournalLine, ReleaseRequest, ReversalRequest,
};
use neobank_domain::{AccountId, Ledger, PostingRequest, Request, TransferRequest};

use super::conditions;
use super::line::{Exchange, HoldName, LineRequest, Movement, Side};
use crate::commands::{account, hold, transfers};
use crate::error::CommandError;

/// The source of requests.
pub(super) struct Requests {
    ledger: Ledger,
    /// The accounts that were looked up by number.
    accounts: HashMap<String, AccountId>,
}

/// The parts that most requests have.
struct Parts {
    key: Option<String>,
    description: String,
    attributes: Attributes,
}

impl Requests {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            accounts: HashMap::new(),
        }
    }

    pub(super) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the request of a line.
    pub(super) async fn of(&mut self, line: LineRequest) -> Result<Request, CommandError> {
        let LineRequest {
            movement,
            key,
            description,
            attributes,
        } = line;
        let parts = Parts {
            key,
            description,
            attributes,
        };
        let (mut group, terms) = match movement {
            Movement::Group { steps, terms } => {
                let mut group = GroupRequest::new();
                for step in steps {
                    let parts = Parts {
                        key: None,
                        description: step.description,
                        attributes: step.attributes,
                    };
                    group = group.with_step(self.single(step.movement, parts).await?);
                }
                (group, terms)
            }
            Movement::JournalEntry {
                debits,
                credits,
                terms,
            } => {
                let mut lines = Vec::new();
                self.add_lines(&mut lines, debits, JournalLine::debit)
                    .await?;
                self.add_lines(&mut lines, credits, JournalLine::credit)
                    .await?;
                (GroupRequest::journal_entry(lines), terms)
            }
            Movement::Exchange(exchange) => return self.exchange(*exchange, parts).await,
            single => return self.single(single, parts).await,
        };
        let mut conditions = Vec::with_capacity(terms.conditions.len());
        for condition in terms.conditions {
            let account = self.account(&condition.account).await?;
            conditions.push((condition, account));
        }
        group = conditions::apply(group, conditions);
        group.expires_at = terms.expires_at;
        group.description = parts.description;
        group.idempotency_key = parts.key;
        group.attributes = parts.attributes;
        Ok(group.into())
    }

    async fn add_lines(
        &mut self,
        lines: &mut Vec<JournalLine>,
        sides: Vec<Side>,
        line: impl Fn(AccountId, neobank_domain::Money) -> JournalLine,
    ) -> Result<(), CommandError> {
        for side in sides {
            let account = self.account(&side.account).await?;
            lines.push(line(account, side.amount).with_description(side.description));
        }
        Ok(())
    }

    async fn exchange(
        &mut self,
        exchange: Exchange,
        parts: Parts,
    ) -> Result<Request, CommandError> {
        let from = self.account(&exchange.from).await?;
        let to = self.account(&exchange.to).await?;
        let Exchange {
            given,
            currency,
            rate,
            ..
        } = exchange;
        let mut request = ExchangeRequest::new(from, to, given, currency, rate)
            .with_rounding(exchange.rounding)
            .with_description(parts.description);
        if let Some((quote, expires_at)) = exchange.quote {
            request = request.with_quote(quote, expires_at);
        }
        request.spread = exchange.spread;
        request.idempotency_key = parts.key;
        request.attributes = parts.attributes;
        Ok(request.into_group()?.into())
    }

    /// Returns the request of a kind that is no group.
    async fn single(&mut self, movement: Movement, parts: Parts) -> Result<Request, CommandError> {
        Ok(match movement {
            Movement::Transfer {
                from,
                to,
                amount,
                limit,
            } => {
                let (from, to) = (self.account(&from).await?, self.account(&to).await?);
                let mut transfer = TransferRequest::new(from, to, amount);
                transfer.limit = limit;
                transfer.description = parts.description;
                transfer.idempotency_key = parts.key;
                transfer.attributes = parts.attributes;
                transfer.into()
            }
            Movement::Posting {
                account,
                kind,
                side,
                amount,
                event_time,
            } => {
                let account = self.account(&account).await?;
                let mut posting = PostingRequest::new(account, kind, side, amount);
                posting.event_time = event_time;
                posting.description = parts.description;
                posting.idempotency_key = parts.key;
                posting.attributes = parts.attributes;
                posting.into()
            }
            Movement::Reversal { transfer, amount } => {
                let original = transfers::find(self.ledger.database(), &transfer).await?;
                let mut reversal = ReversalRequest::new(original.transfer_id);
                reversal.amount = amount;
                reversal.description = parts.description;
                reversal.idempotency_key = parts.key;
                reversal.attributes = parts.attributes;
                reversal.into()
            }
            Movement::Adjustment {
                account,
                balance,
                expected_version,
            } => {
                let account = self.account(&account).await?;
                let mut adjustment = AdjustmentRequest::new(account, balance, expected_version)
                    .with_description(parts.description);
                adjustment.attributes = parts.attributes;
                adjustment.into()
            }
            other => return self.on_hold(other, parts).await,
        })
    }

    /// Returns the request of a kind that changes a hold.
    async fn on_hold(&mut self, movement: Movement, parts: Parts) -> Result<Request, CommandError> {
        Ok(match movement {
            Movement::Hold {
                account,
                to,
                amount,
                expires_at,
            } => {
                let mut hold = HoldRequest::new(self.account(&account).await?, amount)
                    .with_description(parts.description);
                if let Some(to) = to {
                    hold = hold.with_destination(self.account(&to).await?);
                }
                if let Some(expires_at) = expires_at {
                    hold = hold.with_expiry(expires_at);
                }
                if let Some(metadata) = parts.attributes.metadata {
                    hold = hold.with_metadata(metadata);
                }
                hold.idempotency_key = parts.key;
                hold.into()
            }
            Movement::Capture {
                hold,
                to,
                amount,
                keep_rest,
            } => {
                let mut capture = CaptureRequest::of(self.hold(&hold).await?);
                if let Some(to) = to {
                    capture.to = Some(self.account(&to).await?);
                }
                capture.amount = amount;
                capture.last = !keep_rest;
                capture.description = parts.description;
                capture.idempotency_key = parts.key;
                capture.attributes = parts.attributes;
                capture.into()
            }
            Movement::Release { hold, if_open } => {
                let mut release = ReleaseRequest::of(self.hold(&hold).await?);
                release.if_open = if_open;
                if let Some(metadata) = parts.attributes.metadata {
                    release = release.with_metadata(metadata);
                }
                release.idempotency_key = parts.key;
                release.into()
            }
            Movement::Expiry { hold } => {
                let found = hold::find(self.ledger.database(), &hold).await?;
                ExpiryRequest::new(found.hold_id).into()
            }
            // The reader of lines lets no group be a step of another.
            _ => return Err(CommandError::usage("a step of a group is no group")),
        })
    }

    /// Returns the hold that a line names.
    async fn hold(&self, named: &HoldName) -> Result<HoldReference, CommandError> {
        match named {
            HoldName::Text(text) => {
                let found = hold::find(self.ledger.database(), text).await?;
                Ok(found.hold_id.into())
            }
            HoldName::Step(step) => Ok(HoldReference::Step(*step)),
        }
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

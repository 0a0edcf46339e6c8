//! The execution of batches of lines.

use neobank_domain::{Ledger, LedgerError, Request};

use super::BATCH_SIZE_MAX;
use super::fields::LineError;
use super::line::LineRequest;
use super::outcome::{LineOutcome, LineResult};
use super::read::Line;
use super::request::Requests;
use crate::error::CommandError;

/// A run over a file.
pub(super) struct Run {
    requests: Requests,
    key_prefix: Option<String>,
}

/// A line on its way: a request, or the outcome that it has already.
struct Prepared {
    line: u64,
    key: Option<String>,
    request: Result<Request, LineResult>,
}

impl Prepared {
    /// Returns the number of requests that the line is: a group has as many as it has steps.
    fn size(&self) -> usize {
        match &self.request {
            Ok(Request::Group(group)) => group.steps.len(),
            Ok(_) => 1,
            Err(_) => 0,
        }
    }

    /// Returns true for a line that names a transfer or a hold which is not there.
    fn names_unknown(&self) -> bool {
        matches!(
            &self.request,
            Err(LineResult::Rejected(error))
                if matches!(error.kind, "unknown_transfer" | "unknown_hold")
        )
    }
}

/// The lines of the next transaction.
#[derive(Default)]
struct Waiting {
    lines: Vec<Prepared>,
    /// The requests of the lines.
    size: usize,
}

impl Waiting {
    fn has_requests(&self) -> bool {
        self.lines.iter().any(|line| line.request.is_ok())
    }

    /// Returns true if the line fits into the transaction. A longer one has a transaction of its
    /// own.
    fn has_room_for(&self, line: &Prepared) -> bool {
        self.lines.is_empty() || self.size.saturating_add(line.size()) <= BATCH_SIZE_MAX
    }

    fn push(&mut self, line: Prepared) {
        self.size = self.size.saturating_add(line.size());
        self.lines.push(line);
    }
}

impl Run {
    pub(super) fn new(ledger: Ledger, key_prefix: Option<String>) -> Self {
        Self {
            requests: Requests::new(ledger),
            key_prefix,
        }
    }

    /// Executes lines in their order, and returns the outcome of each, or those that are known and
    /// the error that ends the run.
    pub(super) async fn execute(
        &mut self,
        lines: Vec<Line>,
    ) -> (Vec<LineOutcome>, Option<CommandError>) {
        let mut outcomes = Vec::with_capacity(lines.len());
        let ended = self.execute_into(&mut outcomes, lines).await;
        (outcomes, ended.err())
    }

    async fn execute_into(
        &mut self,
        outcomes: &mut Vec<LineOutcome>,
        lines: Vec<Line>,
    ) -> Result<(), CommandError> {
        let mut waiting = Waiting::default();
        for line in lines {
            let mut prepared = self.prepare(line.clone()).await;
            if waiting.has_requests() && matches!(&prepared, Ok(found) if found.names_unknown()) {
                // An earlier line may post what this one names.
                self.submit_into(outcomes, &mut waiting).await?;
                prepared = self.prepare(line).await;
            }
            let prepared = prepared?;
            if !waiting.has_room_for(&prepared) {
                self.submit_into(outcomes, &mut waiting).await?;
            }
            waiting.push(prepared);
        }
        self.submit_into(outcomes, &mut waiting).await
    }

    /// Executes the waiting lines, and adds their outcomes.
    async fn submit_into(
        &self,
        outcomes: &mut Vec<LineOutcome>,
        waiting: &mut Waiting,
    ) -> Result<(), CommandError> {
        let (done, error) = self.submit(std::mem::take(waiting).lines).await;
        outcomes.extend(done);
        error.map_or(Ok(()), Err)
    }

    /// Executes the requests of lines as one batch.
    async fn submit(&self, prepared: Vec<Prepared>) -> (Vec<LineOutcome>, Option<CommandError>) {
        let requests: Vec<Request> = prepared
            .iter()
            .filter_map(|line| line.request.as_ref().ok().cloned())
            .collect();
        let submitted = self.requests.ledger().submit_all(&requests).await;
        let (results, error): (Vec<LineResult>, _) = match submitted {
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
        let mut read = match line.fields.and_then(LineRequest::read) {
            Ok(read) => read,
            Err(error) => return Ok(invalid(None, error)),
        };
        let is_keyless = read.movement.is_keyless();
        let derived = self.key_prefix.as_ref().filter(|_| !is_keyless);
        let derived = derived.map(|prefix| format!("{prefix}{number}"));
        read.key = read.key.or(derived);
        let key = read.key.clone();
        if key.is_none() && !is_keyless {
            let message = "no idempotency key: give one in the line, or --key-prefix";
            return Ok(invalid(None, LineError::field("key", message)));
        }
        let request = match self.requests.of(read).await {
            Ok(request) => Ok(request),
            // The line is wrong, and others need not be.
            Err(error) if error.is_of_request() => Err(LineResult::Rejected(error)),
            Err(error) => return Err(error),
        };
        Ok(Prepared {
            line: number,
            key,
            request,
        })
    }
}

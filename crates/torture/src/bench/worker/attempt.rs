//! One call of the ledger, to its end or to a poll at which its caller drops it.

use std::collections::HashMap;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use neobank_domain::balances::{self, Balances};
use neobank_domain::statements::{self, StatementRequest};
use neobank_domain::{AccountId, Request as Asked};
use uuid::Uuid;

use super::convert;
use super::shared::Shared;
use crate::history::{Answer, Entry, Operation, Outcome, Request};

/// The deadline of each call.
const DEADLINE: Duration = Duration::from_secs(2);

/// Makes a call, or a part of it: its future is dropped after so many polls.
pub(crate) async fn call(shared: &Shared, operation: &Operation, polls: Option<u32>) -> Answer {
    match at_most(perform(shared, operation), polls).await {
        Some(answer) => answer,
        None => dropped(operation),
    }
}

/// Polls a future at most so often.
async fn at_most<T>(future: impl Future<Output = T>, polls: Option<u32>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == Some(0) {
            return Poll::Ready(None);
        }
        let polled = future.as_mut().poll(context).map(Some);
        left = left.map(|left| left - 1);
        if polled.is_pending() && left == Some(0) {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

fn dropped(operation: &Operation) -> Answer {
    let unknown = || Outcome::Unknown {
        error: "the caller dropped the call".to_owned(),
    };
    match operation {
        Operation::Write { .. } => Answer::Outcome { outcome: unknown() },
        Operation::Batch { requests } => Answer::Outcomes {
            outcomes: requests.iter().map(|_| unknown()).collect(),
        },
        Operation::ReadBalances { .. } | Operation::ReadEntries { .. } => Answer::ReadFailed {
            error: "the caller dropped the call".to_owned(),
        },
    }
}

async fn perform(shared: &Shared, operation: &Operation) -> Answer {
    let read = match operation {
        Operation::Write { key, request } => {
            return Answer::Outcome {
                outcome: write(shared, key, request).await,
            };
        }
        Operation::Batch { requests } => {
            return Answer::Outcomes {
                outcomes: batch(shared, requests).await,
            };
        }
        Operation::ReadBalances { accounts } => read_balances(shared, accounts).await,
        Operation::ReadEntries { account } => read_entries(shared, *account).await,
    };
    read.unwrap_or_else(|error| Answer::ReadFailed { error })
}

async fn write(shared: &Shared, key: &str, request: &Request) -> Outcome {
    let ledger = shared.ledger.with_deadline(Instant::now() + DEADLINE);
    let asked = match convert::asked(key, request) {
        Ok(asked) => asked,
        Err(error) => {
            return Outcome::NotExecuted {
                error: error.to_string(),
            };
        }
    };
    match ledger.outcome(asked).await {
        Ok(outcome) => convert::outcome(&outcome),
        Err(error) => convert::failure(&error),
    }
}

async fn batch(shared: &Shared, requests: &[(String, Request)]) -> Vec<Outcome> {
    let ledger = shared.ledger.with_deadline(Instant::now() + DEADLINE);
    let asked = requests
        .iter()
        .map(|(key, request)| convert::asked(key, request))
        .collect::<Result<Vec<Asked>, _>>();
    let all = |outcome: Outcome| requests.iter().map(|_| outcome.clone()).collect();
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            return all(Outcome::NotExecuted {
                error: error.to_string(),
            });
        }
    };
    match ledger.submit_all(&asked).await {
        Ok(outcomes) => outcomes.iter().map(convert::outcome).collect(),
        Err(error) => all(convert::failure(&error)),
    }
}

async fn read_balances(shared: &Shared, accounts: &[Uuid]) -> Result<Answer, String> {
    let database = shared.database.with_deadline(Instant::now() + DEADLINE);
    let request = Balances::now()
        .of(accounts.iter().copied().map(AccountId::from))
        .with_limit(Balances::LIMIT_MAX);
    let page = balances::list(&database, &request)
        .await
        .map_err(|error| error.to_string())?;
    let found: HashMap<Uuid, _> = page
        .balances
        .iter()
        .map(|one| (one.account_id.as_uuid(), one.balance.amount()))
        .collect();
    let balances = accounts.iter().map(|account| found.get(account).copied());
    let balances = balances.collect::<Option<Vec<_>>>();
    Ok(Answer::Balances {
        balances: balances.ok_or("an account is missing")?,
    })
}

async fn read_entries(shared: &Shared, account: Uuid) -> Result<Answer, String> {
    let database = shared.database.with_deadline(Instant::now() + DEADLINE);
    let day = |text: &str| text.parse().map_err(|error| format!("{error}"));
    let request = StatementRequest::between(day("2000-01-01")?, day("2100-01-01")?)
        .with_limit(StatementRequest::LIMIT_MAX);
    let page = statements::page(&database, account.into(), &request)
        .await
        .map_err(|error| error.to_string())?;
    if page.next.is_some() {
        return Err("the account has more entries than a page".to_owned());
    }
    let entry = |entry: &statements::Entry| Entry {
        transfer: entry.transfer_id.as_uuid(),
        account,
        number: entry.entry_number,
        amount: Some(entry.movement().amount()),
        balance: entry.running_balance.amount(),
    };
    Ok(Answer::Entries {
        entries: page.entries.iter().rev().map(entry).collect(),
    })
}

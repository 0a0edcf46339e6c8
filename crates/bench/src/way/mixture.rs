//! Requests of many kinds side by side.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use neobank_domain::ledger::{CaptureRequest, HoldRequest};
use neobank_domain::{HoldId, PostingRequest, Request};

use super::engine::GroupCommit;
use crate::bank::{cent, transfer};
use crate::choice::account;
use crate::error::BenchError;
use crate::load::{Moved, Mover};

/// The postings of each batch.
const POSTINGS: u32 = 10;

pub(crate) struct Mixture {
    group_commit: GroupCommit,
    calls: AtomicU64,
    open: Mutex<VecDeque<HoldId>>,
}

impl Mixture {
    pub(crate) fn new(group_commit: GroupCommit) -> Self {
        Self {
            group_commit,
            calls: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    fn next_open(&self) -> Option<HoldId> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.pop_front()
    }

    async fn hold(&self, from: u32, to: u32, key: Option<String>) -> Result<u64, BenchError> {
        let mut hold = HoldRequest::new(account(from), cent()?).with_destination(account(to));
        hold.idempotency_key = key;
        let held = self.group_commit.ledger().hold(hold).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(held.hold_id);
        Ok(0)
    }

    async fn batch(&self, from: u32, to: u32) -> Result<u64, BenchError> {
        let postings = (0..POSTINGS).map(|number| {
            let number = if number % 2 == 0 { from } else { to };
            Ok(PostingRequest::deposit(account(number), cent()?).into())
        });
        let postings: Vec<Request> = postings.collect::<Result<_, BenchError>>()?;
        let outcomes = self.group_commit.ledger().submit_all(&postings).await?;
        Ok(outcomes.len() as u64)
    }
}

impl Mover for Mixture {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<Moved, BenchError> {
        // Seven and 100 have no common factor, so the kinds alternate.
        let turn = self.calls.fetch_add(7, Ordering::Relaxed) % 100;
        let transfers = match turn {
            0..60 => {
                let ledger = self.group_commit.ledger();
                ledger.transfer(transfer(from, to, key)?).await?;
                1
            }
            60..80 => self.hold(from, to, key).await?,
            80..95 => match self.next_open() {
                Some(hold) => {
                    let mut capture = CaptureRequest::new(hold);
                    capture.idempotency_key = key;
                    self.group_commit.ledger().capture(capture).await?;
                    1
                }
                None => self.hold(from, to, key).await?,
            },
            _ => self.batch(from, to).await?,
        };
        Ok(Moved {
            counted: 1,
            transfers,
        })
    }
}

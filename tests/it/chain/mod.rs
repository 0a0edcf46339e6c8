//! The sealed order: the hash chain, its verification, and the events of other programs.

mod boundary;
mod concurrency;
mod consumers;
mod form;
mod history;
mod restore;
mod scale;
mod summaries;
mod tampering;

use std::collections::{HashMap, HashSet};

use neobank_db::{Database, Executor, statement};
use neobank_domain::AccountId;
use neobank_domain::chain::{self, ChainFinding};
use neobank_domain::events::{self, Event, EventRecord};
use uuid::Uuid;

use crate::harness::TestBank;

/// Disables the guards of the journal of holds and of the seals, which `GUARDS_OFF` leaves on.
const SEAL_GUARDS_OFF: &str = "DO $$BEGIN
    ALTER TABLE banking.holds DISABLE TRIGGER USER;
    ALTER TABLE banking.hold_events DISABLE TRIGGER USER;
    ALTER TABLE banking.seals DISABLE TRIGGER USER;
END$$";

/// Enables them again.
const SEAL_GUARDS_ON: &str = "DO $$BEGIN
    ALTER TABLE banking.holds ENABLE ALWAYS TRIGGER holds_follow_events;
    ALTER TABLE banking.holds ENABLE ALWAYS TRIGGER holds_never_deleted;
    ALTER TABLE banking.hold_events ENABLE ALWAYS TRIGGER hold_events_append_only;
    ALTER TABLE banking.hold_events ENABLE ALWAYS TRIGGER hold_events_follow_posting;
    ALTER TABLE banking.seals ENABLE ALWAYS TRIGGER seals_append_only;
END$$";

/// Runs a statement, and returns the number of its rows.
async fn run(on: &impl Executor, sql: &str) -> u64 {
    on.execute(statement(sql, []))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn number(on: &impl Executor, sql: &str) -> i64 {
    on.fetch_value(statement(sql, [])).await.unwrap()
}

/// Seals until nothing is left, and returns the number of records.
pub(crate) async fn seal_all(database: &Database) -> i64 {
    let mut sealed = 0;
    loop {
        let report = chain::seal(database, 100_000).await.unwrap();
        sealed += report.sealed_records;
        if !report.has_more {
            return sealed;
        }
    }
}

async fn findings(database: &impl Executor) -> Vec<ChainFinding> {
    chain::verify(database, &[]).await.unwrap().findings
}

/// Returns every event behind a position.
async fn events_after(database: &Database, after: i64) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let last = all.last().map_or(after, |event| event.position);
        let page = events::read(database, last, 1_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn record_id(event: &Event) -> Uuid {
    match &event.record {
        EventRecord::Transfer(transfer) => transfer.transfer_id.as_uuid(),
        EventRecord::HoldEvent(change) => change.event_id.as_uuid(),
        other => panic!("{other:?}"),
    }
}

/// Fails unless every record of the journal is sealed once, at consecutive positions, and the
/// numbers of each account's entries and of each hold's events rise by one.
pub(crate) async fn assert_sealed_in_order(bank: &TestBank) -> Vec<Event> {
    let events = events_after(&bank.database, 0).await;
    let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=positions.len() as i64).collect::<Vec<_>>());
    let records: HashSet<Uuid> = events.iter().map(record_id).collect();
    assert_eq!(records.len(), events.len(), "a record is sealed twice");
    let journal = bank.count("banking.transfers").await + bank.count("banking.hold_events").await;
    assert_eq!(events.len() as i64, journal);

    let mut entries: HashMap<AccountId, i64> = HashMap::new();
    let mut changes: HashMap<Uuid, i64> = HashMap::new();
    let mut transfers = HashSet::new();
    for event in &events {
        match &event.record {
            EventRecord::Transfer(transfer) => {
                for side in [&transfer.debit, &transfer.credit] {
                    let last = entries.insert(side.account_id, side.entry_number);
                    assert_eq!(side.entry_number, last.unwrap_or(0) + 1, "{event:?}");
                }
                transfers.insert(transfer.transfer_id);
            }
            EventRecord::HoldEvent(change) => {
                let last = changes.insert(change.hold_id.as_uuid(), change.event_number);
                assert_eq!(change.event_number, last.unwrap_or(0) + 1, "{event:?}");
                let capture = change.transfer_id;
                assert!(
                    capture.is_none_or(|transfer| transfers.contains(&transfer)),
                    "before its transfer: {event:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(findings(&bank.database).await, []);
    events
}

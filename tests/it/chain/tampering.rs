//! Changes past the guards, and the findings that name them: the table of `docs/tampering.md`.

use neobank_db::Executor;
use neobank_domain::chain::{self, ChainFinding};
use neobank_domain::events::{self, EventError, EventRecord};

use super::history::mixed_history;
use super::{SEAL_GUARDS_OFF, SEAL_GUARDS_ON, findings, run, seal_all};
use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank};

on_both_versions!(
    every_tampering_is_found_and_named,
    cut_tail_is_found_by_a_kept_head,
    event_of_a_deleted_record_is_an_error,
);

const ALTERED: &str = "sealed record is as it was sealed";
const MISSING: &str = "sealed record exists";
const UNSEALED: &str = "record is in a seal";
const HEAD: &str = "seal has the hash of its columns";
const FOLLOWS: &str = "seal continues the one before";

/// The third transfer of the sealed order.
const THIRD: &str =
    "(SELECT record_id FROM banking.read_events(0, 1000) WHERE record_kind = 'transfer'
    ORDER BY event_position OFFSET 2 LIMIT 1)";
const EVENT: &str =
    "(SELECT record_id FROM banking.read_events(0, 1000) WHERE record_kind = 'hold_event'
    ORDER BY event_position LIMIT 1)";

/// Each change, the check that finds it first, and the kind of the record that it names.
const CHANGES: &[(&str, &str, Option<&str>)] = &[
    (
        "UPDATE banking.transfers SET description = description || ' ' WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "UPDATE banking.transfers SET idempotency_key = 'x', request_hash = sha256('x') WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    // An empty text and none are two values.
    (
        "UPDATE banking.transfers SET actor = 'x' WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "UPDATE banking.transactions SET created_at = created_at + interval '1 microsecond' WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    // The same number with another scale.
    (
        "UPDATE banking.transfers SET amount = amount * 1.0 WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "UPDATE banking.transactions SET running_balance = running_balance + 1 WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "UPDATE banking.transfers SET transaction_number = transaction_number - 1 WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "UPDATE banking.transactions SET entry_number = entry_number + 100 WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "DELETE FROM banking.transactions WHERE transfer_id = {third}",
        ALTERED,
        Some("transfer"),
    ),
    (
        "DELETE FROM banking.transfers WHERE transfer_id = {third}",
        MISSING,
        Some("transfer"),
    ),
    (
        "DELETE FROM banking.hold_events WHERE event_id = {event}",
        MISSING,
        Some("hold event"),
    ),
    (
        "UPDATE banking.hold_events SET held_balance = held_balance + 1 WHERE event_id = {event}",
        ALTERED,
        Some("hold event"),
    ),
    (
        "UPDATE banking.holds SET description = 'x'
         WHERE hold_id = (SELECT hold_id FROM banking.hold_events WHERE event_id = {event})",
        ALTERED,
        Some("hold event"),
    ),
    (
        "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, posted_at, transaction_number)
         SELECT banking.uuid_v7(), transfer_type, from_account_id, to_account_id, 1000, 1000, amount, currency_code,
                posted_at, transaction_number FROM banking.transfers WHERE transfer_id = {third}",
        UNSEALED,
        Some("transfer"),
    ),
    (
        "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, posted_at, transaction_number)
         SELECT banking.uuid_v7(), transfer_type, from_account_id, to_account_id, 1000, 1000, amount, currency_code,
                posted_at, NULL FROM banking.transfers WHERE transfer_id = {third}",
        UNSEALED,
        Some("transfer"),
    ),
    (
        "INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, posted_at, transaction_number)
         SELECT banking.uuid_v7(), transfer_type, from_account_id, to_account_id, 1000, 1000, amount, currency_code,
                posted_at, transaction_number + 1000000 FROM banking.transfers WHERE transfer_id = {third}",
        "transaction number was given",
        Some("transfer"),
    ),
    // Two transfers change places.
    (
        "UPDATE banking.transfers AS one SET description = other.description, transaction_number = other.transaction_number
         FROM banking.transfers AS other
         WHERE (one.description = '' AND other.description <> '') OR (one.description <> '' AND other.description = '')",
        ALTERED,
        Some("transfer"),
    ),
    (
        "UPDATE banking.seals SET record_ids = overlay(record_ids PLACING substring(record_ids FROM 17 FOR 16)
             FROM 1 FOR 16) WHERE seal_number = 1",
        HEAD,
        None,
    ),
    (
        "UPDATE banking.seals SET sealed_at = sealed_at + interval '1 hour' WHERE seal_number = 1",
        HEAD,
        None,
    ),
    // With the head made again, the next seal does not follow.
    (
        "UPDATE banking.seals AS seal SET sealed_at = 'epoch',
             head = banking.seal_head(ROW(seal_number, first_position, last_position, record_count, format_version,
                 record_kinds, record_ids, record_hashes, first_transaction_number, last_transaction_number,
                 transactions_before, transactions_running, is_complete, sealed_until, epoch, server_identifier,
                 'epoch', previous_head, head)::banking.seals) WHERE seal_number = 1",
        FOLLOWS,
        None,
    ),
    ("DELETE FROM banking.seals WHERE seal_number = 1", FOLLOWS, None),
    (
        "UPDATE banking.seals SET first_position = first_position + 1, last_position = last_position + 1
         WHERE seal_number = 2",
        FOLLOWS,
        None,
    ),
];

async fn change(on: &impl Executor, sql: &str) {
    let sql = sql.replace("{third}", THIRD).replace("{event}", EVENT);
    for sql in [GUARDS_OFF, SEAL_GUARDS_OFF, &sql, GUARDS_ON, SEAL_GUARDS_ON] {
        run(on, sql).await;
    }
}

/// The guards are on again when the chain is verified, so only the rows show the change.
async fn every_tampering_is_found_and_named(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let superuser = bank.superuser().await;
    let third = named(&superuser, THIRD).await;
    let event = named(&superuser, EVENT).await;
    let all = events::read(&bank.database, 0, 1_000).await.unwrap();
    for (sql, check, kind) in CHANGES {
        let transaction = superuser.begin().await.unwrap();
        change(&transaction, sql).await;
        let found = findings(&transaction).await;
        let first = found
            .first()
            .unwrap_or_else(|| panic!("{sql} is not found"));
        assert_eq!(first.check_name, *check, "{sql}: {found:?}");
        assert_eq!(first.record_kind.as_deref(), *kind, "{sql}: {found:?}");
        if [ALTERED, MISSING].contains(check) {
            let id = first.record_id.unwrap();
            let at = all
                .iter()
                .find(|event| super::record_id(event) == id)
                .unwrap();
            assert_eq!(first.record_position, Some(at.position), "{sql}: {found:?}");
            if sql.contains("{third}") || sql.contains("{event}") {
                let expected = if sql.contains("{third}") {
                    third
                } else {
                    event
                };
                assert_eq!(id, expected, "{sql}: {found:?}");
            }
        }
        transaction.rollback().await.unwrap();
    }
    assert_eq!(findings(&bank.database).await, []);
    bank.assert_sound().await;
}

async fn named(on: &impl Executor, query: &str) -> uuid::Uuid {
    let sql = format!("SELECT {query}");
    on.fetch_value(neobank_db::statement(&sql, []))
        .await
        .unwrap()
}

/// The last seal and its records are deleted, and the accounts set back: nothing in the database
/// shows it.
async fn cut_tail_is_found_by_a_kept_head(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let early = chain::head(&bank.database).await.unwrap().unwrap();
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let late = chain::head(&bank.database).await.unwrap().unwrap();
    let superuser = bank.superuser().await;
    let cut = "WITH cut AS (SELECT record_id FROM banking.read_events({position}, 10000)),
            entries AS (DELETE FROM banking.transactions WHERE transfer_id IN (SELECT record_id FROM cut)),
            changes AS (DELETE FROM banking.hold_events WHERE event_id IN (SELECT record_id FROM cut)),
            seals AS (DELETE FROM banking.seals WHERE first_position > {position})
        DELETE FROM banking.transfers WHERE transfer_id IN (SELECT record_id FROM cut)";
    change(
        &superuser,
        &cut.replace("{position}", &early.position.to_string()),
    )
    .await;
    assert_eq!(findings(&bank.database).await, []);
    let kept = [early.clone(), late];
    let found: Vec<ChainFinding> = chain::verify(&bank.database, &kept).await.unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].check_name, "kept head is in the chain");
    assert_eq!(found[0].seal_number, Some(early.seal_number + 1));
    assert!(
        found[0].detail.ends_with("the seal is missing"),
        "{found:?}"
    );

    // A chain that was made again has another head.
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let found = chain::verify(&bank.database, &kept).await.unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].detail.contains("; the seal has "), "{found:?}");
}

async fn event_of_a_deleted_record_is_an_error(bank: TestBank) {
    mixed_history(&bank).await;
    seal_all(&bank.database).await;
    let superuser = bank.superuser().await;
    let before = events::read(&bank.database, 0, 100).await.unwrap();
    let third = before
        .iter()
        .filter(|event| matches!(event.record, EventRecord::Transfer(_)))
        .nth(2)
        .unwrap();
    change(
        &superuser,
        "DELETE FROM banking.transfers WHERE transfer_id = {third}",
    )
    .await;
    let error = events::read(&bank.database, 0, 100).await.unwrap_err();
    let EventError::Missing { position } = error else {
        panic!("{error:?}");
    };
    assert_eq!(position, third.position);
    let rest = events::read(&bank.database, position, 100).await.unwrap();
    assert_eq!(rest.first().unwrap().position, position + 1);
}

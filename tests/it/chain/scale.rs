//! A long chain: `NEOBANK_CHAIN_RECORDS` is the number of records, such as 1000000.

use std::ops::RangeInclusive;
use std::time::Instant;

use neobank_db::Database;
use neobank_domain::{AccountId, chain};

use super::{findings, run, seal_all};
use crate::harness::{GUARDS_OFF, GUARDS_ON, TestBank, czk};

on_both_versions!(long_chain_is_sealed_and_verified);

const RECORDS: u64 = 25_000;
const PIECE: usize = 50_000;

async fn long_chain_is_sealed_and_verified(bank: TestBank) {
    let records =
        std::env::var("NEOBANK_CHAIN_RECORDS").map_or(RECORDS, |text| text.parse().unwrap());
    let (a, b) = (bank.account(czk("0")).await, bank.account(czk("0")).await);
    let superuser = bank.superuser().await;
    fill(&superuser, a, b, 1..=records).await;
    let started = Instant::now();
    assert_eq!(seal_all(&bank.database).await, records as i64);
    let sealing = started.elapsed();
    let started = Instant::now();
    assert_eq!(findings(&bank.database).await, []);
    let verifying = started.elapsed();
    println!(
        "PostgreSQL {}: {records} records sealed in {sealing:.1?}, verified in {verifying:.1?}",
        bank.version
    );
    let head = chain::head(&bank.database).await.unwrap().unwrap();
    assert_eq!(head.position, records as i64);

    // One altered record among all is named.
    for sql in [
        GUARDS_OFF,
        &format!(
            "UPDATE banking.transfers SET description = 'rent' WHERE from_entry_number = {}",
            records / 2
        ),
        GUARDS_ON,
    ] {
        run(&superuser, sql).await;
    }
    let found = findings(&bank.database).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].record_position, Some(records as i64 / 2));
}

/// Inserts transfers of 1 CZK from `a` to `b` with the given entry numbers, a millisecond apart.
pub(super) async fn fill(
    superuser: &Database,
    a: AccountId,
    b: AccountId,
    numbers: RangeInclusive<u64>,
) {
    run(superuser, GUARDS_OFF).await;
    // No statement may last longer than the limit of a session.
    for first in numbers.clone().step_by(PIECE) {
        let last = (first + PIECE as u64 - 1).min(*numbers.end());
        let fill = format!(
            "WITH posted AS (
                 INSERT INTO banking.transfers (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
                     to_entry_number, amount, currency_code, description, posted_at)
                 SELECT gen_random_uuid(), 'transfer', '{a}', '{b}', n, n, 1, 'CZK', 'Rent',
                        '2026-01-01'::timestamptz + n * interval '1 millisecond'
                 FROM generate_series({first}, {last}) AS n
                 RETURNING *
             )
             INSERT INTO banking.transactions (account_id, entry_number, transaction_id, transfer_id, transaction_type,
                 amount, currency_code, running_balance, transaction_date)
             SELECT from_account_id, from_entry_number, gen_random_uuid(), transfer_id, 'debit', amount, currency_code,
                    -from_entry_number, posted_at FROM posted
             UNION ALL
             SELECT to_account_id, to_entry_number, gen_random_uuid(), transfer_id, 'credit', amount, currency_code,
                    to_entry_number, posted_at FROM posted"
        );
        run(superuser, &fill).await;
    }
    run(superuser, GUARDS_ON).await;
}

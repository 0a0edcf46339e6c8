//! Lists by group, original, actor and metadata, and what a transfer shows of them.

use neobank_domain::ledger::{GroupRequest, Metadata, ReversalRequest};
use neobank_domain::transfers::{self, TransferFilter};
use neobank_domain::{PostingRequest, TransferId, TransferRequest};
use serde_json::json;

use super::all_pages;
use crate::cli::program::data;
use crate::harness::{TestBank, czk};

on_both_versions!(transfers_are_listed_by_group_original_actor_and_metadata);

fn metadata(json: &str) -> Metadata {
    json.parse().unwrap()
}

async fn transfers_are_listed_by_group_original_actor_and_metadata(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("5")).await);
    let teller = bank.ledger.acting_as("teller:42".parse().unwrap());
    let order = |number: u32| {
        let json = format!(r#"{{"order": {number}, "tags": ["web", "{number}"]}}"#);
        TransferRequest::new(payer, shop, czk("10")).with_metadata(metadata(&json))
    };
    let first = teller.transfer(order(1)).await.unwrap().transfer_id;
    let dated = order(2).with_value_date("2026-11-02".parse().unwrap());
    let second = bank.ledger.transfer(dated).await;
    // The bank may allow no other value date than the booking day.
    let second = match second {
        Ok(receipt) => receipt.transfer_id,
        Err(_) => bank.ledger.transfer(order(2)).await.unwrap().transfer_id,
    };
    let group = GroupRequest::new()
        .with_step(TransferRequest::new(payer, shop, czk("3")))
        .with_step(PostingRequest::withdrawal(shop, czk("1")));
    let group = teller.submit_group(group).await.unwrap();
    let mut reversals = Vec::new();
    for amount in ["1", "2"] {
        let reversal = ReversalRequest::new(first).with_amount(czk(amount));
        reversals.push(bank.ledger.submit(reversal).await.unwrap().transfer_id);
    }
    let newest_first = |ids: &[TransferId]| ids.iter().rev().copied().collect::<Vec<_>>();
    let steps: Vec<TransferId> = group
        .transfers()
        .map(|receipt| receipt.transfer_id)
        .collect();
    let plain = TransferFilter::default;
    for (filter, expected) in [
        (plain().with_group_id(group.group_id), newest_first(&steps)),
        (plain().with_reverses(first), newest_first(&reversals)),
        (plain().with_reverses(second), vec![]),
        (
            plain().with_actor("teller:42".parse().ok()),
            newest_first(&[&[first][..], &steps].concat()),
        ),
        (plain().with_actor("teller:43".parse().ok()), vec![]),
        (
            plain().with_metadata(metadata(r#"{"order": 1}"#)),
            vec![first],
        ),
        (
            plain().with_metadata(metadata(r#"{"tags": ["web"]}"#)),
            vec![second, first],
        ),
        (plain().with_metadata(metadata(r#"{"order": "1"}"#)), vec![]),
    ] {
        for limit in [1, 100] {
            let filter = filter.clone().with_limit(limit);
            assert_eq!(
                all_pages(&bank.database, filter.clone()).await,
                expected,
                "{filter:?}"
            );
            let of_account = filter.with_account(shop);
            assert_eq!(all_pages(&bank.database, of_account).await, expected);
        }
    }
    let found = transfers::find(&bank.database, first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.actor.as_deref(), Some("teller:42"));
    assert_eq!(
        found.metadata,
        Some(json!({"order": 1, "tags": ["web", "1"]}))
    );
    assert_eq!(
        (found.group_id, found.reverses, found.hold_id),
        (None, None, None)
    );
    let reversal = transfers::find(&bank.database, reversals[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reversal.reverses, Some(first));
    let step = transfers::find(&bank.database, steps[1])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(step.group_id, Some(group.group_id));
    the_command_lists_the_same(&bank, first, &reversals, group.group_id.to_string()).await;
    bank.assert_sound().await;
}

async fn the_command_lists_the_same(
    bank: &TestBank,
    original: TransferId,
    reversals: &[TransferId],
    group: String,
) {
    let original = original.to_string();
    for (arguments, count) in [
        (["--group", group.as_str()], 2),
        (["--reversals-of", original.as_str()], 2),
        (["--posted-by", "teller:42"], 3),
        (["--metadata", r#"{"order": 1}"#], 1),
    ] {
        let found = data(
            bank.url(),
            &[&["transfers", "list"][..], &arguments].concat(),
        )
        .await;
        assert_eq!(
            found["transfers"].as_array().unwrap().len(),
            count,
            "{arguments:?}"
        );
    }
    let reversal = reversals[0].to_string();
    let shown = data(bank.url(), &["transfers", "show", &reversal]).await;
    assert_eq!(shown["transfer"]["reverses"], original.as_str());
    assert!(shown["transfer"]["actor"].is_null());
}

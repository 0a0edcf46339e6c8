//! Every condition, compared with the same condition on all transfers in the test.

use std::collections::BTreeSet;

use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::ledger::{AdjustmentRequest, EntryType, PostingKind, TransferType};
use neobank_domain::transfers::{self, Transfer, TransferFilter};
use neobank_domain::{
    AccountId, AccountType, Currency, Money, PostingRequest, Request, TransferId, TransferRequest,
};

use super::all_pages;
use crate::harness::{TestBank, czk};

on_both_versions!(each_condition_lists_exactly_the_transfers_that_meet_it);

/// The accounts of the test: two in koruna, one in euros.
struct Accounts {
    ada: AccountId,
    bob: AccountId,
    euro: AccountId,
}

async fn posted(bank: &TestBank) -> Accounts {
    let (ada, bob) = (
        bank.account(czk("500")).await,
        bank.account(czk("500")).await,
    );
    let eur = Currency::from_code("EUR").unwrap();
    let euro = NewAccount::new(bank.customer().await, AccountType::Savings, eur);
    let euro = accounts::open(&bank.database, &euro)
        .await
        .unwrap()
        .account_id;
    let eur = |text| Money::parse(text, eur).unwrap();
    let mut requests: Vec<Request> = vec![
        PostingRequest::deposit(euro, eur("50")).into(),
        PostingRequest::withdrawal(ada, czk("5")).into(),
        PostingRequest::new(ada, PostingKind::Interest, EntryType::Credit, czk("1.25")).into(),
        PostingRequest::new(bob, PostingKind::Fee, EntryType::Debit, czk("3")).into(),
    ];
    for number in 1..=12 {
        let (from, to) = if number % 3 == 0 {
            (bob, ada)
        } else {
            (ada, bob)
        };
        let request = TransferRequest::new(from, to, czk(&number.to_string()))
            .with_idempotency_key(format!("key {number}"));
        requests.push(request.into());
    }
    for request in requests {
        bank.ledger.submit(request).await.unwrap();
    }
    let account = bank.find(ada).await;
    let adjustment = AdjustmentRequest::new(ada, czk("400"), account.version);
    bank.ledger.submit(adjustment).await.unwrap();
    Accounts { ada, bob, euro }
}

fn is_of(transfer: &Transfer, account: AccountId) -> bool {
    transfer.debit.account_id == account || transfer.credit.account_id == account
}

async fn each_condition_lists_exactly_the_transfers_that_meet_it(bank: TestBank) {
    let Accounts { ada, bob, euro } = posted(&bank).await;
    let everything = TransferFilter::default().with_limit(TransferFilter::LIMIT_MAX);
    let all = transfers::list(&bank.database, &everything).await.unwrap();
    assert_eq!((all.transfers.len(), all.next), (19, None));
    let all = all.transfers;
    let (early, late) = (all[14].posted_at, all[4].posted_at);
    let named = all[7].clone();
    let plain = TransferFilter::default;
    type Meets = Box<dyn Fn(&Transfer) -> bool>;
    let cases: Vec<(TransferFilter, Meets)> = vec![
        (plain(), Box::new(|_| true)),
        (plain().with_account(ada), Box::new(move |t| is_of(t, ada))),
        (
            plain().with_account(euro),
            Box::new(move |t| is_of(t, euro)),
        ),
        (
            plain().with_account(ada).with_counterparty(bob),
            Box::new(move |t| is_of(t, ada) && is_of(t, bob)),
        ),
        (
            plain().with_account(ada).with_side(EntryType::Debit),
            Box::new(move |t| t.debit.account_id == ada),
        ),
        (
            plain()
                .with_account(ada)
                .with_counterparty(bob)
                .with_side(EntryType::Credit),
            Box::new(move |t| t.credit.account_id == ada && t.debit.account_id == bob),
        ),
        (
            plain().with_at_least(czk("3")).with_at_most(czk("7")),
            Box::new(|t| t.amount >= czk("3") && t.amount <= czk("7")),
        ),
        (
            plain().with_at_least(czk("8")),
            Box::new(|t| t.amount >= czk("8")),
        ),
        (
            plain().with_account(bob).with_at_most(czk("4")),
            Box::new(move |t| is_of(t, bob) && t.amount <= czk("4")),
        ),
        (
            plain().with_from(early).with_until(late),
            Box::new(move |t| (early..late).contains(&t.posted_at)),
        ),
        (
            plain().with_account(ada).with_from(early).with_until(late),
            Box::new(move |t| is_of(t, ada) && (early..late).contains(&t.posted_at)),
        ),
        (
            plain().with_idempotency_key("key 7".to_owned()),
            Box::new(|t| t.idempotency_key.as_deref() == Some("key 7")),
        ),
        (
            plain()
                .with_account(euro)
                .with_idempotency_key("key 7".to_owned()),
            Box::new(|_| false),
        ),
        (
            plain()
                .with_account(ada)
                .with_reference_number(named.reference_number()),
            Box::new(move |t| t.transfer_id == named.transfer_id),
        ),
    ];
    for (filter, meets) in cases {
        for limit in [1, 4, 100] {
            let filter = filter.clone().with_limit(limit);
            let expected: Vec<TransferId> = all
                .iter()
                .filter(|t| meets(t))
                .map(|t| t.transfer_id)
                .collect();
            assert_eq!(
                all_pages(&bank.database, filter.clone()).await,
                expected,
                "{filter:?}"
            );
        }
    }
    let posted: BTreeSet<&str> = all.iter().map(|t| t.transfer_type.as_str()).collect();
    assert_eq!(posted.len(), 6, "{posted:?}");
    for kind in TransferType::ALL {
        let expected: Vec<_> = all
            .iter()
            .filter(|t| t.transfer_type == kind)
            .map(|t| t.transfer_id)
            .collect();
        let filter = plain().with_transfer_type(kind).with_limit(2);
        assert_eq!(all_pages(&bank.database, filter).await, expected, "{kind}");
    }
    bank.assert_sound().await;
}

//! Pages while others post: every transfer that the first page could see is shown once.

use neobank_domain::transfers::{self, TransferFilter};
use neobank_domain::{AccountId, Request, TransferId, TransferRequest};

use super::all_pages;
use crate::harness::{TestBank, czk};

on_both_versions!(
    pages_show_each_transfer_once_while_others_are_posted,
    account_pages_follow_its_entries_even_against_the_order_of_identifiers,
);

async fn post(bank: &TestBank, from: AccountId, to: AccountId, count: usize) -> Vec<TransferId> {
    let requests: Vec<Request> = (0..count)
        .map(|_| TransferRequest::new(from, to, czk("0.01")).into())
        .collect();
    let outcomes = bank.ledger.submit_all(&requests).await.unwrap();
    let receipts = outcomes
        .into_iter()
        .map(|outcome| outcome.into_receipt().unwrap());
    receipts.map(|receipt| receipt.transfer_id).collect()
}

async fn pages_show_each_transfer_once_while_others_are_posted(bank: TestBank) {
    let (one, two) = (
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    );
    post(&bank, one, two, 60).await;
    for account in [None, Some(one)] {
        let filter = TransferFilter::default().with_account(account);
        let before = all_pages(&bank.database, filter.clone()).await;
        let mut filter = filter.with_limit(7);
        let mut seen = Vec::new();
        loop {
            let page = transfers::list(&bank.database, &filter).await.unwrap();
            seen.extend(page.transfers.iter().map(|transfer| transfer.transfer_id));
            post(&bank, two, one, 3).await;
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, before, "{account:?}");
    }
}

/// Identifiers are made before the accounts are locked, so that the order of two transfers'
/// identifiers may differ from the order of an account's entries.
async fn account_pages_follow_its_entries_even_against_the_order_of_identifiers(bank: TestBank) {
    let (one, two) = (
        bank.account(czk("100")).await,
        bank.account(czk("100")).await,
    );
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let ledger = bank.ledger.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..10 {
                let request = TransferRequest::new(one, two, czk("0.01"));
                ledger.transfer(request).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut filter = TransferFilter::default().with_account(one).with_limit(9);
    let mut numbers = Vec::new();
    loop {
        let page = transfers::list(&bank.database, &filter).await.unwrap();
        numbers.extend(page.transfers.iter().map(|transfer| {
            if transfer.debit.account_id == one {
                transfer.debit.entry_number
            } else {
                transfer.credit.entry_number
            }
        }));
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    assert_eq!(numbers, (1..=81).rev().collect::<Vec<_>>());
}

//! One transfer, by each of its names.

use neobank_domain::ledger::{ReferenceNumber, TransferType};
use neobank_domain::transfers;
use neobank_domain::{TransferId, TransferRequest};

use crate::harness::{TestBank, czk};

on_both_versions!(transfer_is_found_by_each_of_its_names);

async fn transfer_is_found_by_each_of_its_names(bank: TestBank) {
    let (payer, payee) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let request = TransferRequest::new(payer, payee, czk("12.50"))
        .with_description("Rent")
        .with_idempotency_key("rent-11");
    let receipt = bank.ledger.transfer(request).await.unwrap();
    let found = transfers::find(&bank.database, receipt.transfer_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.transfer_type, TransferType::Transfer);
    assert_eq!(
        (found.amount, found.posted_at),
        (receipt.amount, receipt.posted_at)
    );
    assert_eq!(
        (found.description.as_str(), found.idempotency_key.as_deref()),
        ("Rent", Some("rent-11"))
    );
    for (side, entry) in [
        (&found.debit, receipt.debit),
        (&found.credit, receipt.credit),
    ] {
        let account = bank.find(entry.account_id).await;
        assert_eq!(
            (side.account_id, &side.account_number),
            (account.account_id, &account.account_number)
        );
        assert_eq!(
            (side.transaction_id, side.entry_number, side.running_balance),
            (
                entry.transaction_id,
                entry.entry_number,
                entry.running_balance
            )
        );
    }
    let by_key = transfers::find_by_idempotency_key(&bank.database, "rent-11").await;
    assert_eq!(by_key.unwrap().as_ref(), Some(&found));
    let reference: ReferenceNumber = found.reference_number().to_string().parse().unwrap();
    let by_reference = transfers::find(&bank.database, reference.transfer_id()).await;
    assert_eq!(by_reference.unwrap(), Some(found));

    let unknown = transfers::find(&bank.database, TransferId::new()).await;
    assert_eq!(unknown.unwrap(), None);
    for key in ["rent-12", "", "rent\0-11"] {
        let unknown = transfers::find_by_idempotency_key(&bank.database, key).await;
        assert_eq!(unknown.unwrap(), None, "{key:?}");
    }
}

//! Lists that cannot be read, and their errors.

use neobank_domain::ledger::EntryType;
use neobank_domain::transfers::{self, TransferCursor, TransferFilter, TransferQueryError};
use neobank_domain::{AccountId, Currency, ErrorKind, Money, TransferId};

use crate::harness::{TestBank, czk};
use crate::statements::time;

on_both_versions!(invalid_limit_range_text_cursor_or_account_is_rejected);

async fn rejected(bank: &TestBank, filter: TransferFilter) -> TransferQueryError {
    transfers::list(&bank.database, &filter).await.unwrap_err()
}

async fn invalid_limit_range_text_cursor_or_account_is_rejected(bank: TestBank) {
    let account = bank.account(czk("1")).await;
    let plain = TransferFilter::default;
    for limit in [0, 1_001, u32::MAX] {
        let error = rejected(&bank, plain().with_limit(limit)).await;
        assert!(
            matches!(error, TransferQueryError::Limit { limit: given, limit_max: 1_000 } if given == limit),
            "{error:?}"
        );
    }
    let eur = Money::parse("9", Currency::from_code("EUR").unwrap()).unwrap();
    for at_most in [czk("1.99"), eur] {
        let error = rejected(&bank, plain().with_at_least(czk("2")).with_at_most(at_most)).await;
        assert!(
            matches!(error, TransferQueryError::Amounts { .. }),
            "{error:?}"
        );
    }
    for (from, until) in [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("0000-12-31T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "+10000-01-01T00:00:00Z"),
    ] {
        let error = rejected(&bank, plain().with_from(time(from)).with_until(time(until))).await;
        assert!(
            matches!(error, TransferQueryError::Times { .. }),
            "{error:?}"
        );
    }
    for (filter, named) in [
        (plain().with_counterparty(account), "counterparty"),
        (plain().with_side(EntryType::Debit), "side"),
    ] {
        let error = rejected(&bank, filter).await;
        assert!(
            matches!(error, TransferQueryError::NeedsAccount { field } if field == named),
            "{error:?}"
        );
    }
    for key in [String::new(), "k\0".to_owned(), "k".repeat(256)] {
        let error = rejected(&bank, plain().with_idempotency_key(key)).await;
        assert!(
            matches!(
                error,
                TransferQueryError::Text {
                    field: "idempotency_key",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    let unknown = AccountId::new();
    for filter in [
        plain().with_account(unknown),
        plain().with_account(account).with_counterparty(unknown),
    ] {
        let error = neobank_domain::Error::from(rejected(&bank, filter).await);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    cursors_are_of_their_list(&bank, account).await;
}

async fn cursors_are_of_their_list(bank: &TestBank, account: AccountId) {
    let simple = account.as_uuid().simple().to_string();
    for text in [
        String::new(),
        ".".to_owned(),
        account.to_string(),
        format!("{simple}."),
        format!("{simple}.1"),
        format!("{simple}.1."),
        format!("{simple}.1.x"),
        format!("{simple}.1.2.3"),
        format!("{simple}.900000000000000000.1"),
        format!("{{{simple}"),
    ] {
        let error = text.parse::<TransferCursor>().unwrap_err();
        assert!(
            matches!(&error, TransferQueryError::Cursor { text: given } if *given == text),
            "{error:?}"
        );
    }
    let of_all: TransferCursor = TransferId::new()
        .as_uuid()
        .simple()
        .to_string()
        .parse()
        .unwrap();
    let of_account: TransferCursor = format!("{simple}.1.1").parse().unwrap();
    let plain = TransferFilter::default;
    for filter in [
        plain().with_account(account).with_after(of_all),
        plain().with_after(of_account),
        plain()
            .with_account(bank.account(czk("1")).await)
            .with_after(of_account),
    ] {
        let error = rejected(bank, filter).await;
        assert!(
            matches!(error, TransferQueryError::OtherList { .. }),
            "{error:?}"
        );
    }
}

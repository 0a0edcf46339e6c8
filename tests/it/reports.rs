//! Public bug reports of other ledgers and money libraries, each tried here with its own input.

use std::time::Duration;

use futures_util::future::join_all;
use neobank_domain::accounts::{self, AccountError, NewAccount};
use neobank_domain::import::{self, History, Sources};
use neobank_domain::ledger::{
    CaptureRequest, GroupRequest, HoldRequest, HoldStatus, ReversalRequest, holds,
};
use neobank_domain::{
    AccountType, Currency, Ledger, LedgerError, Money, PostingRequest, Rejection, TransferRequest,
};

use crate::harness::{TestBank, czk, single_with_cache};

on_both_versions!(
    sixth_hold_of_1000_on_5000_is_rejected,
    captured_hold_is_reversed_once,
    capture_at_the_end_of_a_hold_leaves_nothing_behind,
    refunds_are_positive_and_once_per_key,
    transfer_to_the_same_account_is_rejected_at_once,
    equal_transfers_without_keys_are_two_transfers,
    accounts_in_withdrawn_currencies_are_read_and_not_opened,
    file_that_comes_twice_adds_nothing,
    callers_never_drain_an_account_below_zero,
    groups_on_the_same_accounts_in_opposite_order_do_not_deadlock,
    hold_races_with_the_closing_of_its_account,
);

const CALLERS: u32 = 64;

fn rounds(default: u32) -> u32 {
    std::env::var("NEOBANK_HOLD_RACES").map_or(default, |text| text.parse().unwrap())
}

fn rejection<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) -> Rejection {
    match outcome {
        Err(LedgerError::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

/// `blnkfinance/blnk#181`.
async fn sixth_hold_of_1000_on_5000_is_rejected(bank: TestBank) {
    let account = bank.account(czk("5000")).await;
    let hold = || bank.ledger.hold(HoldRequest::new(account, czk("1000")));
    for _ in 0..5 {
        hold().await.unwrap();
    }
    let rejected = rejection(hold().await);
    assert!(
        matches!(rejected, Rejection::InsufficientFunds { .. }),
        "{rejected:?}"
    );
    let found = bank.find(account).await;
    assert_eq!(
        (found.held_balance, found.available_balance),
        (czk("5000"), Some(czk("0")))
    );
    bank.assert_sound().await;
}

/// `LerianStudio/midaz#1265`.
async fn captured_hold_is_reversed_once(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let held = bank.ledger.hold(HoldRequest::new(from, czk("40"))).await;
    let capture = CaptureRequest::new(held.unwrap().hold_id).with_destination(to);
    let captured = bank.ledger.capture(capture).await.unwrap().transfer_id;
    bank.ledger
        .reverse(ReversalRequest::new(captured))
        .await
        .unwrap();
    let again = rejection(bank.ledger.reverse(ReversalRequest::new(captured)).await);
    assert!(
        matches!(again, Rejection::AlreadyReversed { .. }),
        "{again:?}"
    );
    let found = bank.find(from).await;
    assert_eq!(
        (found.current_balance, found.held_balance),
        (czk("100"), czk("0"))
    );
    bank.assert_sound().await;
}

/// `tigerbeetle/tigerbeetle#2000` and #2118.
async fn capture_at_the_end_of_a_hold_leaves_nothing_behind(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let end = chrono::Utc::now() + Duration::from_secs(1);
    let request = HoldRequest::new(from, czk("70")).with_expiry(end);
    let hold = bank.ledger.hold(request).await.unwrap().hold_id;
    let mut rejected = 0;
    while rejected < 3 {
        let capture = CaptureRequest::new(hold)
            .with_destination(to)
            .with_amount(czk("1"))
            .more_to_come();
        match bank.ledger.capture(capture).await {
            Ok(receipt) => {
                assert!(receipt.posted_at < end, "{receipt:?}");
                bank.ledger
                    .reverse(ReversalRequest::new(receipt.transfer_id))
                    .await
                    .unwrap();
            }
            Err(LedgerError::Rejected(Rejection::HoldExpired { .. })) => {
                rejected += 1;
                let found = bank.find(from).await;
                assert_eq!(found.available_balance, Some(czk("100")));
            }
            // Every crown of the hold was captured in time.
            Err(LedgerError::Rejected(Rejection::HoldCaptured { .. })) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
    let captures = bank
        .count("banking.hold_events WHERE event_type = 'captured'")
        .await;
    let transfers = bank
        .count("banking.transfers WHERE hold_id IS NOT NULL")
        .await;
    assert_eq!(captures, transfers);
    let found = holds::find(&bank.database, hold).await.unwrap().unwrap();
    assert_eq!(found.status, HoldStatus::Expired);
    bank.assert_sound().await;
}

/// `juspay/hyperswitch#13182` and #11491, `blnkfinance/blnk#152`; two refunds at the same time are
/// among the tests of reversals.
async fn refunds_are_positive_and_once_per_key(bank: TestBank) {
    let (payer, shop) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let payment = bank
        .ledger
        .transfer(TransferRequest::new(payer, shop, czk("100")))
        .await
        .unwrap()
        .transfer_id;
    let refund = |amount: &str| ReversalRequest::new(payment).with_amount(czk(amount));
    for amount in ["-5", "0"] {
        let rejected = rejection(bank.ledger.reverse(refund(amount)).await);
        assert!(
            matches!(rejected, Rejection::AmountNotPositive { .. }),
            "{rejected:?}"
        );
    }
    let keyed = refund("30").with_idempotency_key("refund");
    let first = bank.ledger.reverse(keyed.clone()).await.unwrap();
    assert_eq!(bank.ledger.reverse(keyed).await.unwrap(), first);
    assert_eq!(bank.balance(payer).await, czk("30"));
    bank.assert_sound().await;
}

/// `blnkfinance/blnk#360` and #354.
async fn transfer_to_the_same_account_is_rejected_at_once(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    for ledger in [
        bank.ledger.clone(),
        single_with_cache(bank.database.clone(), 0),
    ] {
        let transfer = TransferRequest::new(account, account, czk("1"));
        let rejected = rejection(ledger.transfer(transfer).await);
        assert!(
            matches!(rejected, Rejection::SameAccount { .. }),
            "{rejected:?}"
        );
    }
    // A caller that goes away holds nothing.
    let other = bank.account(czk("0")).await;
    let transfer = || {
        bank.ledger
            .transfer(TransferRequest::new(account, other, czk("1")))
    };
    let given_up = tokio::time::timeout(Duration::from_micros(200), transfer()).await;
    drop(given_up);
    transfer().await.unwrap();
    bank.assert_sound().await;
}

/// LerianStudio/midaz: equal requests without a key counted as one.
async fn equal_transfers_without_keys_are_two_transfers(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let transfer = || {
        bank.ledger
            .transfer(TransferRequest::new(from, to, czk("5")))
    };
    let (one, other) = tokio::join!(transfer(), transfer());
    assert_ne!(one.unwrap().transfer_id, other.unwrap().transfer_id);
    assert_eq!(bank.balance(to).await, czk("10"));
    bank.assert_sound().await;
}

/// `moneyphp/money#750` and `brick/money#93`.
async fn accounts_in_withdrawn_currencies_are_read_and_not_opened(bank: TestBank) {
    for code in ["HRK", "BGN"] {
        let currency = Currency::from_code(code).unwrap();
        assert_eq!(
            Money::parse("12.34", currency).unwrap().to_string(),
            format!("12.34 {code}")
        );
        let new = NewAccount::new(bank.customer().await, AccountType::Checking, currency);
        let error = accounts::open(&bank.database, &new).await.unwrap_err();
        assert!(
            matches!(error, AccountError::WithdrawnCurrency { .. }),
            "{error:?}"
        );
    }
}

/// `securo-finance/securo#911` and #941, `actualbudget/actual#608`, `ledgersmb/LedgerSMB#8936`: two
/// rows with one date, text and amount are both kept, and a file that comes again adds nothing.
async fn file_that_comes_twice_adds_nothing(bank: TestBank) {
    let transactions = "transaction_id,account_id,date,movement,balance,operation,purpose\n\
        a,1,2026-03-29,100.00,100.00,cash deposit,\n\
        b,1,2026-03-29,-20.00,80.00,cash withdrawal,\n\
        c,1,2026-03-29,-20.00,60.00,cash withdrawal,\n";
    let sources = Sources::new(
        "customer_id,date_of_birth\n7,\n".as_bytes(),
        "account_id,customer_id,opened_on\n1,7,2026-01-01\n".as_bytes(),
        transactions.as_bytes(),
    );
    let koruna = Currency::from_code("CZK").unwrap();
    let history = History::read(sources, "twice", koruna).unwrap();
    let importer = bank.importer().await;
    let first = import::run(&importer, &history, |_| ()).await.unwrap();
    let second = import::run(&importer, &history, |_| ()).await.unwrap();
    assert_eq!((first.posted, first.replayed), (3, 0));
    assert_eq!((second.posted, second.replayed), (0, 3));
    bank.assert_sound().await;
}

/// `envato/double_entry#114`: many callers drain one account. `NEOBANK_HOLD_RACES` sets the rounds.
async fn callers_never_drain_an_account_below_zero(bank: TestBank) {
    let to = bank.account(czk("0")).await;
    let ledgers = [
        bank.ledger.clone(),
        single_with_cache(bank.database.clone(), 0),
        Ledger::new(bank.database.clone()),
    ];
    let mut moved = 0;
    for _ in 0..rounds(12) {
        // Each caller wants a third of what is there, by one of three kinds of request.
        let from = bank.account(czk("3")).await;
        let callers = (0..CALLERS).map(|caller| {
            let ledger = ledgers[caller as usize % 3].clone();
            async move {
                match caller % 3 {
                    0 => ledger
                        .transfer(TransferRequest::new(from, to, czk("1")))
                        .await
                        .map(|_| true),
                    1 => {
                        let group =
                            GroupRequest::new().with_step(TransferRequest::new(from, to, czk("1")));
                        ledger.submit_group(group).await.map(|_| true)
                    }
                    _ => ledger
                        .hold(HoldRequest::new(from, czk("1")))
                        .await
                        .map(|_| false),
                }
            }
        });
        let (mut won, mut paid) = (0, 0);
        for outcome in join_all(callers).await {
            match outcome {
                Ok(is_payment) => {
                    won += 1;
                    paid += u32::from(is_payment);
                }
                Err(error) => {
                    let lost = rejection::<()>(Err(error));
                    let reason = match lost {
                        Rejection::GroupStep { reason, .. } => *reason,
                        other => other,
                    };
                    assert!(
                        matches!(reason, Rejection::InsufficientFunds { .. }),
                        "{reason:?}"
                    );
                }
            }
        }
        assert_eq!(won, 3);
        moved += paid;
        let found = bank.find(from).await;
        assert_eq!(found.available_balance, Some(czk("0")));
        assert_eq!(found.current_balance, czk(&(3 - paid).to_string()));
    }
    assert_eq!(bank.balance(to).await, czk(&moved.to_string()));
    bank.assert_sound().await;
}

/// `GaloyMoney/cala#684`.
async fn groups_on_the_same_accounts_in_opposite_order_do_not_deadlock(bank: TestBank) {
    let (a, b) = (
        bank.account(czk("1000")).await,
        bank.account(czk("1000")).await,
    );
    let ledger = single_with_cache(bank.database.clone(), 0);
    let callers = (0..CALLERS).map(|caller| {
        let (first, second) = if caller % 2 == 0 { (a, b) } else { (b, a) };
        let group = GroupRequest::new()
            .with_step(PostingRequest::fee(first, czk("1")))
            .with_step(TransferRequest::new(second, first, czk("2")));
        ledger.submit_group(group)
    });
    for outcome in join_all(callers).await {
        outcome.unwrap();
    }
    bank.assert_no_deadlock().await;
    bank.assert_sound().await;
}

/// A hold and the closing of its account: one of them wins. `NEOBANK_HOLD_RACES` sets the rounds.
async fn hold_races_with_the_closing_of_its_account(bank: TestBank) {
    let customer = bank.customer().await;
    let currency = Currency::from_code("CZK").unwrap();
    let (mut held, mut closed) = (0, 0);
    for round in 0..rounds(40) {
        let new = NewAccount::new(customer, AccountType::Checking, currency)
            .with_overdraft_limit(czk("10"));
        let account = accounts::open(&bank.database, &new)
            .await
            .unwrap()
            .account_id;
        let ledger = if round % 2 == 0 {
            bank.ledger.clone()
        } else {
            single_with_cache(bank.database.clone(), 0)
        };
        let hold = ledger.hold(HoldRequest::new(account, czk("10")));
        let close = async {
            tokio::time::sleep(Duration::from_micros(u64::from(round % 8) * 250)).await;
            accounts::close(&bank.database, account).await
        };
        match tokio::join!(hold, close) {
            (Ok(_), Err(AccountError::OpenHolds { .. })) => held += 1,
            (Err(LedgerError::Rejected(Rejection::NotActive { .. })), Ok(_)) => closed += 1,
            both => panic!("{both:?}"),
        }
    }
    println!("{held} holds and {closed} closings won");
    bank.assert_sound().await;
}

/// `paupino/rust-decimal#84`, #453 and #807: no garbage behind the last digit, and no panic.
#[test]
fn amount_of_more_digits_than_a_decimal_has_is_rejected() {
    let koruna = Currency::from_code("CZK").unwrap();
    for text in [
        "1.12345678901234567890123456789",
        "79228162514264337593543950336",
        "1.1234567890123456789012345678garbage",
        "1e5",
        "0E0700000000",
        "1e999999999",
        &"0".repeat(300_000),
        &format!("{}1", "0".repeat(300_000)),
    ] {
        assert!(
            Money::parse(text, koruna).is_err(),
            "{}",
            &text[..text.len().min(40)]
        );
    }
    // Superfluous zeros are no fraction.
    assert_eq!(
        Money::parse("1.50000", koruna).unwrap().to_string(),
        "1.50 CZK"
    );
}

/// `moneyphp/money#575`, `actualbudget/actual#2143`, #2374, #2418 and #5020: one rule for every
/// amount. The point is the decimal point, and nothing separates thousands.
#[test]
fn amount_with_other_characters_is_rejected() {
    let koruna = Currency::from_code("CZK").unwrap();
    for text in [
        "5000\n",
        "1,000",
        "1.355,90",
        " -110.7 €",
        "1 000",
        "١٢",
        "+5",
        "1_000",
        "1.",
        ".5",
        "",
    ] {
        assert!(Money::parse(text, koruna).is_err(), "{text:?}");
    }
    assert_eq!(
        Money::parse("1.000", koruna).unwrap().to_string(),
        "1.00 CZK"
    );
}

/// `zbrox/iso_currency#15`, `RubyMoney/money#1099`, `Rhymond/go-money#111` and
/// `JodaOrg/joda-money#60`.
#[test]
fn decimals_of_currencies_are_those_of_the_standard() {
    for (code, decimals) in [
        ("BIF", 0),
        ("CLF", 4),
        ("CLP", 0),
        ("ISK", 0),
        ("JOD", 3),
        ("MGA", 2),
        ("MRU", 2),
        ("UGX", 0),
        ("UYW", 4),
        ("HUF", 2),
        ("KPW", 2),
        ("IDR", 2),
    ] {
        let currency = Currency::from_code(code).unwrap();
        assert_eq!(currency.minor_units(), decimals, "{code}");
    }
}

/// `blnkfinance/blnk#73`, `moneyphp/money#492`, `RubyMoney/money#652` and
/// `sebastianbergmann/money#65`.
#[test]
fn parts_add_up_to_the_whole_and_a_refund_mirrors_them() {
    let euro = Currency::from_code("EUR").unwrap();
    let parts = |text: &str, weights: &[u32]| {
        let whole = Money::parse(text, euro).unwrap();
        let parts = whole.split(weights).unwrap();
        let sum = parts
            .iter()
            .map(|part| part.amount())
            .sum::<rust_decimal::Decimal>();
        assert_eq!(sum, whole.amount(), "{text}");
        assert_eq!(parts.len(), weights.len());
        parts
    };
    for (text, weights) in [
        ("2.50", &[50, 45, 5][..]),
        ("99.99", &[75, 25]),
        ("10.00", &[2, 1]),
        ("0.99", &[1; 10]),
    ] {
        let there = parts(text, weights);
        let back = parts(&format!("-{text}"), weights);
        let mirrored = there.iter().zip(&back);
        for (part, refund) in mirrored {
            assert_eq!(part.amount(), -refund.amount(), "{text}");
        }
    }
}

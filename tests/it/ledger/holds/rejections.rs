//! Every reason for which a hold, a capture or a release is rejected; nothing is changed.

use std::time::Duration;

use neobank_domain::accounts::{self, AccountStatus};
use neobank_domain::customers::{self, CustomerStatus, CustomerUpdate};
use neobank_domain::ledger::{
    CaptureRequest, ExpiryRequest, HoldRequest, Outcome, ReleaseRequest, SystemAccount,
};
use neobank_domain::{AccountId, Currency, HoldId, Money, Rejection, Request};
use uuid::Uuid;

use super::{fingerprint, hold, over, rejection};
use crate::harness::{TestBank, czk};

on_both_versions!(
    invalid_holds_change_nothing,
    captures_and_releases_that_do_not_fit_the_hold_change_nothing,
    ended_holds_say_how_they_ended,
    frozen_account_has_no_new_hold_and_no_capture_but_releases,
    suspended_customer_cannot_hold_or_capture,
    hold_is_not_submitted_as_a_transfer,
);

fn euros(text: &str) -> Money {
    Money::parse(text, Currency::from_code("EUR").unwrap()).unwrap()
}

async fn invalid_holds_change_nothing(bank: TestBank) {
    let (account, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let before = fingerprint(&bank).await;
    let refused = async |request: HoldRequest| {
        let rejected = rejection(bank.ledger.hold(request).await);
        assert_eq!(fingerprint(&bank).await, before, "{rejected:?}");
        rejected
    };
    let unknown = AccountId::new();
    let hold = |amount: &str| HoldRequest::new(account, czk(amount));
    assert!(matches!(
        refused(hold("100.01")).await,
        Rejection::InsufficientFunds { available, .. } if available == czk("100")
    ));
    assert!(matches!(
        refused(hold("0")).await,
        Rejection::AmountNotPositive { .. }
    ));
    assert!(matches!(
        refused(hold("-1")).await,
        Rejection::AmountNotPositive { .. }
    ));
    assert!(matches!(
        refused(HoldRequest::new(account, euros("1"))).await,
        Rejection::CurrencyMismatch { .. }
    ));
    assert!(matches!(
        refused(HoldRequest::new(unknown, czk("1"))).await,
        Rejection::UnknownAccount { account } if account == unknown
    ));
    assert!(matches!(
        refused(hold("1").with_destination(unknown)).await,
        Rejection::UnknownAccount { account } if account == unknown
    ));
    assert!(matches!(
        refused(hold("1").with_destination(account)).await,
        Rejection::SameAccount { .. }
    ));
    let system = SystemAccount::External.id(czk("1").currency());
    assert!(matches!(
        refused(hold("1").with_destination(system)).await,
        Rejection::SystemAccount { .. }
    ));
    assert!(matches!(
        refused(HoldRequest::new(system, czk("1"))).await,
        Rejection::SystemAccount { .. }
    ));
    let past = chrono::Utc::now() - Duration::from_secs(60);
    assert!(matches!(
        refused(hold("1").with_expiry(past)).await,
        Rejection::HoldEndsInThePast { .. }
    ));
    let never = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    assert!(matches!(
        refused(hold("1").with_expiry(never)).await,
        Rejection::HoldExpiryRange { .. }
    ));
    let long = "x".repeat(501);
    assert!(matches!(
        refused(hold("1").with_description(long)).await,
        Rejection::Text {
            field: "description",
            ..
        }
    ));
    assert_eq!(bank.balance(to).await, czk("0"));
}

async fn captures_and_releases_that_do_not_fit_the_hold_change_nothing(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let other = bank.account(czk("0")).await;
    let open = hold(&bank, from, czk("50")).await.hold_id;
    let named = HoldRequest::new(from, czk("10")).with_destination(to);
    let named = bank.ledger.hold(named).await.unwrap().hold_id;
    let before = fingerprint(&bank).await;
    let refused = async |request: CaptureRequest| {
        let rejected = rejection(bank.ledger.capture(request).await);
        assert_eq!(fingerprint(&bank).await, before, "{rejected:?}");
        rejected
    };
    let unknown = HoldId::from(Uuid::now_v7());
    assert_eq!(
        refused(CaptureRequest::new(unknown).with_destination(to)).await,
        Rejection::UnknownHold { hold: unknown }
    );
    let release = bank.ledger.release(ReleaseRequest::new(unknown)).await;
    assert_eq!(rejection(release), Rejection::UnknownHold { hold: unknown });
    let capture = || CaptureRequest::new(open).with_destination(to);
    assert_eq!(
        refused(capture().with_amount(czk("50.01"))).await,
        Rejection::MoreThanHeld {
            hold: open,
            remaining: czk("50"),
            requested: czk("50.01"),
        }
    );
    assert!(matches!(
        refused(capture().with_amount(czk("0"))).await,
        Rejection::AmountNotPositive { .. }
    ));
    assert!(matches!(
        refused(capture().with_amount(euros("1"))).await,
        Rejection::HoldCurrency { hold, .. } if hold == open
    ));
    assert_eq!(
        refused(CaptureRequest::new(open)).await,
        Rejection::NoDestination { hold: open }
    );
    assert_eq!(
        refused(CaptureRequest::new(named).with_destination(other)).await,
        Rejection::HoldDestination {
            hold: named,
            named: to,
            requested: other,
        }
    );
    assert!(matches!(
        refused(CaptureRequest::new(open).with_destination(from)).await,
        Rejection::SameAccount { .. }
    ));
    let early = bank
        .ledger
        .submit_all(&[ExpiryRequest::new(open).into()])
        .await
        .unwrap();
    assert_eq!(
        early,
        [Outcome::Rejected(Rejection::HoldNotDue { hold: open })]
    );
    assert_eq!(fingerprint(&bank).await, before);
    bank.assert_sound().await;
}

async fn ended_holds_say_how_they_ended(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let captured = hold(&bank, from, czk("10")).await.hold_id;
    let capture = CaptureRequest::new(captured)
        .with_destination(to)
        .with_amount(czk("1"));
    bank.ledger.capture(capture).await.unwrap();
    let released = hold(&bank, from, czk("10")).await.hold_id;
    bank.ledger
        .release(ReleaseRequest::new(released))
        .await
        .unwrap();
    let expired = over(&bank, from, czk("10")).await;
    let before = fingerprint(&bank).await;
    for hold in [captured, released, expired] {
        let is_expected = |rejected: Rejection| match rejected {
            Rejection::HoldCaptured { hold: named } => named == captured && hold == captured,
            Rejection::HoldReleased { hold: named } => named == released && hold == released,
            Rejection::HoldExpired { hold: named, .. } => named == expired && hold == expired,
            _ => false,
        };
        let capture = CaptureRequest::new(hold).with_destination(to);
        assert!(is_expected(rejection(bank.ledger.capture(capture).await)));
        let release = bank.ledger.release(ReleaseRequest::new(hold)).await;
        assert!(is_expected(rejection(release)));
    }
    assert_eq!(fingerprint(&bank).await, before);
    // The same after the end has been recorded.
    assert_eq!(bank.ledger.expire_holds(10).await.unwrap().len(), 1);
    let capture = CaptureRequest::new(expired).with_destination(to);
    let rejected = rejection(bank.ledger.capture(capture).await);
    assert!(
        matches!(rejected, Rejection::HoldExpired { .. }),
        "{rejected:?}"
    );
    bank.assert_sound().await;
}

async fn frozen_account_has_no_new_hold_and_no_capture_but_releases(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let open = hold(&bank, from, czk("10")).await.hold_id;
    over(&bank, from, czk("5")).await;
    accounts::freeze(&bank.database, from).await.unwrap();
    let new = bank.ledger.hold(HoldRequest::new(from, czk("1"))).await;
    let is_frozen = |rejected: Rejection| matches!(rejected, Rejection::NotActive { account, status: AccountStatus::Frozen } if account == from);
    assert!(is_frozen(rejection(new)));
    let capture = CaptureRequest::new(open).with_destination(to);
    assert!(is_frozen(rejection(bank.ledger.capture(capture).await)));
    assert_eq!(bank.ledger.expire_holds(10).await.unwrap().len(), 1);
    bank.ledger
        .release(ReleaseRequest::new(open))
        .await
        .unwrap();
    assert_eq!(super::balances(&bank, from).await, (czk("0"), czk("100")));
    bank.assert_sound().await;
}

async fn suspended_customer_cannot_hold_or_capture(bank: TestBank) {
    let (from, to) = (bank.account(czk("100")).await, bank.account(czk("0")).await);
    let open = hold(&bank, from, czk("10")).await.hold_id;
    let customer = bank.find(from).await.customer_id.unwrap();
    let update = CustomerUpdate::default().with_customer_status(CustomerStatus::Suspended);
    customers::update(&bank.database, customer, &update)
        .await
        .unwrap();
    let new = rejection(bank.ledger.hold(HoldRequest::new(from, czk("1"))).await);
    assert!(matches!(new, Rejection::NotActive { .. }), "{new:?}");
    let capture = CaptureRequest::new(open).with_destination(to);
    let capture = rejection(bank.ledger.capture(capture).await);
    assert!(
        matches!(capture, Rejection::NotActive { .. }),
        "{capture:?}"
    );
    bank.ledger
        .release(ReleaseRequest::new(open))
        .await
        .unwrap();
    bank.assert_sound().await;
}

async fn hold_is_not_submitted_as_a_transfer(bank: TestBank) {
    let account = bank.account(czk("100")).await;
    let request = Request::from(HoldRequest::new(account, czk("1")));
    let rejected = rejection(bank.ledger.submit(request).await);
    assert_eq!(rejected, Rejection::NoTransfer);
    assert_eq!(bank.count("banking.holds").await, 0);
}

//! An update changes the fields that it names and no others.

use neobank_domain::customers::{self, CustomerError, CustomerStatus, CustomerUpdate, KycStatus};
use neobank_domain::{Customer, CustomerId};

use super::{created, found, person};
use crate::harness::TestBank;

on_both_versions!(
    update_of_one_field_leaves_the_others,
    null_deletes_a_value,
    empty_update_is_rejected,
    second_update_in_a_transaction_raises_the_update_time,
    update_of_an_unknown_customer_is_rejected,
    invalid_value_changes_nothing,
    email_of_another_customer_is_rejected,
);

fn update(json: &str) -> CustomerUpdate {
    serde_json::from_str(json).unwrap()
}

async fn update_of_one_field_leaves_the_others(bank: TestBank) {
    let mut expected = created(&bank, &person("ada@example.org", "1")).await;
    type Change = fn(&mut Customer);
    let changes: [(&str, Change); 7] = [
        (r#"{"first_name": "Augusta"}"#, |c| {
            c.first_name = "Augusta".to_owned();
        }),
        (r#"{"last_name": "King"}"#, |c| {
            c.last_name = "King".to_owned();
        }),
        (r#"{"email": "Augusta@example.org"}"#, |c| {
            c.email = Some("Augusta@example.org".to_owned());
        }),
        (r#"{"phone_primary": "2"}"#, |c| {
            c.phone_primary = Some("2".to_owned());
        }),
        (r#"{"phone_secondary": "3"}"#, |c| {
            c.phone_secondary = Some("3".to_owned());
        }),
        (r#"{"customer_status": "suspended"}"#, |c| {
            c.status = CustomerStatus::Suspended;
        }),
        (r#"{"kyc_status": "verified"}"#, |c| {
            c.kyc_status = KycStatus::Verified;
        }),
    ];
    for (json, change) in changes {
        let before = expected.updated_at;
        let updated = customers::update(&bank.database, expected.customer_id, &update(json))
            .await
            .unwrap();
        assert!(updated.updated_at > before, "{json}");
        change(&mut expected);
        expected.updated_at = updated.updated_at;
        assert_eq!(updated, expected, "{json}");
        assert_eq!(found(&bank, expected.customer_id).await, expected, "{json}");
    }
    for field in [
        "customer_id",
        "customer_number",
        "created_at",
        "updated_at",
        "date_of_birth",
        "customer_type",
        "x",
    ] {
        let error =
            serde_json::from_str::<CustomerUpdate>(&format!(r#"{{"{field}": "1"}}"#)).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}

async fn null_deletes_a_value(bank: TestBank) {
    let customer = created(&bank, &person("ada@example.org", "1"))
        .await
        .customer_id;
    let json = r#"{"email": null, "phone_primary": null, "phone_secondary": null}"#;
    let updated = customers::update(&bank.database, customer, &update(json))
        .await
        .unwrap();
    assert_eq!(
        (
            updated.email,
            updated.phone_primary,
            updated.phone_secondary
        ),
        (None, None, None)
    );
    // Another customer can take the address now.
    created(&bank, &person("ADA@example.org", "1")).await;
}

async fn empty_update_is_rejected(bank: TestBank) {
    let before = created(&bank, &person("ada@example.org", "1")).await;
    for json in ["{}", r#"{"first_name": null, "kyc_status": null}"#] {
        let error = customers::update(&bank.database, before.customer_id, &update(json))
            .await
            .unwrap_err();
        assert!(
            matches!(error, CustomerError::EmptyUpdate),
            "{json}: {error:?}"
        );
    }
    assert_eq!(found(&bank, before.customer_id).await, before);
}

async fn second_update_in_a_transaction_raises_the_update_time(bank: TestBank) {
    let customer = created(&bank, &person("ada@example.org", "1")).await;
    let times = bank
        .database
        .transaction(async |transaction| {
            let mut times = vec![customer.updated_at];
            for _ in 0..5 {
                let updated = customers::update(
                    transaction,
                    customer.customer_id,
                    &update(r#"{"last_name": "L"}"#),
                )
                .await?;
                times.push(updated.updated_at);
            }
            Ok::<_, CustomerError>(times)
        })
        .await
        .unwrap();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    assert_eq!(
        found(&bank, customer.customer_id).await.updated_at,
        times[5]
    );
}

async fn update_of_an_unknown_customer_is_rejected(bank: TestBank) {
    let unknown = CustomerId::new();
    let error = customers::update(&bank.database, unknown, &update(r#"{"last_name": "L"}"#))
        .await
        .unwrap_err();
    assert!(
        matches!(error, CustomerError::UnknownCustomer { customer } if customer == unknown),
        "{error:?}"
    );
}

async fn invalid_value_changes_nothing(bank: TestBank) {
    let before = created(&bank, &person("ada@example.org", "1")).await;
    for (field, value) in [
        ("first_name", ""),
        ("last_name", "a\0"),
        ("email", "no address"),
        ("email", "x"),
        ("email", ""),
        ("phone_primary", ""),
        ("phone_secondary", "\0"),
    ] {
        let mut fields = serde_json::json!({ "customer_status": "closed" });
        fields[field] = value.into();
        let update: CustomerUpdate = serde_json::from_value(fields).unwrap();
        let error = customers::update(&bank.database, before.customer_id, &update)
            .await
            .unwrap_err();
        let CustomerError::Invalid {
            field: found,
            value: given,
            ..
        } = error
        else {
            panic!("{field}: {error:?}")
        };
        assert_eq!((found, given.as_str()), (field, value));
    }
    for json in [r#"{"customer_status": "gone"}"#, r#"{"kyc_status": ""}"#] {
        assert!(
            serde_json::from_str::<CustomerUpdate>(json).is_err(),
            "{json}"
        );
    }
    assert_eq!(found(&bank, before.customer_id).await, before);
}

async fn email_of_another_customer_is_rejected(bank: TestBank) {
    created(&bank, &person("grace@example.org", "1")).await;
    let before = created(&bank, &person("ada@example.org", "1")).await;
    let json = r#"{"email": "GRACE@example.org", "last_name": "L"}"#;
    let error = customers::update(&bank.database, before.customer_id, &update(json))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CustomerError::EmailTaken { email } if email == "GRACE@example.org"),
        "{error:?}"
    );
    assert_eq!(found(&bank, before.customer_id).await, before);
    // The customer's own address in another case does not conflict.
    let updated = customers::update(
        &bank.database,
        before.customer_id,
        &update(r#"{"email": "ADA@example.org"}"#),
    )
    .await;
    assert_eq!(updated.unwrap().email.as_deref(), Some("ADA@example.org"));
}

//! Creating a customer once, and finding it by identifier, number and e-mail address.

use std::collections::HashSet;

use chrono::NaiveDate;
use futures_util::future::join_all;
use neobank_db::Executor;
use neobank_domain::CustomerId;
use neobank_domain::customers::{
    self, CustomerError, CustomerStatus, CustomerType, KycStatus, NewCustomer,
};

use super::{created, found, person};
use crate::harness::TestBank;

on_both_versions!(
    created_customer_is_found_with_its_values,
    customer_is_found_by_email_without_case,
    email_is_unique_without_case,
    email_is_unique_without_case_under_concurrency,
    customer_numbers_are_made_by_the_database,
    repeated_creation_is_rejected,
    invalid_value_is_rejected_with_field_and_value,
);

async fn created_customer_is_found_with_its_values(bank: TestBank) {
    let mut new = person("Ada@Example.org", "+420 111");
    new.phone_secondary = Some("+420 222".to_owned());
    new.date_of_birth = NaiveDate::from_ymd_opt(1850, 1, 1);
    new.customer_type = CustomerType::Business;
    let customer = created(&bank, &new).await;
    assert_eq!(found(&bank, new.customer_id).await, customer);
    assert_eq!(customer.customer_id, new.customer_id);
    assert_eq!(
        (customer.first_name, customer.last_name),
        (new.first_name, new.last_name)
    );
    assert_eq!(
        (customer.email, customer.phone_primary),
        (new.email, new.phone_primary)
    );
    assert_eq!(customer.phone_secondary, new.phone_secondary);
    assert_eq!(customer.date_of_birth, new.date_of_birth);
    assert_eq!(customer.customer_type, CustomerType::Business);
    assert_eq!(
        (customer.status, customer.kyc_status),
        (CustomerStatus::Active, KycStatus::Pending)
    );
    assert_eq!(
        customers::find(&bank.database, CustomerId::new())
            .await
            .unwrap(),
        None
    );
}

async fn customer_is_found_by_email_without_case(bank: TestBank) {
    let customer = created(&bank, &person("Ada.B_C%D@Example.org", "1")).await;
    for email in [
        "Ada.B_C%D@Example.org",
        "ada.b_c%d@example.org",
        "ADA.B_C%D@EXAMPLE.ORG",
    ] {
        let found = customers::find_by_email(&bank.database, email)
            .await
            .unwrap();
        assert_eq!(found, Some(customer.clone()), "{email}");
    }
    for email in [
        "ada.bXc%d@example.org",
        "%",
        "ada.b_c%",
        "ada.b_c%d@example.org ",
        "",
        "a\0b",
    ] {
        let found = customers::find_by_email(&bank.database, email)
            .await
            .unwrap();
        assert_eq!(found, None, "{email:?}");
    }
}

async fn email_is_unique_without_case(bank: TestBank) {
    created(&bank, &person("ada@example.org", "1")).await;
    let before = bank.count("banking.customers").await;
    let error = customers::create(&bank.database, &person("ADA@example.ORG", "1"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CustomerError::EmailTaken { email } if email == "ADA@example.ORG"),
        "{error:?}"
    );
    assert_eq!(bank.count("banking.customers").await, before);
    // Customers without an address do not conflict.
    bank.customer().await;
    bank.customer().await;
}

async fn email_is_unique_without_case_under_concurrency(bank: TestBank) {
    for round in 0..5 {
        let attempts: Vec<_> = (0..16)
            .map(|number| {
                let email: String = format!("same{round}@example.org")
                    .chars()
                    .enumerate()
                    .map(|(place, letter)| {
                        if (number >> (place % 4)) % 2 == 0 {
                            letter
                        } else {
                            letter.to_ascii_uppercase()
                        }
                    })
                    .collect();
                person(&email, "1")
            })
            .collect();
        let outcomes = join_all(
            attempts
                .iter()
                .map(|new| customers::create(&bank.database, new)),
        )
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{outcomes:?}"
        );
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Ok(_) | Err(CustomerError::EmailTaken { .. }))),
            "{outcomes:?}"
        );
    }
}

async fn customer_numbers_are_made_by_the_database(bank: TestBank) {
    let new: Vec<_> = (0..40).map(|_| NewCustomer::individual("A", "B")).collect();
    let outcomes = join_all(new.iter().map(|new| customers::create(&bank.database, new))).await;
    let numbers: HashSet<String> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().customer_number)
        .collect();
    assert_eq!(numbers.len(), 40);
    for number in numbers {
        let digits = number.strip_prefix('C').unwrap();
        assert!(
            digits.len() == 10 && digits.bytes().all(|digit| digit.is_ascii_digit()),
            "{number}"
        );
    }
}

async fn repeated_creation_is_rejected(bank: TestBank) {
    let new = person("ada@example.org", "1");
    created(&bank, &new).await;
    let mut again = new.clone();
    again.email = None;
    let error = customers::create(&bank.database, &again).await.unwrap_err();
    assert!(
        matches!(error, CustomerError::AlreadyExists { customer } if customer == new.customer_id),
        "{error:?}"
    );
    // A repeated request gets the same error, whichever index the server checks first.
    again.email = new.email;
    let error = customers::create(&bank.database, &again).await.unwrap_err();
    assert!(
        matches!(error, CustomerError::AlreadyExists { .. }),
        "{error:?}"
    );
}

async fn invalid_value_is_rejected_with_field_and_value(bank: TestBank) {
    let long = "x".repeat(201);
    let wide = "ž".repeat(200);
    let date = |year| NaiveDate::from_ymd_opt(year, 1, 1);
    let base = person("ada@example.org", "1");
    let with = |change: &dyn Fn(&mut NewCustomer)| {
        let mut new = base.clone();
        change(&mut new);
        new
    };
    let cases = [
        (
            "first_name",
            String::new(),
            with(&|new| new.first_name = String::new()),
        ),
        (
            "first_name",
            long.clone(),
            with(&|new| new.first_name = long.clone()),
        ),
        (
            "last_name",
            "a\0b".to_owned(),
            with(&|new| new.last_name = "a\0b".to_owned()),
        ),
        (
            "email",
            String::new(),
            with(&|new| new.email = Some(String::new())),
        ),
        (
            "email",
            "ada".to_owned(),
            with(&|new| new.email = Some("ada".to_owned())),
        ),
        (
            "email",
            "@example.org".to_owned(),
            with(&|new| new.email = Some("@example.org".to_owned())),
        ),
        (
            "email",
            "ada@".to_owned(),
            with(&|new| new.email = Some("ada@".to_owned())),
        ),
        (
            "email",
            "a b@c".to_owned(),
            with(&|new| new.email = Some("a b@c".to_owned())),
        ),
        (
            "email",
            "a\0@c".to_owned(),
            with(&|new| new.email = Some("a\0@c".to_owned())),
        ),
        (
            "phone_primary",
            String::new(),
            with(&|new| new.phone_primary = Some(String::new())),
        ),
        (
            "phone_primary",
            "1".repeat(41),
            with(&|new| new.phone_primary = Some("1".repeat(41))),
        ),
        (
            "phone_secondary",
            "\0".to_owned(),
            with(&|new| new.phone_secondary = Some("\0".to_owned())),
        ),
        (
            "date_of_birth",
            "+20000-01-01".to_owned(),
            with(&|new| new.date_of_birth = date(20_000)),
        ),
        (
            "date_of_birth",
            "1849-01-01".to_owned(),
            with(&|new| new.date_of_birth = date(1849)),
        ),
        (
            "date_of_birth",
            "2199-01-01".to_owned(),
            with(&|new| new.date_of_birth = date(2199)),
        ),
        (
            "first_name",
            " ".to_owned(),
            with(&|new| new.first_name = " ".to_owned()),
        ),
        (
            "last_name",
            "\u{1b}[2J".to_owned(),
            with(&|new| new.last_name = "\u{1b}[2J".to_owned()),
        ),
        (
            "phone_primary",
            "abc".to_owned(),
            with(&|new| new.phone_primary = Some("abc".to_owned())),
        ),
        (
            "phone_secondary",
            "+".to_owned(),
            with(&|new| new.phone_secondary = Some("+".to_owned())),
        ),
        (
            "date_of_birth",
            "-9999-01-01".to_owned(),
            with(&|new| new.date_of_birth = date(-9_999)),
        ),
    ];
    for (field, value, new) in cases {
        let error = customers::create(&bank.database, &new).await.unwrap_err();
        let CustomerError::Invalid {
            field: found,
            value: given,
            ..
        } = error
        else {
            panic!("{field} {value:?}: {error:?}")
        };
        assert_eq!((found, given), (field, value));
    }
    assert_eq!(bank.count("banking.customers").await, 0);
    // The database also rejects the value in SQL that a client writes.
    for (column, value, constraint) in [
        ("first_name", "' '", "customers_first_name_is_a_name"),
        ("last_name", "E'\\x1b[2J'", "customers_last_name_is_a_name"),
        ("email", "'nowhere'", "customers_email_is_an_address"),
        (
            "phone_primary",
            "'abc'",
            "customers_phone_primary_is_a_number",
        ),
        (
            "phone_secondary",
            "'+'",
            "customers_phone_secondary_is_a_number",
        ),
        (
            "date_of_birth",
            "'2199-01-01'",
            "customers_date_of_birth_range",
        ),
    ] {
        let names = match column {
            "first_name" => "last_name".to_owned(),
            "last_name" => "first_name".to_owned(),
            _ => "last_name, first_name".to_owned(),
        };
        let given = if names.contains(',') {
            "'a', 'b'"
        } else {
            "'a'"
        };
        let sql = format!(
            "INSERT INTO banking.customers (customer_id, {names}, {column}) VALUES (gen_random_uuid(), {given}, {value})"
        );
        let error = bank
            .database
            .execute(neobank_db::statement(&sql, []))
            .await
            .unwrap_err();
        assert_eq!(error.constraint(), Some(constraint), "{sql}: {error:?}");
    }
    // At the limit, which counts characters and not bytes.
    let at_the_limit = with(&|new| new.first_name = wide.clone());
    assert_eq!(created(&bank, &at_the_limit).await.first_name, wide);
}

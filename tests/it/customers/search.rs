//! The search for customers: its filters, pages and limits, compared with a model in Rust.

use neobank_db::{Executor, statement};
use neobank_domain::CustomerId;
use neobank_domain::customers::{
    self, CustomerCursor, CustomerError, CustomerFilter, CustomerStatus, CustomerType,
    CustomerUpdate,
};

use super::{created, person};
use crate::harness::TestBank;

on_both_versions!(
    filters_alone_and_combined_match_the_model,
    cursor_pages_are_stable_while_customers_come_and_go,
    offset_skips_customers,
    limit_out_of_bounds_is_rejected,
    cursor_survives_its_text_and_other_text_is_rejected,
);

/// Returns the customers of a search from all its pages.
async fn all(bank: &TestBank, mut filter: CustomerFilter) -> Vec<CustomerId> {
    let mut found = Vec::new();
    loop {
        let page = customers::search(&bank.database, &filter).await.unwrap();
        assert!(page.customers.len() <= filter.limit as usize);
        found.extend(page.customers.iter().map(|customer| customer.customer_id));
        filter.after = page.next;
        if filter.after.is_none() {
            return found;
        }
    }
}

async fn filters_alone_and_combined_match_the_model(bank: TestBank) {
    let mut model = Vec::new();
    for number in 0..64 {
        let bit = |place: u32| number >> place & 1 == 1;
        let status = [
            CustomerStatus::Active,
            CustomerStatus::Inactive,
            CustomerStatus::Suspended,
            CustomerStatus::Closed,
        ][number as usize & 3];
        let customer_type = if bit(2) {
            CustomerType::Business
        } else {
            CustomerType::Individual
        };
        let email = format!(
            "{}{number}@Example.org",
            if bit(3) { "Needle" } else { "other" }
        );
        let mut new = person(&email, "");
        new.customer_type = customer_type;
        new.phone_primary = Some(if bit(4) { "+420 777 123" } else { "+1 555" }.to_owned());
        // The filter matches either telephone number.
        new.phone_secondary = bit(5).then(|| "00777".to_owned());
        let customer = created(&bank, &new).await.customer_id;
        let update = CustomerUpdate::default().with_customer_status(status);
        customers::update(&bank.database, customer, &update)
            .await
            .unwrap();
        model.push((customer, status, customer_type, bit(3), bit(4) || bit(5)));
    }
    model.reverse();
    for choice in 0..16 {
        let given = |place: u32| choice >> place & 1 == 1;
        let filter = CustomerFilter::default()
            .with_email(given(0).then(|| "nEEdle".to_owned()))
            .with_phone(given(1).then(|| "777".to_owned()))
            .with_status(given(2).then_some(CustomerStatus::Suspended))
            .with_customer_type(given(3).then_some(CustomerType::Business))
            .with_limit(5);
        let expected: Vec<_> = model
            .iter()
            .filter(|(_, status, customer_type, needle, phone)| {
                (!given(0) || *needle)
                    && (!given(1) || *phone)
                    && (!given(2) || *status == CustomerStatus::Suspended)
                    && (!given(3) || *customer_type == CustomerType::Business)
            })
            .map(|(customer, ..)| *customer)
            .collect();
        assert!(!expected.is_empty() && (choice == 0 || expected.len() < model.len()));
        assert_eq!(all(&bank, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn cursor_pages_are_stable_while_customers_come_and_go(bank: TestBank) {
    let superuser = bank.superuser().await;
    let mut customers = Vec::new();
    for _ in 0..30 {
        customers.push(bank.customer().await);
    }
    // All customers have the same time, so that only the identifiers order them.
    superuser
        .execute(statement(
            "UPDATE banking.customers SET created_at = '2026-01-01 00:00:00.123456+00'",
            [],
        ))
        .await
        .unwrap();
    customers.sort_unstable_by(|a, b| b.cmp(a));
    let mut filter = CustomerFilter::default().with_limit(7);
    let (mut seen, mut gone) = (Vec::new(), Vec::new());
    loop {
        let page = customers::search(&bank.database, &filter).await.unwrap();
        seen.extend(page.customers.iter().map(|customer| customer.customer_id));
        let Some(next) = page.next else { break };
        filter.after = Some(next);
        // Between pages, customers are added; one that was seen (the cursor's own) and one that was
        // not are deleted.
        bank.customer().await;
        let last = *seen.last().unwrap();
        let unseen = *customers
            .iter()
            .rfind(|customer| !gone.contains(*customer))
            .unwrap();
        for customer in [last, unseen] {
            if seen.contains(&unseen) && customer == unseen {
                continue;
            }
            superuser
                .execute(statement(
                    "DELETE FROM banking.customers WHERE customer_id = $1",
                    [customer.as_uuid().into()],
                ))
                .await
                .unwrap();
            if customer == unseen {
                gone.push(unseen);
            }
        }
    }
    assert!(gone.len() >= 2);
    let expected: Vec<_> = customers
        .into_iter()
        .filter(|customer| !gone.contains(customer))
        .collect();
    assert_eq!(seen, expected);
}

async fn offset_skips_customers(bank: TestBank) {
    let mut customers = Vec::new();
    for _ in 0..10 {
        customers.push(bank.customer().await);
    }
    customers.reverse();
    let page = |offset, limit| {
        CustomerFilter::default()
            .with_offset(offset)
            .with_limit(limit)
    };
    for (offset, limit, range) in [
        (0, 4, 0..4),
        (3, 4, 3..7),
        (8, 4, 8..10),
        (10, 4, 10..10),
        (u32::MAX, 1, 10..10),
    ] {
        let found = customers::search(&bank.database, &page(offset, limit))
            .await
            .unwrap();
        let found_customers: Vec<_> = found
            .customers
            .iter()
            .map(|customer| customer.customer_id)
            .collect();
        assert_eq!(found_customers, customers[range.clone()], "{offset}");
        assert_eq!(found.next.is_some(), range.end < 10, "{offset}");
    }
}

async fn limit_out_of_bounds_is_rejected(bank: TestBank) {
    bank.customer().await;
    for limit in [0, CustomerFilter::LIMIT_MAX + 1, u32::MAX] {
        let filter = CustomerFilter::default().with_limit(limit);
        let error = customers::search(&bank.database, &filter)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, CustomerError::Invalid { field: "limit", value, .. } if *value == limit.to_string()),
            "{error:?}"
        );
    }
    for limit in [1, CustomerFilter::LIMIT_MAX] {
        let filter = CustomerFilter::default().with_limit(limit);
        let page = customers::search(&bank.database, &filter).await.unwrap();
        assert_eq!((page.customers.len(), page.next), (1, None));
    }
}

async fn cursor_survives_its_text_and_other_text_is_rejected(bank: TestBank) {
    for _ in 0..3 {
        bank.customer().await;
    }
    let filter = CustomerFilter::default().with_limit(1);
    let next = customers::search(&bank.database, &filter)
        .await
        .unwrap()
        .next
        .unwrap();
    assert_eq!(next.to_string().parse::<CustomerCursor>().unwrap(), next);
    for text in [
        "",
        ".",
        "1",
        "1.",
        "1.x",
        "x.00000000000070008000000000000000",
        "1.2.3",
        // Times that the server or its clients cannot represent.
        "-70000000000000000.00000000000070008000000000000000",
        "900000000000000000.00000000000070008000000000000000",
        "99999999999999999999.00000000000070008000000000000000",
    ] {
        let error = text.parse::<CustomerCursor>().unwrap_err();
        assert!(
            matches!(&error, CustomerError::Invalid { field: "cursor", value, .. } if value == text),
            "{error:?}"
        );
    }
}

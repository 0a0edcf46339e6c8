//! Texts of a search match themselves, special characters included.

use neobank_db::{Executor, statement};
use neobank_domain::customers::{self, CustomerError, CustomerFilter};

use super::{created, person};
use crate::harness::TestBank;

on_both_versions!(
    special_characters_match_themselves,
    nul_character_is_rejected,
);

async fn special_characters_match_themselves(bank: TestBank) {
    let texts = [
        "plain",
        "per%cent",
        "under_score",
        r"back\slash",
        r"both\%",
        "o'brien",
        "quo\"te",
        "dol$1lar",
        "žluťoučký",
        "日本語",
        "🏦",
        "a--b",
        "a;b",
        "percent",
        "underXscore",
    ];
    for text in texts {
        created(&bank, &person(&format!("{text}@example.org"), "1")).await;
    }
    // Telephone numbers that older rules admitted.
    let superuser = bank.superuser().await;
    for sql in [
        "ALTER TABLE banking.customers DISABLE TRIGGER customers_valid_terms",
        "UPDATE banking.customers SET phone_primary = split_part(email, '@', 1)",
    ] {
        superuser.execute(statement(sql, [])).await.unwrap();
    }
    let needles = [
        "%", "_", r"\", r"\\", r"\%", "'", "''", "\"", "$1", "--", ";", "ž", "本", "🏦", "r%c",
        "r_s", "k\\s", "%%", "", "plain",
    ];
    for needle in needles {
        let by_email = CustomerFilter::default().with_email(Some(needle.to_owned()));
        let by_phone = CustomerFilter::default().with_phone(Some(needle.to_owned()));
        for filter in [by_email, by_phone] {
            let page = customers::search(&bank.database, &filter).await.unwrap();
            let mut found: Vec<_> = page
                .customers
                .into_iter()
                .map(|customer| customer.phone_primary.unwrap())
                .collect();
            found.sort_unstable();
            let mut expected: Vec<_> = texts
                .into_iter()
                .filter(|text| text.contains(needle))
                .collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{needle:?}: {filter:?}");
        }
    }
}

async fn nul_character_is_rejected(bank: TestBank) {
    let text = || Some("a\0b".to_owned());
    for (field, filter) in [
        ("email", CustomerFilter::default().with_email(text())),
        ("phone", CustomerFilter::default().with_phone(text())),
    ] {
        let error = customers::search(&bank.database, &filter)
            .await
            .unwrap_err();
        let CustomerError::Invalid {
            field: found,
            value,
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((found, value.as_str()), (field, "a\0b"));
    }
}

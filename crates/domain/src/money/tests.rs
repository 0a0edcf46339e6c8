use proptest::prelude::*;

use super::*;

fn koruna() -> Currency {
    Currency::from_code("CZK").unwrap()
}

#[test]
fn every_currency_is_found_by_its_code_and_no_other_text_is() {
    let all: Vec<_> = Currency::all().collect();
    assert!(all.is_sorted_by(|a, b| a.code() < b.code()));
    assert!(
        all.iter()
            .all(|currency| Currency::from_code(currency.code()) == Ok(*currency))
    );
    assert!(
        ["", "CZ", "czk", "XXX", "CZKK", "ČZK"]
            .iter()
            .all(|code| Currency::from_code(code).is_err())
    );
}

#[test]
fn text_that_breaks_a_rule_is_not_an_amount() {
    for text in [
        "",
        "-",
        ".",
        "1.",
        ".5",
        "+1",
        "1e3",
        "1_000",
        "1,5",
        " 1",
        "1 ",
        "NaN",
        "inf",
        "Infinity",
        "0x1",
        "١",
        "1.2.3",
        "--1",
        "1-",
        "\u{2212}1",
        "99999999999999999999999999999999",
    ] {
        assert!(
            matches!(
                Money::parse(text, koruna()),
                Err(MoneyError::NotANumber { .. })
            ),
            "{text:?}"
        );
    }
}

#[test]
fn superfluous_zeros_are_ignored_and_a_long_text_gives_a_short_error() {
    let zeros = "0".repeat(30);
    let amount = Money::parse(&format!("{zeros}12.5{zeros}"), koruna()).unwrap();
    assert_eq!(amount.to_string(), "12.50 CZK");
    assert!(Money::parse("0.00", koruna()).unwrap().is_zero());
    for long in ["9".repeat(300_000), format!("1.{}", "0".repeat(50_000_000))] {
        let error = Money::parse(&long, koruna()).unwrap_err();
        assert!(matches!(error, MoneyError::NotANumber { .. }));
        assert!(error.to_string().len() < 150, "{}", error.to_string().len());
    }
    let error = Currency::from_code(&"K".repeat(50_000_000)).unwrap_err();
    assert!(error.to_string().len() < 150);
}

#[test]
fn written_amount_is_read_back_and_ordered_within_its_currency() {
    let amount = |text: &str| text.parse::<Money>();
    assert_eq!(amount("-12.50 CZK").unwrap().to_string(), "-12.50 CZK");
    assert!(amount("9 CZK").unwrap() < amount("10 CZK").unwrap());
    assert_eq!(
        amount("9 CZK")
            .unwrap()
            .partial_cmp(&amount("9 EUR").unwrap()),
        None
    );
    assert!(matches!(amount("9"), Err(MoneyError::NoCurrency { .. })));
    let json = serde_json::to_string(&amount("0.10 EUR").unwrap()).unwrap();
    assert_eq!(json, r#"{"amount":"0.10","currency":"EUR"}"#);
    assert_eq!(
        serde_json::from_str::<Money>(&json).unwrap(),
        amount("0.1 EUR").unwrap()
    );
    for wrong in [
        r#"{"amount":"0.105","currency":"EUR"}"#,
        r#"{"amount":"0.1","currency":"XXX"}"#,
        r#"{"amount":0.1,"currency":"EUR"}"#,
    ] {
        assert!(serde_json::from_str::<Money>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn withdrawn_currency_is_readable_and_not_active() {
    let withdrawn: Vec<_> = Currency::withdrawn().collect();
    assert!(withdrawn.is_sorted_by(|a, b| a.code() < b.code()));
    assert!(withdrawn.iter().all(|currency| !currency.is_active()));
    let kuna: Money = "7.53 HRK".parse().unwrap();
    assert_eq!(kuna.to_string(), "7.53 HRK");
    assert!(Currency::all().all(|currency| currency.is_active()));
    assert!(Currency::from_code("BGN").is_ok_and(|lev| !lev.is_active()));
}

#[test]
fn amount_beyond_decimals_or_limit_is_rejected() {
    let yen = Currency::from_code("JPY").unwrap();
    let dinar = Currency::from_code("KWD").unwrap();
    assert!(matches!(
        Money::parse("0.001", koruna()),
        Err(MoneyError::TooManyDecimals { .. })
    ));
    assert!(matches!(
        Money::parse("1.5", yen),
        Err(MoneyError::TooManyDecimals { .. })
    ));
    assert_eq!(
        Money::parse("1.500", koruna()).unwrap().to_string(),
        "1.50 CZK"
    );
    assert_eq!(Money::parse("1.0", yen).unwrap().to_string(), "1 JPY");
    assert_eq!(
        Money::parse("0.125", dinar).unwrap().to_string(),
        "0.125 KWD"
    );
    assert_eq!(Money::parse("-0", koruna()).unwrap(), Money::zero(koruna()));
    assert!(Money::parse("999999999999999999.99", koruna()).is_ok());
    assert!(matches!(
        Money::parse("1000000000000000000", koruna()),
        Err(MoneyError::OutOfRange { .. })
    ));
    assert!(matches!(
        Money::parse("-1000000000000000000", koruna()),
        Err(MoneyError::OutOfRange { .. })
    ));
    assert!(matches!(
        Money::parse("0.00000000000000000000000000001", koruna()),
        Err(MoneyError::NotANumber { .. })
    ));
}

#[test]
fn sum_across_currencies_or_beyond_the_limit_is_rejected() {
    let yen = Money::parse("1", Currency::from_code("JPY").unwrap()).unwrap();
    let most = Money::parse("999999999999999999.99", koruna()).unwrap();
    let cent = Money::parse("0.01", koruna()).unwrap();
    assert!(matches!(
        most.checked_add(yen),
        Err(MoneyError::CurrencyMismatch { .. })
    ));
    assert!(matches!(
        most.checked_add(cent),
        Err(MoneyError::OutOfRange { .. })
    ));
    assert!(matches!(
        most.negated().checked_sub(cent),
        Err(MoneyError::OutOfRange { .. })
    ));
    assert_eq!(most.checked_sub(most).unwrap(), Money::zero(koruna()));
}

proptest! {
    #[test]
    fn displayed_amount_is_read_back(
        minor in -99_999_999_999_999_999_999_i128..=99_999_999_999_999_999_999_i128,
    ) {
        let money = Money::new(Decimal::from_i128_with_scale(minor, 2), koruna()).unwrap();
        let text = money.amount().to_string();
        prop_assert_eq!(Money::parse(&text, koruna()).unwrap(), money);
        prop_assert_eq!(money.amount().scale(), 2);
        prop_assert_eq!(money.negated().negated(), money);
    }

    #[test]
    fn parsing_any_text_does_not_panic(text in "\\PC*") {
        let _ = Money::parse(&text, koruna());
    }

    #[test]
    fn sums_and_differences_are_exact(
        a in -1_000_000_000_i64..1_000_000_000,
        b in -1_000_000_000_i64..1_000_000_000,
    ) {
        let money = |minor| Money::new(Decimal::new(minor, 2), koruna()).unwrap();
        prop_assert_eq!(money(a).checked_add(money(b)).unwrap(), money(a + b));
        prop_assert_eq!(money(a).checked_sub(money(b)).unwrap(), money(a - b));
    }
}

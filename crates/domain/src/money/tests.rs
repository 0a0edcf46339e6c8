use proptest::prelude::*;

use super::*;

fn koruna() -> Currency {
    Currency::from_code("CZK").unwrap()
}

#[test]
fn currencies_are_in_order_and_found() {
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
fn texts_that_are_not_amounts() {
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
fn decimals_and_limits_are_kept() {
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
fn sums_stay_in_their_currency_and_range() {
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
    fn what_is_shown_is_read_back(minor in -99_999_999_999_999_999_999_i128..=99_999_999_999_999_999_999_i128) {
        let money = Money::new(Decimal::from_i128_with_scale(minor, 2), koruna()).unwrap();
        let text = money.amount().to_string();
        prop_assert_eq!(Money::parse(&text, koruna()).unwrap(), money);
        prop_assert_eq!(money.amount().scale(), 2);
        prop_assert_eq!(money.negated().negated(), money);
    }

    #[test]
    fn any_text_is_an_amount_or_a_clear_error(text in "\\PC*") {
        let _ = Money::parse(&text, koruna());
    }

    #[test]
    fn adding_is_exact(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
        let money = |minor| Money::new(Decimal::new(minor, 2), koruna()).unwrap();
        prop_assert_eq!(money(a).checked_add(money(b)).unwrap(), money(a + b));
        prop_assert_eq!(money(a).checked_sub(money(b)).unwrap(), money(a - b));
    }
}

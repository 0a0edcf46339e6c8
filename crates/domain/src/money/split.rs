//! Division of an amount into parts that add up to it.

use rust_decimal::Decimal;

use super::{Money, MoneyError};

impl Money {
    /// Divides the amount by weights, so that the parts always add up to the whole.
    ///
    /// Each part is the weight's exact share, rounded towards zero to the currency's minor unit.
    /// The minor units that this leaves over go to the parts with the largest fractions, one each;
    /// among equal fractions the earlier part comes first (the largest remainder method, also known
    /// as Hamilton's). So each part is less than one minor unit away from its exact share, and a
    /// part of weight zero is zero. A negative amount mirrors the positive one.
    ///
    /// # Errors
    ///
    /// [`MoneyError::NoWeight`] when there is no weight, or when all of them are zero.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_domain::{Money, MoneyError};
    ///
    /// let bill: Money = "100.00 CZK".parse()?;
    /// let parts: Vec<_> = bill.split(&[1, 1, 1])?.iter().map(Money::to_string).collect();
    /// assert_eq!(parts, ["33.34 CZK", "33.33 CZK", "33.33 CZK"]);
    /// # Ok::<(), MoneyError>(())
    /// ```
    pub fn split(self, weights: &[u32]) -> Result<Vec<Self>, MoneyError> {
        // An amount has exactly the decimals of its currency, so its mantissa counts minor units.
        let parts = divided(self.amount().mantissa(), weights).ok_or(MoneyError::NoWeight {
            weights: weights.len(),
        })?;
        let (currency, scale) = (self.currency(), self.currency().minor_units());
        parts
            .into_iter()
            .map(|units| Self::new(Decimal::from_i128_with_scale(units, scale), currency))
            .collect()
    }
}

/// Divides units by weights; `None` when the weights add up to zero.
///
/// There are fewer than 10^22 units in an amount, which times a weight and added up is far below the
/// limit of `i128`: nothing overflows.
fn divided(units: i128, weights: &[u32]) -> Option<Vec<i128>> {
    let weights = weights.iter().copied().map(i128::from);
    let total = weights.clone().try_fold(0, i128::checked_add)?;
    if total == 0 {
        return None;
    }
    let shares: Vec<i128> = weights
        .map(|weight| units.checked_mul(weight))
        .collect::<Option<_>>()?;
    let mut parts: Vec<i128> = shares
        .iter()
        .map(|share| share.checked_div(total))
        .collect::<Option<_>>()?;
    let given = parts.iter().copied().try_fold(0, i128::checked_add)?;
    let left_over = units.checked_sub(given)?;

    let mut by_fraction: Vec<(usize, u128)> = Vec::with_capacity(shares.len());
    for (part, share) in shares.iter().enumerate() {
        by_fraction.push((part, share.checked_rem(total)?.unsigned_abs()));
    }
    // The sort is stable: among equal fractions the earlier part stays in front.
    by_fraction.sort_by_key(|(_, fraction)| std::cmp::Reverse(*fraction));
    let count = usize::try_from(left_over.unsigned_abs()).ok()?;
    for (part, _) in by_fraction.into_iter().take(count) {
        let part = parts.get_mut(part)?;
        *part = part.checked_add(left_over.signum())?;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Currency;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn split(text: &str, weights: &[u32]) -> Vec<String> {
        let parts = money(text).split(weights).unwrap();
        parts.iter().map(Money::to_string).collect()
    }

    #[test]
    fn left_over_units_go_to_the_largest_fractions_and_then_to_the_earlier_parts() {
        // The exact shares are 16.66…, 33.33… and 50 of 100 minor units.
        let parts = ["0.17 CZK", "0.33 CZK", "0.50 CZK"];
        assert_eq!(split("1.00 CZK", &[1, 2, 3]), parts);
        let parts = ["33.34 CZK", "33.33 CZK", "33.33 CZK"];
        assert_eq!(split("100.00 CZK", &[7, 7, 7]), parts);
        // A currency without a minor unit.
        assert_eq!(split("5 JPY", &[1, 1, 1]), ["2 JPY", "2 JPY", "1 JPY"]);
    }

    #[test]
    fn part_of_weight_zero_is_zero() {
        let parts = ["0.00 CZK", "0.01 CZK", "0.00 CZK"];
        assert_eq!(split("0.01 CZK", &[0, 1, 0]), parts);
    }

    #[test]
    fn largest_amount_is_split_by_the_largest_weights() {
        let whole = money("999999999999999999.9999 CLF");
        let parts = whole.split(&[u32::MAX, u32::MAX]).unwrap();
        assert_eq!(parts[0].checked_add(parts[1]), Ok(whole));
    }

    #[test]
    fn split_without_weight_is_an_error() {
        for weights in [&[][..], &[0, 0]] {
            let error = money("1.00 CZK").split(weights).unwrap_err();
            assert_eq!(
                error,
                MoneyError::NoWeight {
                    weights: weights.len()
                }
            );
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole_and_are_near_their_exact_shares(
            units in -1_000_000_000_000_000_i64..1_000_000_000_000_000,
            weights in proptest::collection::vec(prop_oneof![Just(0), 0..10_u32, any::<u32>()], 1..12),
        ) {
            let currency = Currency::from_code("CZK").unwrap();
            let of = |units: i64| Money::new(Decimal::new(units, 2), currency).unwrap();
            let total: i128 = weights.iter().copied().map(i128::from).sum();
            prop_assume!(total > 0);
            let parts = of(units).split(&weights).unwrap();
            prop_assert_eq!(parts.len(), weights.len());
            let mut sum = Money::zero(currency);
            for (part, weight) in parts.iter().zip(&weights) {
                sum = sum.checked_add(*part).unwrap();
                let exact_times_total = i128::from(units) * i128::from(*weight);
                let distance = part.amount().mantissa() * total - exact_times_total;
                prop_assert!(distance.abs() < total, "{} of weight {}", part, weight);
            }
            prop_assert_eq!(sum, of(units));
            for (one, other) in parts.iter().zip(&weights).zip(parts.iter().zip(&weights).skip(1)) {
                // A greater weight never gets less of a positive amount.
                let (smaller, greater) = if one.1 <= other.1 { (one, other) } else { (other, one) };
                if units >= 0 && smaller.1 < greater.1 {
                    prop_assert!(smaller.0 <= greater.0);
                }
            }
            let mirrored = of(-units).split(&weights).unwrap();
            let negated: Vec<_> = parts.iter().map(|part| part.negated()).collect();
            prop_assert_eq!(mirrored, negated);
        }
    }
}

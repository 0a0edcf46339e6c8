//! Sums of amounts that cannot overflow into a panic.

use rust_decimal::Decimal;

/// Returns the sum, or the largest number where it is too large.
pub(super) fn sum(amounts: impl IntoIterator<Item = Decimal>) -> Decimal {
    let amounts = amounts.into_iter();
    amounts.fold(Decimal::ZERO, Decimal::saturating_add)
}

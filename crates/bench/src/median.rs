/// Returns the median: the middle value, the mean of the middle two, or 0 for no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied();
    let upper = at(values.len() / 2);
    let lower = at(values.len().saturating_sub(1) / 2);
    upper
        .zip(lower)
        .map_or(0.0, |(upper, lower)| f64::midpoint(upper, lower))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!(median([]), 0.0);
    }
}

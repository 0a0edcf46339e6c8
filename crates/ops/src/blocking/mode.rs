//! The modes of locks, and their conflicts.

/// The modes from the weakest to the strongest, as the server writes them.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// Returns `true` if two transactions cannot hold both modes at the same time: table 13.2 of
/// PostgreSQL's manual. An unknown mode conflicts with every other.
#[must_use]
pub fn conflict(one: &str, other: &str) -> bool {
    let place = |mode: &str| MODES.iter().position(|known| *known == mode);
    let (Some(one), Some(other)) = (place(one), place(other)) else {
        return true;
    };
    let (weaker, stronger) = (one.min(other), one.max(other));
    match stronger {
        // Readers conflict with AccessExclusive alone, row lockers with Exclusive too.
        0..=2 => false,
        3 => weaker == 3,
        4 => weaker == 2 || weaker == 3,
        5 => weaker >= 2,
        6 => weaker >= 1,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's table: the modes that each mode conflicts with, by number.
    const MANUAL: [&[usize]; 8] = [
        &[7],
        &[6, 7],
        &[4, 5, 6, 7],
        &[3, 4, 5, 6, 7],
        &[2, 3, 5, 6, 7],
        &[2, 3, 4, 5, 6, 7],
        &[1, 2, 3, 4, 5, 6, 7],
        &[0, 1, 2, 3, 4, 5, 6, 7],
    ];

    #[test]
    fn conflicts_match_the_manual() {
        for (one, conflicting) in MANUAL.iter().enumerate() {
            for (other, mode) in MODES.iter().enumerate() {
                let expected = conflicting.contains(&other);
                assert_eq!(conflict(MODES[one], mode), expected, "{one} {other}");
            }
        }
        assert!(conflict("NewLock", "AccessShareLock"));
    }
}

//! The pauses between attempts.

use std::time::Duration;

use super::options::WebhookOptions;

/// Returns the pause after a number of failed attempts: it doubles with each, up to the longest, and
/// a random part of up to a half is taken off. A receiver may ask for a longer one.
pub(super) fn pause(
    options: &WebhookOptions,
    failed_attempts: u32,
    asked: Option<Duration>,
) -> Duration {
    let doublings = failed_attempts.saturating_sub(1).min(31);
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    let full = options.first_pause.saturating_mul(factor);
    let full = full.min(options.longest_pause);
    let jittered = full - full.saturating_mul(random()) / (2 * u32::from(u16::MAX));
    let asked = asked.unwrap_or_default().min(options.longest_pause);
    jittered.max(asked)
}

/// Returns a random number of 16 bits; 0 if the system has none.
fn random() -> u32 {
    let mut random = [0_u8; 2];
    let _ = getrandom::fill(&mut random);
    u16::from_le_bytes(random).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_less_a_random_half() {
        let options = WebhookOptions::default();
        for (attempts, seconds) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (5, 16),
            (9, 256),
            (10, 300),
            (9_999, 300),
        ] {
            let full = Duration::from_secs(seconds);
            let found: Vec<_> = (0..50).map(|_| pause(&options, attempts, None)).collect();
            let in_range = |pause: &Duration| (full / 2..=full).contains(pause);
            assert!(found.iter().all(in_range), "{attempts}: {found:?}");
            assert!(found.iter().any(|pause| *pause != found[0]), "{found:?}");
        }
    }

    #[test]
    fn receivers_may_ask_for_a_longer_pause_within_the_longest() {
        let options = WebhookOptions::default();
        let asked = |seconds| pause(&options, 1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(60), Duration::from_secs(60));
        assert_eq!(asked(100_000), options.longest_pause);
        assert!(asked(0) >= Duration::from_millis(500));
    }
}

//! Texts from the database in one safe line, and short figures.

use neobank_domain::printable::is_unsafe;

/// Returns a text in one line: white space becomes one blank, and every character that a terminal
/// would execute, or that would change the order of the text, is written as `\u{1b}`.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut is_gap = false;
    for character in text.chars() {
        if character.is_whitespace() {
            is_gap = true;
            continue;
        }
        if is_gap && !line.is_empty() {
            line.push(' ');
        }
        is_gap = false;
        if is_unsafe(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Returns [`one_line`] of a text, or a dash where it is missing.
pub(super) fn or_dash(text: Option<&str>) -> String {
    match text.map(one_line) {
        Some(line) if !line.is_empty() => line,
        _ => "-".to_owned(),
    }
}

/// Returns an age in at most six characters: `87ms`, `5.2s`, `3m12s`, `4h07m`, `12d3h`.
pub(super) fn age(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    let (seconds, minutes, hours) = (
        milliseconds / 1_000,
        milliseconds / 60_000,
        milliseconds / 3_600_000,
    );
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..=9 => format!("{seconds}.{}s", milliseconds % 1_000 / 100),
        10..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..=86_399 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d{}h", hours / 24, hours % 24),
    }
}

/// Returns a count in at most five characters: `999`, `12.3k`, `4.5M`.
pub(super) fn count(number: u64) -> String {
    for (unit, name) in [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ] {
        if number >= unit * 100 {
            return format!("{}{name}", number / unit);
        }
        if number >= unit {
            return format!("{}.{}{name}", number / unit, number % unit * 10 / unit);
        }
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(one_line("a\u{1b}[2J b"), "a\\u{1b}[2J b");
        assert_eq!(one_line("\u{9b}31m\u{7}"), "\\u{9b}31m\\u{7}");
        assert_eq!(one_line("pay\u{202e}elor"), "pay\\u{202e}elor");
        assert_eq!(one_line("  SELECT\n\t 1\r\n"), "SELECT 1");
        assert_eq!(one_line("Dvořák 你好"), "Dvořák 你好");
        assert_eq!(or_dash(Some(" \n")), "-");
    }

    #[test]
    fn ages_and_counts_are_short() {
        let ages = [-5, 87, 5_250, 12_000, 192_000, 14_820_000, 1_047_600_000].map(age);
        assert_eq!(
            ages,
            ["0ms", "87ms", "5.2s", "12s", "3m12s", "4h07m", "12d3h"]
        );
        let counts = [0, 999, 1_000, 12_345, 123_456, 4_567_890].map(count);
        assert_eq!(counts, ["0", "999", "1.0k", "12.3k", "123k", "4.5M"]);
    }

    proptest! {
        #[test]
        fn no_unsafe_character_is_left(text in any::<String>()) {
            prop_assert!(!one_line(&text).chars().any(is_unsafe));
        }

        #[test]
        fn no_number_panics(milliseconds in any::<i64>(), number in any::<u64>()) {
            prop_assert!(!age(milliseconds).is_empty() && !count(number).is_empty());
        }
    }
}

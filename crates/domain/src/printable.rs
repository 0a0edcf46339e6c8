//! Escapes, so that texts from the database cannot control a terminal or a page.

/// Returns the text with every character that a terminal would execute, or that would change the
/// order of the text, written as `\u{1b}`. A line break becomes `\n`, a tab `\t`.
///
/// # Example
///
/// ```
/// use neobank_domain::printable::printable;
///
/// assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
/// ```
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Returns `true` for control characters of C0 and C1, and for characters of Unicode that change
/// direction, break lines or are invisible.
#[must_use]
pub const fn is_unsafe(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_sequences_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("\u{9b}31m\r\n\t\0"), "\\u{9b}31m\\r\\n\\t\\u{0}");
        assert_eq!(printable("pay\u{202e}elor"), "pay\\u{202e}elor");
        assert_eq!(printable("Dvořák 你好"), "Dvořák 你好");
    }

    proptest! {
        #[test]
        fn no_unsafe_character_is_left(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_unsafe));
        }

        #[test]
        fn harmless_texts_stay(text in "[a-zA-Z0-9 čřžß\\-_.]{0,40}") {
            prop_assert_eq!(printable(&text), text);
        }
    }
}

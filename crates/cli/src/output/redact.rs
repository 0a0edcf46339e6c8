//! Redaction of passwords. The URL or keyword string of a database may occur in any message,
//! because clap repeats a misplaced argument.

const HIDDEN: &str = "(hidden)";

/// Returns the text without passwords: each URL of a database is cut to its scheme, and each
/// `password=…` loses its value.
pub(crate) fn redact(text: &str) -> String {
    hide_keywords(&hide_urls(text))
}

fn hide_urls(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, scheme)) = first_url(rest) {
        let (before, url) = rest.split_at(start);
        safe.push_str(before);
        safe.push_str(scheme);
        safe.push_str(HIDDEN);
        // The next URL's own password is hidden with it; the text between them that can belong to
        // neither stays.
        let next = url.get(scheme.len()..).and_then(first_url);
        let limit = next.map_or(url.len(), |(place, _)| scheme.len() + place);
        rest = url.get(end_of_url(url, limit)..).unwrap_or_default();
    }
    safe.push_str(rest);
    safe
}

/// Returns the end of a URL. A password may contain a blank or a quote, so the search starts after
/// the line's last `@` that can belong to this URL.
fn end_of_url(url: &str, limit: usize) -> usize {
    let own = url.get(..limit).unwrap_or(url);
    let line = own.split(['\n', '\r']).next().unwrap_or(own);
    let from = line.rfind('@').unwrap_or(0);
    let behind = line.get(from..).unwrap_or_default();
    let end = behind.find(|character: char| character.is_whitespace() || character == '\'');
    end.map_or(line.len(), |place| from + place)
}

fn first_url(text: &str) -> Option<(usize, &'static str)> {
    ["postgresql://", "postgres://"]
        .into_iter()
        .filter_map(|scheme| text.find(scheme).map(|start| (start, scheme)))
        .min()
}

/// Hides the values of `password = value` and `password='a value'`, as libpq's keyword strings
/// write them.
fn hide_keywords(text: &str) -> String {
    const KEYWORD: &str = "password";
    let lower = text.to_ascii_lowercase();
    let mut safe = String::with_capacity(text.len());
    let mut place = 0;
    while let Some(found) = lower.get(place..).and_then(|rest| rest.find(KEYWORD)) {
        let after = place + found + KEYWORD.len();
        let rest = text.get(after..).unwrap_or_default();
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            safe.push_str(text.get(place..after).unwrap_or_default());
            place = after;
            continue;
        };
        let start = text.len() - value.len();
        safe.push_str(text.get(place..start).unwrap_or_default());
        safe.push_str(HIDDEN);
        place = start + length_of_value(value);
    }
    safe.push_str(text.get(place..).unwrap_or_default());
    safe
}

fn length_of_value(value: &str) -> usize {
    let quoted = value.starts_with('\'');
    let mut escaped = false;
    for (place, character) in value.char_indices().skip(usize::from(quoted)) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return place + 1,
            _ if !quoted && (character.is_whitespace() || matches!(character, '&' | '\'')) => {
                return place;
            }
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_cut() {
        assert_eq!(
            redact("unexpected argument 'postgres://a:b@c/d' found; postgresql://x:y@z"),
            "unexpected argument 'postgres://(hidden)' found; postgresql://(hidden)"
        );
        assert_eq!(redact("no URL here"), "no URL here");
    }

    #[test]
    fn passwords_with_blanks_quotes_and_at_signs_are_hidden() {
        for text in [
            "postgresql://u:pa canary@h/db",
            "'postgresql://u:pa'canary@h/db' found",
            "postgresql://u:pa@canary@h/db",
            "postgresql://u:a b@h/db and postgres://u:c canary@h/db",
            "host=h password=canary user=u",
            "host=h PASSWORD = 'a \\' canary' user=u",
            "password='canary",
            "x?password=canary&port=1",
        ] {
            assert!(!redact(text).contains("canary"), "{text}: {}", redact(text));
        }
        assert_eq!(
            redact("host=h password='a b' user=u"),
            "host=h password=(hidden) user=u"
        );
        assert_eq!(redact("the password is wrong"), "the password is wrong");
    }
}

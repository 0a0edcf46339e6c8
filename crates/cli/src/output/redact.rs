//! A URL of a database may hold a password, and may stand in any message: an argument in the wrong place is repeated by
//! the reader of the command line.

/// The text with every URL of a database cut down to its scheme.
pub(crate) fn redact(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, scheme)) = first_url(rest) {
        let (before, url) = rest.split_at(start);
        safe.push_str(before);
        safe.push_str(scheme);
        safe.push_str("(hidden)");
        let end = url
            .find(|character: char| character.is_whitespace() || character == '\'')
            .unwrap_or(url.len());
        rest = url.get(end..).unwrap_or_default();
    }
    safe.push_str(rest);
    safe
}

fn first_url(text: &str) -> Option<(usize, &'static str)> {
    ["postgresql://", "postgres://"]
        .into_iter()
        .filter_map(|scheme| text.find(scheme).map(|start| (start, scheme)))
        .min()
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
}

//! Statements without the secrets in them.

/// The placeholder of a hidden literal.
const HIDDEN: &str = "'…'";

/// First words of statements whose literals are data, and stay.
const PLANNED: [&str; 8] = [
    "select", "insert", "update", "delete", "merge", "with", "values", "table",
];

/// Fragments of a literal that indicate a secret in any statement, such as a connection string of
/// `dblink`.
const SUSPICIOUS: [&str; 4] = ["password", "passwd", "secret", "://"];

/// Returns a statement of `pg_stat_activity` or `pg_stat_statements` without its secrets.
///
/// Every text literal of a utility statement is replaced, since it can be a password (`ALTER ROLE`,
/// `CREATE USER MAPPING`), a connection string or a program (`COPY`). In queries and changes of
/// rows, only literals that name a password or are a URL are replaced. A text may contain several
/// statements, and may have been cut anywhere.
///
/// # Example
///
/// ```
/// use neobank_ops::without_secrets;
///
/// assert_eq!(
///     without_secrets("ALTER ROLE app PASSWORD 'hunter2'"),
///     "ALTER ROLE app PASSWORD '…'"
/// );
/// assert_eq!(without_secrets("SELECT 'a'"), "SELECT 'a'");
/// ```
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_planned = None;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        let is_word = first.is_alphabetic() || first == '_';
        if is_literal(token) {
            let hidden = is_planned != Some(true) || is_suspicious(token);
            shown.push_str(if hidden { HIDDEN } else { token });
        } else {
            shown.push_str(token);
            if token == ";" {
                is_planned = None;
            } else if is_word && is_planned.is_none() {
                let word = token.to_ascii_lowercase();
                is_planned = Some(PLANNED.contains(&word.as_str()));
            }
        }
        rest = after;
    }
    shown
}

fn is_suspicious(literal: &str) -> bool {
    let lower = literal.to_ascii_lowercase();
    SUSPICIOUS.iter().any(|part| lower.contains(part))
}

/// Returns `true` for a token that ends in a quote or is cut within one, except quoted names and
/// comments.
fn is_literal(token: &str) -> bool {
    let unprefixed = token
        .strip_prefix("U&")
        .or_else(|| token.strip_prefix("u&"))
        .or_else(|| token.strip_prefix(['e', 'E', 'b', 'B', 'x', 'X', 'n', 'N']))
        .unwrap_or(token);
    unprefixed.starts_with('\'')
        || (token.starts_with('$') && token.len() > 1 && dollar_tag(token).is_some())
}

/// Returns the length in bytes of the first token: a literal, a quoted name, a comment, a word, or
/// one character.
fn token_length(text: &str, first: char) -> usize {
    let quote_at = |prefix: usize, escapes: bool| quoted_length(text, prefix, '\'', escapes);
    let second = text.chars().nth(1);
    match (first, second) {
        ('\'', _) => quote_at(0, false),
        ('"', _) => quoted_length(text, 0, '"', false),
        ('e' | 'E', Some('\'')) => quote_at(1, true),
        ('b' | 'B' | 'x' | 'X' | 'n' | 'N', Some('\'')) => quote_at(1, false),
        ('u' | 'U', Some('&')) if text.chars().nth(2) == Some('\'') => quote_at(2, false),
        ('-', Some('-')) => text.find('\n').unwrap_or(text.len()),
        ('/', Some('*')) => comment_length(text),
        ('$', _) => match dollar_tag(text) {
            Some(tag) => {
                let body = text.get(tag.len()..).unwrap_or_default();
                body.find(tag)
                    .map_or(text.len(), |end| end + tag.len() + tag.len())
            }
            None => 1,
        },
        _ if first.is_alphanumeric() || first == '_' => text
            .find(|one: char| !one.is_alphanumeric() && one != '_' && one != '$')
            .unwrap_or(text.len()),
        _ => first.len_utf8(),
    }
}

/// Returns the length of a quoted token from the beginning of its prefix. A token whose end was cut
/// off reaches to the end of the text.
fn quoted_length(text: &str, prefix: usize, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(prefix + 1).peekable();
    while let Some((place, one)) = characters.next() {
        if escapes && one == '\\' {
            characters.next();
        } else if one == quote {
            match characters.peek() {
                Some((_, again)) if *again == quote => {
                    characters.next();
                }
                _ => return place + one.len_utf8(),
            }
        }
    }
    text.len()
}

/// Comments nest.
fn comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (place, one) in text.char_indices() {
        match (before, one) {
            ('/', '*') => {
                depth += 1;
                before = ' ';
            }
            ('*', '/') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return place + 1;
                }
                before = ' ';
            }
            _ => before = one,
        }
    }
    text.len()
}

/// Returns `$$` or `$tag$` at the beginning; a parameter (`$1`) is no tag.
fn dollar_tag(text: &str) -> Option<&str> {
    let after = text.strip_prefix('$')?;
    let end = after.find('$')?;
    let tag = after.get(..end)?;
    let is_tag = !tag.starts_with(|first: char| first.is_ascii_digit())
        && tag.chars().all(|one| one.is_alphanumeric() || one == '_');
    is_tag.then(|| text.get(..end + 2)).flatten()
}

/// A row that contains a statement.
pub(crate) trait HasStatement {
    /// Returns the statement, if the row has one.
    fn statement_mut(&mut self) -> &mut Option<String>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_data_stays() {
        for (text, expected) in [
            ("ALTER ROLE a PASSWORD 'it''s'", "ALTER ROLE a PASSWORD '…'"),
            (
                "create role a password E'a\\'b' login",
                "create role a password '…' login",
            ),
            ("CREATE USER a PASSWORD $$b$$", "CREATE USER a PASSWORD '…'"),
            (
                "CREATE USER a PASSWORD $x$b$$c$x$;",
                "CREATE USER a PASSWORD '…';",
            ),
            ("CREATE USER a PASSWORD U&'b'", "CREATE USER a PASSWORD '…'"),
            ("ALTER ROLE a PASSWORD 'cut of", "ALTER ROLE a PASSWORD '…'"),
            (
                "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'b', password 'c')",
                "CREATE USER MAPPING FOR a SERVER s OPTIONS (user '…', password '…')",
            ),
            ("COPY t TO PROGRAM 'curl -u a:b'", "COPY t TO PROGRAM '…'"),
            (
                "SELECT dblink_connect('host=h password=p'), 'name'",
                "SELECT dblink_connect('…'), 'name'",
            ),
            ("SELECT 'postgres://u:p@h/d'", "SELECT '…'"),
            (
                "SELECT 1; ALTER ROLE a PASSWORD 'b'",
                "SELECT 1; ALTER ROLE a PASSWORD '…'",
            ),
            (
                "/* SELECT */ ALTER ROLE a PASSWORD 'b'",
                "/* SELECT */ ALTER ROLE a PASSWORD '…'",
            ),
            ("-- SELECT\nSET a = 'b'", "-- SELECT\nSET a = '…'"),
            (
                "SELECT 'a' FROM \"it's\" WHERE b = $1",
                "SELECT 'a' FROM \"it's\" WHERE b = $1",
            ),
            ("INSERT INTO t VALUES ('ž')", "INSERT INTO t VALUES ('ž')"),
            ("<insufficient privilege>", "<insufficient privilege>"),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_tokenized_to_its_end(text in "('|\"|[$]|[$]a[$]|E'|U&'|/[*]|[*]/|--|\\\\|\n|;|ž|a| ){0,24}") {
            let shown = without_secrets(&text);
            prop_assert!(text.contains(['\'', '$']) || shown == text, "{}", shown);
        }

        #[test]
        fn password_of_a_role_is_hidden(secret in "[a-z'\\\\$; ]{0,12}Q[a-z'\\\\$; ]{0,12}") {
            let text = format!("ALTER ROLE a PASSWORD '{}'", secret.replace('\'', "''"));
            prop_assert!(!without_secrets(&text).contains('Q'));
        }
    }
}

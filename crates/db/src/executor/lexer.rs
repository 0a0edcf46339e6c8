//! A lexer that divides a statement into words and symbols, and skips literals and comments.

/// A token of a statement that can matter to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword or an unquoted name, as written.
    Word(&'a str),
    /// A name in double quotes, without the quotes.
    Quoted(&'a str),
    /// A string literal in any quotes, or a number.
    Literal,
    /// Any other character.
    Symbol(char),
}

impl Token<'_> {
    /// Returns a word or a `;` in lower case; `None` for a quoted name, which is never a keyword.
    pub(crate) fn keyword(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_ascii_lowercase()),
            Self::Symbol(';') => Some(";".to_owned()),
            _ => None,
        }
    }

    /// Returns the name as the server folds it: lower case unless it is quoted.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_ascii_lowercase()),
            Self::Quoted(name) => Some((*name).to_owned()),
            _ => None,
        }
    }
}

/// Returns the tokens of a statement, as PostgreSQL divides it with `standard_conforming_strings`
/// on.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut rest = sql;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            // The server ends such a comment at either character.
            comment
                .split_once(['\n', '\r'])
                .map_or("", |(_, rest)| rest)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            after_block_comment(comment)
        } else if first.is_whitespace() {
            rest.trim_start()
        } else {
            let (token, rest) = token(first, rest);
            tokens.push(token);
            rest
        };
    }
    tokens
}

fn token(first: char, rest: &str) -> (Token<'_>, &str) {
    let after = rest.get(first.len_utf8()..).unwrap_or_default();
    match first {
        '\'' => (Token::Literal, after_text(after, false)),
        'e' | 'E' if after.starts_with('\'') => (
            Token::Literal,
            after_text(after.get(1..).unwrap_or_default(), true),
        ),
        '"' => {
            let (name, rest) = after.split_once('"').unwrap_or((after, ""));
            (Token::Quoted(name), rest)
        }
        '$' => after_dollar(after),
        _ if is_word_start(first) => {
            let end = rest
                .find(|character| !is_word_part(character))
                .unwrap_or(rest.len());
            let (word, rest) = rest.split_at(end);
            (Token::Word(word), rest)
        }
        _ if first.is_ascii_digit() => {
            let end = rest
                .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                .unwrap_or(rest.len());
            (Token::Literal, rest.get(end..).unwrap_or_default())
        }
        _ => (Token::Symbol(first), after),
    }
}

/// Returns the text behind a string literal. A doubled quote reads as two adjacent literals, which
/// is equivalent here.
fn after_text(text: &str, has_escapes: bool) -> &str {
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if has_escapes => escaped = true,
            '\'' => {
                let rest = text.get(place + 1..).unwrap_or_default();
                // After a doubled quote, a literal with escapes continues with escapes.
                return match rest.strip_prefix('\'') {
                    Some(rest) if has_escapes => after_text(rest, true),
                    _ => rest,
                };
            }
            _ => {}
        }
    }
    ""
}

/// Reads `$1`, or `$tag$ … $tag$`.
fn after_dollar(after: &str) -> (Token<'_>, &str) {
    let end = after
        .find(|character| !is_word_part(character) || character == '$')
        .unwrap_or(after.len());
    let (tag, rest) = after.split_at(end);
    let is_tag = !tag.starts_with(|character: char| character.is_ascii_digit());
    match rest.strip_prefix('$') {
        Some(body) if is_tag => {
            let closing = format!("${tag}$");
            let rest = body
                .find(&closing)
                .and_then(|place| body.get(place + closing.len()..))
                .unwrap_or_default();
            (Token::Literal, rest)
        }
        _ => (Token::Literal, rest),
    }
}

fn is_word_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || !character.is_ascii()
}

fn is_word_part(character: char) -> bool {
    is_word_start(character) || character.is_ascii_digit() || character == '$'
}

/// Skips a block comment. Block comments nest in PostgreSQL.
fn after_block_comment(mut comment: &str) -> &str {
    let mut depth = 1_usize;
    while depth > 0 {
        let opened = comment.find("/*").unwrap_or(usize::MAX);
        let Some(closed) = comment.find("*/") else {
            return "";
        };
        let (position, change) = if opened < closed {
            (opened, 1)
        } else {
            (closed, -1)
        };
        depth = depth.saturating_add_signed(change);
        comment = comment.get(position + 2..).unwrap_or_default();
    }
    comment
}

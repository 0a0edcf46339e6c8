//! Statements by their pattern: the text without its values.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::executor::{Token, tokens};

/// The highest number of patterns; statements of any further pattern are counted together.
const PATTERNS_MAX: usize = 500;
/// The highest number of texts whose pattern is cached, so that a statement need not be parsed each
/// time.
const TEXTS_MAX: usize = 2000;
/// The longest pattern, in bytes; longer ones are cut.
const LENGTH_MAX: usize = 500;
/// The longest cached text, in bytes.
const TEXT_LENGTH_MAX: usize = 4000;

/// A pattern of statements, and their cost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementPattern {
    /// The text: every value or list of values is one `?`; comments are removed, white space is a
    /// single space.
    pub pattern: Arc<str>,
    /// The number of statements that were answered.
    pub count: u64,
    /// The number of statements that were abandoned before their answer.
    pub abandoned: u64,
    /// The total time of the statements, from sending to the answer.
    pub total: Duration,
    /// The time of the longest statement.
    pub max: Duration,
}

#[derive(Debug)]
pub(crate) struct Pattern {
    text: Arc<str>,
    count: AtomicU64,
    abandoned: AtomicU64,
    microseconds: AtomicU64,
    max: AtomicU64,
}

/// The patterns of a pool's statements, bounded in number.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    index: Mutex<PatternIndex>,
}

#[derive(Debug, Default)]
struct PatternIndex {
    by_text: HashMap<Box<str>, Arc<Pattern>>,
    by_pattern: HashMap<Arc<str>, Arc<Pattern>>,
}

impl Patterns {
    /// Returns the pattern of a statement.
    pub(crate) fn of(&self, sql: &str) -> Arc<Pattern> {
        if let Some(pattern) = self.lock().by_text.get(sql) {
            return Arc::clone(pattern);
        }
        // Parsed without the lock, because that takes time in proportion to the text.
        let normal = normalise(sql);
        let mut index = self.lock();
        let is_full = index.by_pattern.len() >= PATTERNS_MAX;
        let text: Arc<str> = if is_full && !index.by_pattern.contains_key(normal.as_str()) {
            Arc::from("(other statements)")
        } else {
            Arc::from(normal)
        };
        let pattern = Arc::clone(
            index
                .by_pattern
                .entry(Arc::clone(&text))
                .or_insert_with(|| Arc::new(Pattern::new(text))),
        );
        if sql.len() <= TEXT_LENGTH_MAX {
            if index.by_text.len() >= TEXTS_MAX {
                // Statements with their values in the text fill this map; the frequent ones return
                // to it at once.
                index.by_text.clear();
            }
            index.by_text.insert(Box::from(sql), Arc::clone(&pattern));
        }
        pattern
    }

    /// Returns every pattern, ordered by total time, the largest first.
    pub(crate) fn all(&self) -> Vec<StatementPattern> {
        let mut all: Vec<_> = self
            .lock()
            .by_pattern
            .values()
            .map(|pattern| pattern.snapshot())
            .collect();
        all.sort_by(|one, other| (other.total, &one.pattern).cmp(&(one.total, &other.pattern)));
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PatternIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pattern {
    fn new(text: Arc<str>) -> Self {
        Self {
            text,
            count: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            microseconds: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(crate) fn record(&self, took: Duration, answered: bool) {
        let counter = if answered {
            &self.count
        } else {
            &self.abandoned
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.max.fetch_max(microseconds, Ordering::Relaxed);
    }

    fn snapshot(&self) -> StatementPattern {
        StatementPattern {
            pattern: Arc::clone(&self.text),
            count: self.count.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
            total: Duration::from_micros(self.microseconds.load(Ordering::Relaxed)),
            max: Duration::from_micros(self.max.load(Ordering::Relaxed)),
        }
    }
}

/// Removes the values from a statement: literals, numbers and parameters become `?`, a list of them
/// one `?`, a list of rows one row. Comments are removed, and white space becomes one space.
fn normalise(sql: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for token in tokens(sql) {
        match token {
            Token::Word(word) => words.push(word.to_owned()),
            Token::Quoted(name) => words.push(format!("\"{name}\"")),
            Token::Symbol(symbol) => words.push(symbol.to_string()),
            // The lexer reads `1.5` as two numbers around a dot, and `'it''s'` as two literals.
            Token::Literal => match words.as_slice() {
                [.., before] if before == "?" => {}
                [.., before, point] if before == "?" && point == "." => {
                    words.pop();
                }
                _ => words.push("?".to_owned()),
            },
        }
        collapse(&mut words);
    }
    while words.last().is_some_and(|word| word == ";") {
        words.pop();
    }
    spaced(&words)
}

/// Reduces `?, ?` to one value, and `(?), (?)` to one row.
fn collapse(words: &mut Vec<String>) {
    let ends_with = |words: &[String], end: &[&str]| {
        words.len() >= end.len()
            && words[words.len() - end.len()..]
                .iter()
                .zip(end)
                .all(|(word, expected)| word == expected)
    };
    if ends_with(words, &["?", ",", "?"]) {
        words.truncate(words.len() - 2);
    }
    if ends_with(words, &["(", "?", ")", ",", "(", "?", ")"]) {
        words.truncate(words.len() - 4);
    }
}

fn spaced(words: &[String]) -> String {
    let mut text = String::new();
    let mut before = "";
    for word in words {
        let is_symbol = |word: &str| {
            word.chars()
                .next()
                .is_some_and(|first| !first.is_alphanumeric() && !"_\"?".contains(first))
        };
        let tight = before.is_empty()
            || matches!(word.as_str(), "," | ";" | ")" | "]" | "." | "[")
            || matches!(before, "(" | "[" | ".")
            || (word == "(" && !is_symbol(before) && !takes_space(before))
            || (is_symbol(before) && is_symbol(word) && !",()".contains(before) && word != "(")
            || (word == ":" || before == ":");
        if !tight {
            text.push(' ');
        }
        if text.len() + word.len() > LENGTH_MAX {
            text.push('…');
            break;
        }
        text.push_str(word);
        before = word;
    }
    text
}

/// Returns true for a word that is not a function before a parenthesis.
fn takes_space(word: &str) -> bool {
    [
        "in", "values", "as", "and", "or", "not", "exists", "on", "using", "over", "filter",
    ]
    .iter()
    .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lists_comments_and_space_do_not_matter() {
        for (sql, pattern) in [
            (
                "SELECT  a.b,c FROM t -- why\n WHERE x = 'O''Neill' AND y>=1.5 AND z = $1;",
                "SELECT a.b, c FROM t WHERE x = ? AND y >= ? AND z = ?",
            ),
            (
                "select * from t where id in (1, 2,3) /* a /* b */ c */",
                "select * from t where id in (?)",
            ),
            (
                "INSERT INTO s.t (a, b) VALUES ($1, $2), ($3, $4), ($5, $6)",
                "INSERT INTO s.t(a, b) VALUES (?)",
            ),
            (
                "SELECT count(*), $$secret$$ || E'se\\'cret' FROM \"odd name\"",
                "SELECT count(*), ? || ? FROM \"odd name\"",
            ),
            (
                "SELECT $1::bigint + 2::bigint",
                "SELECT ?::bigint + ?::bigint",
            ),
            ("", ""),
        ] {
            assert_eq!(normalise(sql), pattern);
        }
    }

    #[test]
    fn no_value_is_in_a_pattern() {
        for sql in [
            "SELECT 'secret'",
            "SELECT E'\\'secret'",
            "SELECT $$secret$$, $a$ $$secret$$ $a$",
            "SELECT U&'secret'",
            "SELECT 1 -- secret",
            "SELECT 'a' 'secret",
        ] {
            assert!(
                !normalise(sql).contains("secret"),
                "{sql}: {}",
                normalise(sql)
            );
        }
    }

    #[test]
    fn patterns_and_texts_are_bounded() {
        let patterns = Patterns::default();
        for number in 0..3 * TEXTS_MAX {
            patterns
                .of(&format!("SELECT {number} FROM t{}", number % 900))
                .record(Duration::from_millis(1), true);
        }
        let all = patterns.all();
        assert_eq!(all.len(), PATTERNS_MAX + 1);
        assert_eq!(&*all[0].pattern, "(other statements)");
        assert_eq!(
            all.iter().map(|one| one.count).sum::<u64>(),
            3 * TEXTS_MAX as u64
        );
        assert!(patterns.lock().by_text.len() <= TEXTS_MAX);
    }

    #[test]
    fn a_long_statement_is_cut() {
        let sql = format!("SELECT {}", vec!["column"; 10_000].join(" + "));
        assert!(normalise(&sql).len() <= LENGTH_MAX + '…'.len_utf8());
    }
}

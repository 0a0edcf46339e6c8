//! Statements in the form of the snapshots: a line for each clause, and the parameters below.

use neobank_db::Statement;

/// Breaks the line before the keywords that begin a clause, also within literals; the compared text
/// is still the whole statement.
pub(crate) fn readable(statement: &Statement) -> String {
    let mut text = statement
        .sql
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for word in [
        "FROM ",
        "WHERE ",
        "LEFT JOIN ",
        "INNER JOIN ",
        "CROSS JOIN ",
        "GROUP BY ",
        "HAVING ",
        "ORDER BY ",
        "LIMIT ",
        "UNION ",
        "AND ",
        "SELECT ",
        "WITH ",
    ] {
        text = text.replace(&format!(" {word}"), &format!("\n{word}"));
        text = text.replace(&format!("({word}"), &format!("(\n{word}"));
    }
    text = text.replace(", ", ",\n    ");
    let values = statement
        .values
        .as_ref()
        .map(|values| values.0.as_slice())
        .unwrap_or_default();
    for (number, value) in values.iter().enumerate() {
        text.push_str(&format!("\n-- ${}: {value}", number + 1));
    }
    text
}

//! Statements that would change the state of a connection behind its back.

use crate::error::DatabaseError;

/// Where a statement is to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Pool,
    Transaction,
}

/// Refuses what would open or end a transaction, or leave a setting to the connection's next owner.
///
/// The extended protocol takes one statement a message, so its first words tell what it is.
///
/// # Errors
///
/// [`DatabaseError::SessionStatement`] names the command.
pub(crate) fn refuse_session_statement(sql: &str, place: Place) -> Result<(), DatabaseError> {
    let (first, rest) = next_word(sql);
    let (second, _) = next_word(rest);
    let refused = match first.to_ascii_uppercase().as_str() {
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE"
        | "DISCARD" | "LISTEN" | "UNLISTEN" => true,
        "PREPARE" => second.eq_ignore_ascii_case("TRANSACTION"),
        // SET LOCAL ends with the transaction; SET CONSTRAINTS and SET TRANSACTION too.
        "SET" => {
            place == Place::Pool
                || !["LOCAL", "CONSTRAINTS", "TRANSACTION"]
                    .iter()
                    .any(|word| second.eq_ignore_ascii_case(word))
        }
        "RESET" => true,
        _ => false,
    };
    if refused {
        Err(DatabaseError::SessionStatement {
            command: first.to_ascii_uppercase(),
        })
    } else {
        Ok(())
    }
}

/// The next word after white space and comments, and what follows it.
fn next_word(sql: &str) -> (&str, &str) {
    let sql = skip_blank(sql);
    let end = sql
        .find(|character: char| !character.is_ascii_alphabetic())
        .unwrap_or(sql.len());
    sql.split_at(end)
}

fn skip_blank(mut sql: &str) -> &str {
    loop {
        let trimmed = sql.trim_start();
        sql = if let Some(comment) = trimmed.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            skip_block_comment(comment)
        } else {
            return trimmed;
        };
    }
}

/// Block comments nest in PostgreSQL.
fn skip_block_comment(mut comment: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str, place: Place) -> bool {
        refuse_session_statement(sql, place).is_err()
    }

    #[test]
    fn transaction_commands_are_refused_everywhere() {
        for sql in [
            "BEGIN",
            "begin;",
            "START TRANSACTION",
            "COMMIT",
            "end",
            "ROLLBACK TO x",
            "abort",
            "SAVEPOINT a",
            "RELEASE a",
            "PREPARE TRANSACTION 'x'",
            "  -- why\n /* a /* nested */ comment */ commit",
            "DISCARD ALL",
            "LISTEN x",
            "RESET ALL",
            "SET statement_timeout = 0",
            "SET SESSION statement_timeout = 0",
        ] {
            assert!(refused(sql, Place::Pool), "{sql}");
            assert!(refused(sql, Place::Transaction), "{sql}");
        }
    }

    #[test]
    fn local_settings_belong_to_transactions() {
        for sql in [
            "SET LOCAL lock_timeout = 1",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SET TRANSACTION READ ONLY",
        ] {
            assert!(refused(sql, Place::Pool), "{sql}");
            assert!(!refused(sql, Place::Transaction), "{sql}");
        }
    }

    #[test]
    fn other_statements_pass() {
        for sql in [
            "SELECT 1",
            "beginning",
            "INSERT INTO t VALUES (1)",
            "PREPARE x AS SELECT 1",
            "",
            "/*",
            "--",
            "/* a",
        ] {
            assert!(!refused(sql, Place::Pool), "{sql}");
        }
    }
}

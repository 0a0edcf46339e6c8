//! The rejection of statements that change the state of a pooled session.

use super::lexer::{Token, tokens};
use crate::error::DatabaseError;

/// The context in which a statement runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementContext {
    Pool,
    Transaction,
}

/// Rejects a statement that begins or ends a transaction, or that leaves session state to the
/// connection's next user: a setting, a lock, a temporary table, a prepared statement, a cursor.
///
/// The extended protocol takes one statement in each message, so the first words identify it. The
/// effects of functions inside the server are not visible here.
///
/// # Errors
///
/// [`DatabaseError::SessionStatement`] names the command or the function.
pub(crate) fn reject_session_statement(
    sql: &str,
    context: StatementContext,
) -> Result<(), DatabaseError> {
    let tokens = tokens(sql);
    match rejected_command(&tokens, context).or_else(|| rejected_call(&tokens)) {
        Some(command) => Err(DatabaseError::SessionStatement { command }),
        None => Ok(()),
    }
}

fn rejected_command(tokens: &[Token<'_>], context: StatementContext) -> Option<String> {
    let mut words = tokens.iter().map(Token::keyword);
    // The server accepts empty statements before the first one.
    let first = words.find(|word| word.as_deref() != Some(";"))??;
    let second = words.next().flatten().unwrap_or_default();
    let has = |sequence: &[&str]| has_sequence(tokens, sequence);
    let rejected = match first.as_str() {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release"
        | "discard" | "listen" | "unlisten" | "prepare" | "deallocate" | "reset" | "load" => true,
        // SET LOCAL ends with the transaction; so do SET CONSTRAINTS and SET TRANSACTION.
        "set" => {
            context == StatementContext::Pool
                || !["local", "constraints", "transaction"].contains(&second.as_str())
        }
        "create" => is_temporary(tokens) && !has(&["on", "commit", "drop"]),
        "declare" => has(&["with", "hold"]),
        "select" | "with" => has(&["into", "temp"]) || has(&["into", "temporary"]),
        _ => false,
    };
    rejected.then(|| first.to_ascii_uppercase())
}

/// Recognises `CREATE [OR REPLACE] [GLOBAL | LOCAL] TEMP`.
fn is_temporary(tokens: &[Token<'_>]) -> bool {
    tokens
        .iter()
        .filter_map(Token::keyword)
        .skip_while(|word| word == ";")
        .skip(1)
        .find(|word| !["or", "replace", "global", "local"].contains(&word.as_str()))
        .is_some_and(|word| word == "temp" || word == "temporary")
}

/// Returns the name of a called server function whose effect outlives the transaction.
fn rejected_call(tokens: &[Token<'_>]) -> Option<String> {
    tokens.windows(2).enumerate().find_map(|(context, pair)| {
        let [name, Token::Symbol('(')] = pair else {
            return None;
        };
        let name = name.name()?;
        let rejected = match name.as_str() {
            "set_config" => !is_local(tokens.get(context + 2..).unwrap_or_default()),
            "pg_advisory_lock"
            | "pg_advisory_lock_shared"
            | "pg_try_advisory_lock"
            | "pg_try_advisory_lock_shared"
            | "pg_advisory_unlock"
            | "pg_advisory_unlock_shared"
            | "pg_advisory_unlock_all" => true,
            _ => false,
        };
        rejected.then_some(name)
    })
}

/// Returns true when the last argument of a call is the single word `true`.
fn is_local(arguments: &[Token<'_>]) -> bool {
    let mut depth = 1_usize;
    let mut last: Vec<&Token<'_>> = Vec::new();
    for token in arguments {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
        match token {
            _ if depth == 0 => break,
            Token::Symbol(',') if depth == 1 => last.clear(),
            _ => last.push(token),
        }
    }
    matches!(last.as_slice(), [only] if only.keyword().as_deref() == Some("true"))
}

fn has_sequence(tokens: &[Token<'_>], sequence: &[&str]) -> bool {
    tokens.windows(sequence.len()).any(|window| {
        window
            .iter()
            .zip(sequence)
            .all(|(token, word)| token.keyword().as_deref() == Some(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(sql: &str, context: StatementContext) -> bool {
        reject_session_statement(sql, context).is_err()
    }

    #[test]
    fn transaction_commands_are_rejected_everywhere() {
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
            assert!(rejected(sql, StatementContext::Pool), "{sql}");
            assert!(rejected(sql, StatementContext::Transaction), "{sql}");
        }
    }

    #[test]
    fn local_settings_belong_to_transactions() {
        for sql in [
            "SET LOCAL lock_timeout = 1",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SET TRANSACTION READ ONLY",
        ] {
            assert!(rejected(sql, StatementContext::Pool), "{sql}");
            assert!(!rejected(sql, StatementContext::Transaction), "{sql}");
        }
    }

    #[test]
    fn session_state_is_rejected_everywhere() {
        for sql in [
            ";COMMIT",
            "/**/;  COMMIT",
            "; ; -- x\r COMMIT",
            "--x\rCOMMIT",
            "DEALLOCATE ALL",
            "PREPARE x AS SELECT 1",
            "SELECT set_config('a.b', '1', false)",
            "SELECT set_config('a.b', '1', $1)",
            "SELECT \"set_config\"('a.b', '1', 'false')",
            "SELECT set_config('a.b', f(1, true), false)",
            "SELECT set_config('a.b', '1', true), pg_catalog.SET_CONFIG('a.b', '1', not true)",
            "SELECT pg_advisory_lock(1)",
            "SELECT Pg_Try_Advisory_Lock (1)",
            "WITH x AS (SELECT pg_advisory_unlock_all()) SELECT 1",
            "CREATE TEMP TABLE x (y int)",
            "create local temporary table x (y int) ON COMMIT DELETE ROWS",
            "CREATE OR REPLACE TEMP VIEW x AS SELECT 1",
            "SELECT 1 AS x INTO TEMPORARY TABLE y",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "LOAD 'auto_explain'",
        ] {
            assert!(rejected(sql, StatementContext::Pool), "{sql}");
            assert!(rejected(sql, StatementContext::Transaction), "{sql}");
        }
    }

    #[test]
    fn transaction_local_statements_pass_in_a_transaction() {
        for sql in [
            "SELECT set_config('a.b', '1', true)",
            "SELECT set_config('a.b', f(1, 'x)'), TRUE )",
            "CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1",
            "DECLARE c CURSOR FOR SELECT 1",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
        ] {
            assert!(!rejected(sql, StatementContext::Transaction), "{sql}");
        }
    }

    #[test]
    fn words_in_literals_names_and_comments_are_ignored() {
        for sql in [
            "SELECT 'pg_advisory_lock(1)', E'\\' set_config(', $$ COMMIT; set_config( $$, $a$ $$ pg_advisory_lock(1) $a$",
            "SELECT \"pg_advisory_lock\" FROM t -- pg_advisory_lock(1)",
            "SELECT pg_advisory_lock FROM t /* pg_advisory_lock(1) */",
            "SELECT \"temp\", hold, temporary FROM t",
            "INSERT INTO temp VALUES (1)",
            "INSERT INTO temp (x) SELECT 1",
        ] {
            assert!(!rejected(sql, StatementContext::Pool), "{sql}");
        }
    }

    #[test]
    fn other_statements_pass() {
        for sql in [
            "SELECT 1",
            "beginning",
            "INSERT INTO t VALUES (1)",
            "",
            ";",
            "'",
            "$a$",
            "/*",
            "--",
            "/* a",
        ] {
            assert!(!rejected(sql, StatementContext::Pool), "{sql}");
        }
    }
}

//! Tests of frames and keys, without a terminal and without a server.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use neobank_ops::live::{CountersRow, SessionRow, Signal, SignalOutcome, Target};
use neobank_ops::{Cause, Section};
use proptest::prelude::*;

use super::plain;
use super::sample::{BlockingLine, Places, Sample};
use super::state::{Sort, State, View};
use super::update::{Effect, INTERVAL_MAX, INTERVAL_MIN};

fn session(process_id: i32, name: &str, state: &str, age: i64, statement: &str) -> SessionRow {
    let is_active = state == "active";
    let mut session = SessionRow::default();
    session.process_id = process_id;
    session.backend_start = Some(at(0));
    session.username = Some(name.to_owned());
    session.database = Some("bank".to_owned());
    session.application_name = Some("ledger".to_owned());
    session.backend_type = Some("client backend".to_owned());
    session.state = Some(state.to_owned());
    session.transaction_age_milliseconds = (state != "idle").then_some(age);
    session.statement_age_milliseconds = is_active.then_some(age / 2);
    session.state_age_milliseconds = Some(age);
    session.statement_started_at = Some(at(1));
    session.statement = Some(statement.to_owned());
    session
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn sessions() -> Vec<SessionRow> {
    let update = "UPDATE banking.accounts\n   SET current_balance = 1";
    let mut waiting = session(4712, "teller", "active", 65_000, update);
    waiting.wait_event_type = Some("Lock".to_owned());
    waiting.wait_event = Some("transactionid".to_owned());
    let mut own = session(4713, "monitor", "active", 3, "SELECT 1");
    own.is_own = true;
    let mut hidden = SessionRow::default();
    hidden.process_id = 4714;
    hidden.username = Some("secret".to_owned());
    hidden.database = Some("bank".to_owned());
    hidden.statement = Some("<insufficient privilege>".to_owned());
    vec![
        session(
            4711,
            "clerk",
            "idle in transaction",
            3_700_000,
            "UPDATE banking.accounts SET held_balance = 0",
        ),
        waiting,
        own,
        hidden,
        session(4715, "clerk", "idle", 500, "COMMIT"),
        session(
            4716,
            "mallory\u{1b}[2J",
            "idle in transaction (aborted)",
            9_000,
            "SELECT '\u{1b}]0;owned\u{7}\u{202e}'",
        ),
    ]
}

fn blocking() -> Vec<BlockingLine> {
    let line = |process_id: i32, depth, place| BlockingLine {
        depth,
        place,
        process_id: Some(process_id),
        name: process_id.to_string(),
        wait_milliseconds: Some(32_500),
        username: Some("teller".to_owned()),
        database: Some("bank".to_owned()),
        state: Some("active".to_owned()),
        statement: Some("UPDATE banking.accounts".to_owned()),
        ..BlockingLine::default()
    };
    vec![
        BlockingLine {
            waiters: Some(1),
            state: Some("idle in transaction".to_owned()),
            remedy: "End the transaction where it was left open.".to_owned(),
            ..line(4711, 0, "blocks")
        },
        BlockingLine {
            lock: Some("row (0,1) of \"banking\".\"accounts\"".to_owned()),
            mode: Some("ShareLock".to_owned()),
            ..line(4712, 1, "waits")
        },
        BlockingLine {
            process_id: None,
            name: "prepared \"x\u{1b}[31m\"".to_owned(),
            waiters: Some(1),
            ..line(0, 0, "blocks")
        },
        BlockingLine {
            lock: Some("advisory lock customer \"17\"".to_owned()),
            ..line(4716, 1, "queues")
        },
    ]
}

fn sample(seconds: i64) -> Sample {
    Sample {
        taken_at: at(seconds),
        sessions: Section::available(sessions()),
        blocking: Section::available(blocking()),
        places: Section::available(Places {
            used: 6,
            usable: 97,
        }),
        counters: Section::available(counters(seconds)),
    }
}

fn counters(seconds: i64) -> CountersRow {
    let mut counters = CountersRow::default();
    counters.taken_at = at(seconds);
    counters.commits = seconds * 1_234;
    counters.rollbacks = seconds;
    counters.rows_returned = seconds * 40_000;
    counters.rows_written = seconds * 20;
    counters.blocks_read = seconds;
    counters.blocks_hit = seconds * 99;
    counters
}

fn shown() -> State {
    let mut state = State::new(
        "PostgreSQL 18.1  monitor@db/bank".to_owned(),
        Duration::from_secs(2),
    );
    state.sampled(sample(2));
    state.sampled(sample(4));
    state
}

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let code = |character| match character {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\u{1b}' => KeyCode::Esc,
        '\u{8}' => KeyCode::Backspace,
        'v' => KeyCode::Down,
        '^' => KeyCode::Up,
        other => KeyCode::Char(other),
    };
    let event = |character| KeyEvent::new(code(character), KeyModifiers::NONE);
    keys.chars()
        .filter_map(|character| state.pressed(event(character)))
        .collect()
}

fn frame(state: &State) -> String {
    plain(state, 140, 24).unwrap()
}

#[test]
fn frames_show_the_sample() {
    let mut state = shown();
    insta::assert_snapshot!("sessions", frame(&state));
    press(&mut state, "2v");
    insta::assert_snapshot!("blocking", frame(&state));
    press(&mut state, "3");
    insta::assert_snapshot!("pools", frame(&state));
    press(&mut state, "?");
    insta::assert_snapshot!("help", frame(&state));
    press(&mut state, "q1vt");
    insta::assert_snapshot!("confirmation", frame(&state));
    press(&mut state, "n/teller");
    insta::assert_snapshot!("filter", frame(&state));
}

#[test]
fn screen_of_80_by_24_shows_the_important_columns() {
    let mut state = shown();
    insta::assert_snapshot!("sessions_80x24", plain(&state, 80, 24).unwrap());
    press(&mut state, "2v");
    insta::assert_snapshot!("blocking_80x24", plain(&state, 80, 24).unwrap());
}

#[test]
fn missing_sample_and_missing_privilege_are_shown() {
    let mut state = State::new("PostgreSQL 18.1".to_owned(), Duration::from_secs(2));
    assert!(frame(&state).contains("waiting for the server"));
    state.sampled(Sample {
        sessions: Section::not_available(
            Cause::InsufficientPrivilege,
            "permission \u{1b}[31mdenied",
        ),
        ..sample(1)
    });
    assert!(
        frame(&state).contains("n/a: permission \\u{1b}[31mdenied"),
        "{}",
        frame(&state)
    );
    state.problem = Some("the connection was lost".to_owned());
    assert!(frame(&state).contains("OLD: the connection was lost"));
    state.waiting = Some(Duration::from_secs(8));
    let narrow = plain(&state, 80, 24).unwrap();
    assert!(narrow.contains("no response for 8 s"), "{narrow}");
    state.waiting = Some(Duration::from_secs(1));
    assert!(!frame(&state).contains("no response"));
}

#[test]
fn texts_of_the_database_do_not_control_the_terminal() {
    let mut state = shown();
    for view in ["1", "2", "3"] {
        press(&mut state, view);
        assert!(!frame(&state).contains(['\u{1b}', '\u{7}', '\u{202e}']));
    }
    press(&mut state, "1/mallory\nt");
    let prompt = frame(&state);
    assert!(prompt.contains("End session 4716"), "{prompt}");
    assert!(!prompt.contains(['\u{1b}', '\u{7}', '\u{202e}']));
}

#[test]
fn signal_is_sent_only_after_y_and_to_the_chosen_session() {
    let target = Target::new(4712, at(0)).with_statement_started_at(Some(at(1)));
    let mut state = shown();
    assert_eq!(press(&mut state, "/teller\nc"), []);
    assert_eq!(
        press(&mut state, "\nv^cxt 1"),
        [],
        "other keys confirm nothing"
    );
    // Another session has the process identifier now, and the confirmation is still for the first.
    let mut later = sample(6);
    let mut other = session(4712, "teller", "active", 1, "SELECT 'another'");
    other.backend_start = Some(at(5));
    later.sessions = Section::available(vec![other]);
    state.sampled(later);
    assert!(frame(&state).contains("UPDATE banking.accounts SET current_balance"));
    assert_eq!(
        press(&mut state, "y"),
        [Effect::Send(Signal::Cancel, target)]
    );
    assert_eq!(press(&mut state, "y"), [], "once");
    let mut state = shown();
    assert_eq!(press(&mut state, "/teller\ntny"), []);
    assert_eq!(press(&mut state, "t\u{1b}y"), []);
    assert_eq!(
        press(&mut state, "ty"),
        [Effect::Send(Signal::Terminate, target)]
    );
}

#[test]
fn signal_without_a_valid_target_is_rejected_with_the_reason() {
    for (keys, reason) in [
        ("/monitor\nt", "this session is the view's own"),
        ("/monitor\nc", "this session is the view's own"),
        ("/secret\nt", "may not see that session"),
        ("/4711\nc", "runs no statement"),
        ("/no-session\nt", "choose a session first"),
        ("2vvt", "choose a session first"),
        ("3t", "choose a session first"),
    ] {
        let mut state = shown();
        assert_eq!(press(&mut state, keys), []);
        assert!(state.confirmation.is_none(), "{keys:?}");
        let message = state.message.clone().unwrap();
        assert!(
            message.text.contains(reason) && message.is_bad,
            "{keys:?}: {message:?}"
        );
    }
}

#[test]
fn result_of_a_signal_is_shown() {
    let target = Target::new(4712, at(0));
    for (outcome, words) in [
        (Ok(SignalOutcome::Sent), "sent to 4712"),
        (Ok(SignalOutcome::Gone), "4712 has ended"),
        (Ok(SignalOutcome::StatementOver), "is over"),
        (Ok(SignalOutcome::OwnSession), "the view's own"),
        (Err("permission denied".to_owned()), "permission denied"),
    ] {
        let mut state = shown();
        state.signalled(&target, outcome);
        assert!(frame(&state).contains(words), "{words}");
    }
}

fn order(state: &State) -> Vec<i32> {
    state
        .sessions()
        .iter()
        .map(|session| session.process_id)
        .collect()
}

#[test]
fn lists_are_sorted_and_filtered() {
    let mut state = shown();
    assert_eq!(order(&state), [4711, 4712, 4716, 4713, 4714, 4715]);
    press(&mut state, "r");
    assert_eq!(order(&state), [4715, 4714, 4713, 4716, 4712, 4711]);
    press(&mut state, "rsss");
    assert_eq!(state.sort, Sort::Process);
    assert_eq!(order(&state), [4711, 4712, 4713, 4714, 4715, 4716]);
    press(&mut state, "S/UPDATE trans\n");
    assert_eq!(state.sort, Sort::State);
    assert_eq!(
        order(&state),
        [4712, 4711],
        "all words, whatever their case"
    );
    press(&mut state, "\u{1b}");
    assert_eq!(order(&state).len(), 6);
    press(&mut state, "2/customer\n");
    let names: Vec<_> = state
        .blocking()
        .iter()
        .map(|line| line.process_id)
        .collect();
    assert_eq!(names, [None, Some(4716)], "of a tree that fits, all");
}

#[test]
fn session_stays_chosen_when_lines_move() {
    let mut state = shown();
    press(&mut state, "v");
    assert_eq!(state.chosen_session().unwrap().process_id, 4712);
    press(&mut state, "r");
    assert_eq!(state.chosen_session().unwrap().process_id, 4712);
    let mut later = sample(6);
    later.sessions = Section::available(sessions().split_off(1));
    state.sampled(later);
    assert_eq!(state.chosen_session().unwrap().process_id, 4712);
    let mut none = sample(8);
    none.sessions = Section::available(Vec::new());
    state.sampled(none);
    assert_eq!(state.chosen_session(), None);
}

#[test]
fn rates_are_of_the_last_two_samples() {
    let mut state = shown();
    assert_eq!(state.rates.unwrap().commits, 1_234);
    let mut reset = sample(6);
    reset.counters = Section::not_available(Cause::StatementTimeout, "too slow");
    state.sampled(reset);
    assert_eq!(state.rates, None, "an old rate is not shown as new");
}

#[test]
fn pausing_and_the_interval_have_limits() {
    let mut state = shown();
    assert_eq!(press(&mut state, "p"), []);
    assert!(state.is_paused);
    assert_eq!(press(&mut state, " "), [Effect::Refresh]);
    press(&mut state, "++++++++++");
    assert_eq!(state.interval, INTERVAL_MAX);
    press(&mut state, "----------");
    assert_eq!(state.interval, INTERVAL_MIN);
    press(&mut state, "\t\t");
    assert_eq!(state.view, View::Pools);
    assert_eq!(press(&mut state, "q"), [Effect::Quit]);
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut state, "1/teller\nt");
    assert_eq!(
        state.pressed(control),
        Some(Effect::Quit),
        "also out of a confirmation"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_keys_and_no_size_panic(keys in "[a-zA-Z0-9 /?+^\n\t\u{1b}\u{8}-]{0,40}", width in 1..200_u16, height in 1..60_u16) {
        let mut state = shown();
        for key in keys.chars() {
            press(&mut state, &key.to_string());
            plain(&state, width, height).unwrap();
        }
    }
}

//! The state as a frame.

mod blocking;
mod dialog;
mod header;
mod pools;
mod sessions;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use neobank_ops::checks::{Severity, session_severity};
use neobank_ops::live::SessionRow;

use super::sample::BlockingLine;
use super::state::{State, View};
use super::text::{one_line, or_dash};

/// The width below which lines and lists omit their least important fields, so that the others are
/// not cut.
pub(super) const WIDE_FROM: u16 = 110;
const HEADER_HEIGHT: u16 = 4;
const DETAIL_HEIGHT: u16 = 6;
/// The height below which the chosen statement is not shown in full.
const DETAIL_FROM_HEIGHT: u16 = 20;

pub(super) const GOOD: Style = Style::new().fg(Color::Green);
pub(super) const WARNING: Style = Style::new().fg(Color::Yellow);
pub(super) const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
pub(super) const QUIET: Style = Style::new().fg(Color::DarkGray);
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws everything.
pub(super) fn render(frame: &mut Frame<'_>, state: &State) {
    let height = frame.area().height;
    let detail = if height >= DETAIL_FROM_HEIGHT && state.view != View::Pools {
        DETAIL_HEIGHT
    } else {
        0
    };
    let [top, list, below, foot] = Layout::vertical([
        Constraint::Length(HEADER_HEIGHT),
        Constraint::Min(1),
        Constraint::Length(detail),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header::render(frame, top, state);
    match (state.sample.is_some(), state.not_available()) {
        (false, _) => notice(frame, list, "waiting for the server ..."),
        (_, Some(reason)) => notice(frame, list, &format!("n/a: {}", one_line(reason))),
        _ => match state.view {
            View::Sessions => sessions::render(frame, list, state),
            View::Blocking => blocking::render(frame, list, state),
            View::Pools => pools::render(frame, list, state),
        },
    }
    if detail > 0 {
        render_detail(frame, below, state);
    }
    header::render_foot(frame, foot, state);
    dialog::render(frame, state);
}

fn notice(frame: &mut Frame<'_>, area: Rect, text: &str) {
    frame.render_widget(Paragraph::new(format!("\n  {text}")).style(QUIET), area);
}

/// Draws the chosen line in full.
fn render_detail(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let (title, text) = match state.view {
        View::Blocking => state
            .blocking()
            .get(state.chosen_index())
            .map_or_else(Default::default, |line| blocking_detail(line)),
        _ => state
            .chosen_session()
            .map_or_else(Default::default, session_detail),
    };
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(QUIET)
        .title(title);
    frame.render_widget(
        Paragraph::new(text).wrap(Wrap { trim: true }).block(block),
        area,
    );
}

fn session_detail(session: &SessionRow) -> (String, Vec<Line<'static>>) {
    let address = session.client_address.as_deref();
    let title = format!(
        " {} {} from {} ",
        session.process_id,
        or_dash(session.backend_type.as_deref()),
        address.map_or("a socket of its machine".to_owned(), one_line)
    );
    (
        title,
        vec![Line::from(or_dash(session.statement.as_deref()))],
    )
}

fn blocking_detail(line: &BlockingLine) -> (String, Vec<Line<'static>>) {
    let title = format!(" {} {} ", one_line(&line.name), line.place);
    let mut text = vec![Line::from(or_dash(line.statement.as_deref()))];
    if let Some(lock) = &line.lock {
        let mode = or_dash(line.mode.as_deref());
        text.push(Line::styled(
            format!("wants {mode} on {}", one_line(lock)),
            WARNING,
        ));
    }
    text.push(Line::styled(one_line(&line.remedy), GOOD));
    (title, text)
}

/// Returns the style of a session's state.
pub(super) fn state_style(state: Option<&str>, is_waiting_for_lock: bool) -> Style {
    match session_severity(state, is_waiting_for_lock) {
        Severity::Critical => BAD,
        Severity::Warning => WARNING,
        _ if state == Some("active") => GOOD,
        _ => QUIET,
    }
}

/// Returns a short name of a state, for the narrow column.
pub(super) fn state_name(state: Option<&str>) -> String {
    match state {
        Some("idle in transaction") => "idle in tx".to_owned(),
        Some("idle in transaction (aborted)") => "aborted tx".to_owned(),
        Some("fastpath function call") => "fastpath".to_owned(),
        other => or_dash(other),
    }
}

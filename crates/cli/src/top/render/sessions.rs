//! The sessions.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table, TableState};

use super::{CHOSEN, QUIET, STRONG, state_name, state_style};
use crate::top::state::State;
use crate::top::text::{age, or_dash};
use neobank_ops::live::SessionRow;

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let rows: Vec<_> = state.sessions().into_iter().map(row).collect();
    let table = Table::new(
        rows,
        [
            Constraint::Length(7),
            Constraint::Length(12),
            Constraint::Length(12),
            Constraint::Length(14),
            Constraint::Length(10),
            Constraint::Length(18),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Min(20),
        ],
    )
    .header(
        Row::new([
            "process",
            "user",
            "database",
            "application",
            "state",
            "wait",
            "tx",
            "stmt",
            "statement",
        ])
        .style(STRONG),
    )
    .row_highlight_style(CHOSEN);
    let mut chosen = TableState::new().with_selected(Some(state.chosen_index()));
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn row(session: &SessionRow) -> Row<'static> {
    let is_waiting = session.wait_event_type.as_deref() == Some("Lock");
    let is_idle = session.state.as_deref() == Some("idle");
    Row::new([
        Cell::new(session.process_id.to_string()),
        Cell::new(or_dash(session.username.as_deref())),
        Cell::new(or_dash(session.database.as_deref())),
        Cell::new(or_dash(session.application_name.as_deref())),
        Cell::new(state_name(session.state.as_deref()))
            .style(state_style(session.state.as_deref(), is_waiting)),
        Cell::new(wait(session)).style(if is_waiting { super::BAD } else { QUIET }),
        Cell::new(
            session
                .transaction_age_milliseconds
                .map_or("-".to_owned(), age),
        ),
        Cell::new(
            session
                .statement_age_milliseconds
                .map_or("-".to_owned(), age),
        ),
        if session.is_own {
            Cell::new("(this view)").style(QUIET)
        } else {
            Cell::new(or_dash(session.statement.as_deref())).style(if is_idle {
                QUIET
            } else {
                Style::new()
            })
        },
    ])
}

/// `Client` is what every idle session waits for.
fn wait(session: &SessionRow) -> String {
    match (&session.wait_event_type, &session.wait_event) {
        (Some(kind), Some(event)) if kind != "Client" => or_dash(Some(&format!("{kind}:{event}"))),
        _ => "-".to_owned(),
    }
}

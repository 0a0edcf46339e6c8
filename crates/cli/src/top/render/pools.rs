//! The list of connections by pool and state.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table, TableState};

use super::{BAD, CHOSEN, GOOD, QUIET, STRONG, WARNING};
use crate::top::state::{Pool, State};
use crate::top::text::{age, or_dash};

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let table = Table::new(
        state.pools().iter().map(row),
        [
            Constraint::Length(20),
            Constraint::Length(20),
            Constraint::Length(24),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(10),
            Constraint::Length(10),
            Constraint::Length(6),
            Constraint::Length(9),
            Constraint::Min(9),
        ],
    )
    .header(
        Row::new([
            "database",
            "user",
            "application",
            "all",
            "active",
            "idle",
            "idle in tx",
            "aborted tx",
            "other",
            "for locks",
            "oldest tx",
        ])
        .style(STRONG),
    )
    .row_highlight_style(CHOSEN);
    let mut chosen = TableState::new().with_selected(Some(state.chosen_index()));
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn row(pool: &Pool) -> Row<'static> {
    let number = |number: usize, style: Style| {
        Cell::new(number.to_string()).style(if number == 0 { QUIET } else { style })
    };
    let counts = pool.counts;
    Row::new([
        Cell::new(or_dash(pool.database.as_deref())),
        Cell::new(or_dash(pool.username.as_deref())),
        Cell::new(or_dash(pool.application_name.as_deref())),
        number(counts.all(), STRONG),
        number(counts.active, GOOD),
        number(counts.idle, Style::new()),
        number(counts.in_transaction, WARNING),
        number(counts.aborted, BAD),
        number(counts.other, Style::new()),
        number(counts.waiting_for_locks, BAD),
        Cell::new(pool.oldest_milliseconds.map_or("-".to_owned(), age)),
    ])
}

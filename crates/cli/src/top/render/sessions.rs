//! The list of sessions.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table, TableState};

use super::{CHOSEN, QUIET, STRONG, WIDE_FROM, state_name, state_style};
use crate::top::state::State;
use crate::top::text::{age, or_dash};
use neobank_ops::live::SessionRow;

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let is_wide = area.width >= WIDE_FROM;
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|one| is_wide || one.narrow > 0)
        .collect();
    let widths = columns.iter().map(|column| match column.name {
        "statement" => Constraint::Min(20),
        _ if is_wide => Constraint::Length(column.wide),
        _ => Constraint::Length(column.narrow),
    });
    let names = columns.iter().map(|column| column.name);
    let sessions = state.sessions();
    let rows = sessions.iter().map(|session| {
        let cells = COLUMNS.iter().zip(row(session));
        let shown = cells.filter(|(column, _)| is_wide || column.narrow > 0);
        Row::new(shown.map(|(_, cell)| cell).collect::<Vec<_>>())
    });
    let table = Table::new(rows, widths)
        .header(Row::new(names.collect::<Vec<_>>()).style(STRONG))
        .row_highlight_style(CHOSEN);
    let mut chosen = TableState::new().with_selected(Some(state.chosen_index()));
    frame.render_stateful_widget(table, area, &mut chosen);
}

/// A column with its width on a wide and on a narrow screen; a narrow one omits columns with 0.
struct Column {
    name: &'static str,
    wide: u16,
    narrow: u16,
}

const fn column(name: &'static str, wide: u16, narrow: u16) -> Column {
    Column { name, wide, narrow }
}

/// The last column takes the remaining width.
const COLUMNS: [Column; 9] = [
    column("process", 7, 7),
    column("user", 12, 8),
    column("database", 12, 0),
    column("application", 14, 0),
    column("state", 10, 10),
    column("wait", 18, 14),
    column("tx", 6, 6),
    column("stmt", 6, 6),
    column("statement", 20, 20),
];

fn row(session: &SessionRow) -> [Cell<'static>; 9] {
    let is_waiting = session.wait_event_type.as_deref() == Some("Lock");
    let is_idle = session.state.as_deref() == Some("idle");
    [
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
    ]
}

/// `Client` is the normal wait of every idle session.
fn wait(session: &SessionRow) -> String {
    match (&session.wait_event_type, &session.wait_event) {
        (Some(kind), Some(event)) if kind != "Client" => or_dash(Some(&format!("{kind}:{event}"))),
        _ => "-".to_owned(),
    }
}

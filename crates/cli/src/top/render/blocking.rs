//! The list of blocking sessions.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};

use super::{BAD, CHOSEN, GOOD, STRONG, WIDE_FROM, state_name, state_style};
use crate::top::sample::BlockingLine;
use crate::top::state::State;
use crate::top::text::{age, one_line, or_dash};

/// The greatest indentation, which keeps deep lines on the screen.
const DEPTH_SHOWN_MAX: usize = 8;

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let lines = state.blocking();
    if lines.is_empty() {
        let text = if state.filter.is_empty() {
            "\n  no session waits"
        } else {
            "\n  no session matches the filter"
        };
        frame.render_widget(Paragraph::new(text).style(GOOD), area);
        return;
    }
    // A narrow screen omits the database and the state: the chosen line is below in full.
    let widths = if area.width >= WIDE_FROM {
        [34, 7, 12, 12, 10, 40]
    } else {
        [22, 6, 8, 0, 0, 20]
    };
    let statement = Constraint::Min(18);
    let widths = widths
        .map(Constraint::Length)
        .into_iter()
        .chain([statement]);
    let table = Table::new(lines.into_iter().map(row), widths)
        .header(
            Row::new([
                "who",
                "for",
                "user",
                "database",
                "state",
                "lock",
                "statement",
            ])
            .style(STRONG),
        )
        .row_highlight_style(CHOSEN);
    let mut chosen = TableState::new().with_selected(Some(state.chosen_index()));
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn row(line: &BlockingLine) -> Row<'static> {
    let is_at_fault = line.depth == 0;
    let is_waiting = line.lock.is_some();
    Row::new([
        Cell::new(who(line)).style(if is_at_fault { BAD } else { Default::default() }),
        Cell::new(line.wait_milliseconds.map_or("-".to_owned(), age)),
        Cell::new(or_dash(line.username.as_deref())),
        Cell::new(or_dash(line.database.as_deref())),
        Cell::new(state_name(line.state.as_deref()))
            .style(state_style(line.state.as_deref(), is_waiting)),
        Cell::new(or_dash(line.lock.as_deref())),
        Cell::new(or_dash(line.statement.as_deref())),
    ])
}

/// Returns `4711 blocks 3`, or `  └ 4712 waits`.
fn who(line: &BlockingLine) -> String {
    let name = one_line(&line.name);
    match (line.depth, line.waiters) {
        (0, Some(members)) if line.place == "cycle" => format!("cycle of {members}"),
        (0, waiters) => format!("{name} {} {}", line.place, waiters.unwrap_or_default()),
        (depth, _) => {
            let indent = "  ".repeat(depth.min(DEPTH_SHOWN_MAX) - 1);
            format!("{indent}└ {name} {}", line.place)
        }
    }
}

//! The confirmation of a signal, and the help.

use neobank_ops::live::Signal;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::{BAD, STRONG, state_name};
use crate::top::state::{Confirmation, State};
use crate::top::text::or_dash;

pub(super) fn render(frame: &mut Frame<'_>, state: &State) {
    if let Some(confirmation) = &state.confirmation {
        show(frame, 78, 14, " Are you sure? ", prompt(confirmation));
    } else if state.is_helping {
        let lines = HELP.lines().map(Line::from).collect();
        show(frame, 78, 20, " Help ", lines);
    }
}

fn prompt(confirmation: &Confirmation) -> Vec<Line<'static>> {
    let session = &confirmation.session;
    let headline = match confirmation.signal {
        Signal::Cancel => format!("Cancel this statement of session {}?", session.process_id),
        Signal::Terminate => format!(
            "End session {}, and roll its transaction back?",
            session.process_id
        ),
    };
    vec![
        Line::styled(headline, BAD),
        Line::from(format!(
            "{} in {} as {}, {}",
            or_dash(session.username.as_deref()),
            or_dash(session.database.as_deref()),
            or_dash(session.application_name.as_deref()),
            state_name(session.state.as_deref()),
        )),
        Line::default(),
        Line::styled("y yes   n no", STRONG),
        Line::default(),
        Line::from(or_dash(session.statement.as_deref())),
    ]
}

/// Draws a box in the middle, cut to the available area.
fn show(frame: &mut Frame<'_>, width: u16, height: u16, title: &str, lines: Vec<Line<'_>>) {
    let room = frame.area();
    let (width, height) = (width.min(room.width), height.min(room.height));
    let area = Rect {
        x: room.x + (room.width - width) / 2,
        y: room.y + (room.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(title);
    frame.render_widget(
        Paragraph::new(lines).wrap(Wrap { trim: true }).block(block),
        area,
    );
}

const HELP: &str = "\
1 2 3, Tab     sessions, blocking, pools
up down j k    choose a line;  PgUp PgDn Home End move further
/              filter: all words must be found in a line;  Esc removes it
s S            sort by the next column, the previous one
r              reverse the order
p, space       pause, and continue
+ -            sample half as often, twice as often
c              cancel the statement of the chosen session (asks first)
t              terminate the chosen session (asks first)
q, Ctrl-C      quit

Ages: tx is the transaction's, stmt the running statement's.
A signal goes to the chosen session and to no other: the server compares
its process, its start and, to cancel, the start of its statement.

Any key closes this.";

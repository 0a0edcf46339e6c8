//! The lines above and below the lists.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::{BAD, CHOSEN, GOOD, QUIET, STRONG, WARNING, WIDE_FROM};
use crate::top::state::{State, View};
use crate::top::text::{count, one_line};

const CHART_WIDTH: u16 = 30;
/// The age from which a pending sample is shown as late.
const LATE_FROM: Duration = Duration::from_secs(3);

/// Renders the server, its connections, the rates, and the names of the lists.
pub(super) fn render(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let [server, connections, rates, tabs] =
        Layout::vertical([Constraint::Length(1); 4]).areas(area);
    let is_narrow = area.width < WIDE_FROM;
    frame.render_widget(server_line(state), server);
    frame.render_widget(connections_line(state, is_narrow), connections);
    let [rates, chart] = Layout::horizontal([
        Constraint::Min(10),
        Constraint::Length(if area.width > 110 { CHART_WIDTH } else { 0 }),
    ])
    .areas(rates);
    frame.render_widget(rates_line(state, is_narrow), rates);
    let newest: Vec<u64> = state
        .commits
        .iter()
        .rev()
        .take(CHART_WIDTH.into())
        .rev()
        .copied()
        .collect();
    frame.render_widget(Sparkline::default().data(newest).style(GOOD), chart);
    frame.render_widget(tabs_line(state), tabs);
}

fn server_line(state: &State) -> Line<'static> {
    let mut spans = vec![Span::styled("neobank top", STRONG)];
    // Problems come first, because the end of the line may be cut.
    if let Some(waiting) = state.waiting.filter(|waiting| *waiting >= LATE_FROM) {
        spans.push(Span::styled(
            format!("  no response for {} s", waiting.as_secs()),
            BAD,
        ));
    }
    if let Some(problem) = &state.problem {
        spans.push(Span::styled(format!("  OLD: {}", one_line(problem)), BAD));
    }
    spans.push(Span::raw(format!("  {}", one_line(&state.server))));
    if let Some(sample) = &state.sample {
        spans.push(Span::raw(format!(
            "  {} UTC",
            sample.taken_at.format("%H:%M:%S")
        )));
    }
    if state.is_paused {
        spans.push(Span::styled("  PAUSED", WARNING));
    } else {
        spans.push(Span::styled(format!("  every {:?}", state.interval), QUIET));
    }
    Line::from(spans)
}

fn connections_line(state: &State, is_narrow: bool) -> Line<'static> {
    let places = state
        .sample
        .as_ref()
        .and_then(|sample| sample.places.value());
    let places = places.map_or_else(
        || "connections n/a".to_owned(),
        |places| format!("connections {} of {}", places.used, places.usable),
    );
    let counts = state.counts();
    let mut spans = vec![Span::raw(places)];
    for (name, number, style) in [
        ("active", counts.active, GOOD),
        ("idle", counts.idle, QUIET),
        ("idle in transaction", counts.in_transaction, WARNING),
        ("aborted", counts.aborted, BAD),
        ("waiting for locks", counts.waiting_for_locks, BAD),
        ("unknown", counts.other, WARNING),
    ] {
        if number == 0 && (is_narrow || name == "unknown") {
            continue;
        }
        let style = if number == 0 { QUIET } else { style };
        let name = match name {
            "idle in transaction" if is_narrow => "in tx",
            "waiting for locks" if is_narrow => "waiting",
            "unknown" if is_narrow => "n/a",
            other => other,
        };
        spans.push(Span::styled(format!("   {name} {number}"), style));
    }
    Line::from(spans)
}

fn rates_line(state: &State, is_narrow: bool) -> Line<'static> {
    let Some(rates) = state.rates else {
        return Line::styled("per second: after the second sample", QUIET);
    };
    let hits = rates
        .hit_percent()
        .map_or("-".to_owned(), |percent| format!("{percent}%"));
    let short = format!(
        "per s: commits {}  rollbacks {}  written {}  blocks read {}  hit {hits}",
        count(rates.commits),
        count(rates.rollbacks),
        count(rates.rows_written),
        count(rates.blocks_read),
    );
    let long = format!(
        "per second: commits {}  rollbacks {}  rows read {}  written {}  blocks read {}  hit {hits}",
        count(rates.commits),
        count(rates.rollbacks),
        count(rates.rows_returned.saturating_add(rates.rows_fetched)),
        count(rates.rows_written),
        count(rates.blocks_read),
    );
    let mut spans = vec![Span::raw(if is_narrow { short } else { long })];
    if rates.deadlocks > 0 {
        spans.push(Span::styled(
            format!("  DEADLOCKS {}", rates.deadlocks),
            BAD,
        ));
    }
    Line::from(spans)
}

fn tabs_line(state: &State) -> Line<'static> {
    let tab = |view: View, text: String| {
        let style = if view == state.view {
            CHOSEN
        } else {
            Style::new()
        };
        Span::styled(text, style)
    };
    let mut spans = vec![
        tab(
            View::Sessions,
            format!(" 1 sessions {} ", state.sessions().len()),
        ),
        tab(
            View::Blocking,
            format!(" 2 blocking {} ", state.blocking().len()),
        ),
        tab(View::Pools, format!(" 3 pools {} ", state.pools().len())),
    ];
    if state.view == View::Sessions {
        let arrow = if state.is_reversed { "reversed" } else { "" };
        spans.push(Span::styled(
            format!("  sorted by {} {arrow}", state.sort.name()),
            QUIET,
        ));
    }
    if state.is_typing_filter {
        spans.push(Span::styled(
            format!("  filter: {}_", one_line(&state.filter)),
            STRONG,
        ));
    } else if !state.filter.is_empty() {
        spans.push(Span::styled(
            format!("  filter: {}", one_line(&state.filter)),
            WARNING,
        ));
    }
    Line::from(spans)
}

/// Renders the keys, or the message.
pub(super) fn render_foot(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let line = match &state.message {
        Some(message) => Line::styled(
            one_line(&message.text),
            if message.is_bad { BAD } else { GOOD },
        ),
        None if state.is_typing_filter => {
            Line::styled("Enter keeps the filter   Esc removes it", QUIET)
        }
        None if area.width < WIDE_FROM => Line::styled(
            "q quit  ? help  123 lists  / filter  s sort  p pause  c cancel  t terminate",
            QUIET,
        ),
        None => Line::styled(
            "q quit   ? help   1 2 3 lists   / filter   s sort   r reverse   p pause   c cancel   t terminate",
            QUIET,
        ),
    };
    frame.render_widget(Paragraph::new(line), area);
}

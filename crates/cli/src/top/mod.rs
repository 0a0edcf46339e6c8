//! The command `neobank top`: a live view of sessions, blocking, pools and rates.
//!
//! [`sample()`] queries the server, `state` holds the shown data, `update` handles keys, and
//! `render` draws; the last three depend on neither a terminal nor a server. `screen` combines
//! them.

mod render;
mod sample;
mod screen;
mod state;
#[cfg(test)]
mod tests;

mod text;
mod tree;
mod update;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use neobank_db::DatabaseConfig;
use neobank_ops::{Monitor, MonitorLimits, OpsError};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use thiserror::Error;

pub use sample::{BlockingLine, Places, Sample, sample};
use state::{State, View};

/// The options of `neobank top`.
#[derive(Args, Clone, Debug)]
pub struct TopOptions {
    /// Seconds between two samples of the server
    #[arg(long, short = 'n', default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub interval: u64,
    /// Show only lines that contain all these words
    #[arg(long, short, default_value = "")]
    pub filter: String,
    /// Print one screen of each list as plain text, and end: for files and tickets
    #[arg(long)]
    pub once: bool,
    /// The width of the plain text, in characters
    #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u16).range(80..=400), requires = "once")]
    pub width: u16,
}

/// The reason why the view ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TopError {
    /// The server could not be queried.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The terminal failed.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
    /// Standard input and output are not a terminal.
    #[error("a live view needs a terminal; --once prints one screen as plain text")]
    NoTerminal,
    /// A task of the program failed.
    #[error("a task of the view failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// One screen of each list.
pub(crate) struct Once {
    /// The screen as plain text.
    pub(crate) text: String,
    /// The screen for programs: the second of the two samples, and the rates between them.
    pub(crate) sample: serde_json::Value,
}

/// Samples the server twice, an interval apart.
///
/// # Errors
///
/// [`TopError`].
pub(crate) async fn once(options: &TopOptions, config: DatabaseConfig) -> Result<Once, TopError> {
    let monitor = Monitor::connect(config, MonitorLimits::default()).await?;
    let mut state = State::new(server_name(&monitor), Duration::from_secs(options.interval));
    state.filter.clone_from(&options.filter);
    state.sampled(sample(&monitor).await?);
    tokio::time::sleep(state.interval).await;
    state.sampled(sample(&monitor).await?);
    Ok(Once {
        sample: serde_json::json!({
            "server_version": monitor.server_version().to_string(),
            "sample": state.sample,
            "rates": state.rates,
        }),
        text: lists(state, options.width)?,
    })
}

/// Shows the server live until the user quits.
///
/// The terminal is restored when this returns, and when it panics.
///
/// # Errors
///
/// [`TopError`].
pub async fn run(options: TopOptions, config: DatabaseConfig) -> Result<(), TopError> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !is_terminal {
        return Err(TopError::NoTerminal);
    }
    let monitor = Monitor::connect(config, MonitorLimits::default()).await?;
    let mut state = State::new(server_name(&monitor), Duration::from_secs(options.interval));
    state.filter.clone_from(&options.filter);
    screen::run(monitor, state).await
}

fn server_name(monitor: &Monitor) -> String {
    let config = monitor.config();
    let version = monitor.server_version();
    format!(
        "PostgreSQL {}.{}  {}@{}/{}",
        version.major(),
        version.minor(),
        config.user,
        config.hosts.join(","),
        config.database
    )
}

/// Returns each list as text.
fn lists(mut state: State, width: u16) -> Result<String, TopError> {
    let mut text = String::new();
    for view in [View::Sessions, View::Blocking, View::Pools] {
        state.view = view;
        let lines = u16::try_from(state.processes().len()).unwrap_or(u16::MAX);
        text.push_str(&plain(&state, width, lines.clamp(3, LINES_MAX) + 12)?);
        text.push('\n');
    }
    Ok(text)
}

/// The greatest number of lines of each list in plain text.
const LINES_MAX: u16 = 500;

/// Returns a frame as text, without colours.
fn plain(state: &State, width: u16, height: u16) -> Result<String, std::io::Error> {
    let never = |error| std::io::Error::other(format!("{error:?}"));
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(never)?;
    terminal
        .draw(|frame| render::render(frame, state))
        .map_err(never)?;
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for line in buffer.content.chunks(usize::from(width.max(1))) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

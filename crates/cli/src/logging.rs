//! Traces on standard error, as many as were asked for.

use tracing_subscriber::filter::LevelFilter;

/// Sends traces of this verbosity to standard error. Without verbosity a service writes its warnings, and a command that
/// answers and ends writes none: its answer says what went wrong.
pub(crate) fn start(verbosity: u8, is_service: bool, colored: bool) {
    let level = match verbosity {
        0 if is_service => LevelFilter::WARN,
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // A second start, as in tests, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(colored)
        .try_init();
}

//! Traces on standard error, with a level from the command line.

use tracing_subscriber::filter::LevelFilter;

/// Sends traces of this verbosity to standard error. Without verbosity a service writes its
/// warnings, and a command that ends writes none: its output reports the error.
pub(crate) fn start(verbosity: u8, is_service: bool, colored: bool) {
    let level = match verbosity {
        0 if is_service => LevelFilter::WARN,
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // A second start, as in tests, has no effect.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(colored)
        .try_init();
}

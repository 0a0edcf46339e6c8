//! The log on standard error, with a level from the command line, and the export of the service's
//! traces.

#[cfg(feature = "otlp")]
use std::sync::OnceLock;

#[cfg(feature = "otlp")]
use neobank_server::Telemetry;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The export of the program's traces and metrics, which has one log too.
#[cfg(feature = "otlp")]
static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();

/// Sends events of this verbosity to standard error. Without verbosity a service writes its
/// warnings, and a command that ends writes none: its output reports the error.
pub(crate) fn start(verbosity: u8, is_service: bool, colored: bool) {
    let level = match verbosity {
        0 if is_service => LevelFilter::WARN,
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let shown = Targets::new().with_default(level);
    // The service's events have the request's identifiers without its spans.
    #[cfg(feature = "serve")]
    let shown = shown.with_target(neobank_server::SPAN_TARGET, LevelFilter::OFF);
    let log = layer()
        .with_writer(std::io::stderr)
        .with_ansi(colored)
        .with_filter(shown);
    let subscriber = registry();
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(telemetry().and_then(Telemetry::layer));
    // A second start, as in tests, has no effect.
    let _ = subscriber.with(log).try_init();
}

/// Sets the export, before the log starts.
#[cfg(feature = "otlp")]
pub(crate) fn export(telemetry: Telemetry) {
    let _ = TELEMETRY.set(telemetry);
}

/// The export of the program's traces and metrics.
#[cfg(feature = "otlp")]
pub(crate) fn telemetry() -> Option<&'static Telemetry> {
    TELEMETRY.get()
}

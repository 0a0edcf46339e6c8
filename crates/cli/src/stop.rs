//! The signals that end a command which serves until then.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, from the call of [`StopSignals::listen`] on.
pub(crate) struct StopSignals {
    terminated: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> io::Result<Self> {
        let terminated = signal(SignalKind::terminate())?;
        Ok(Self { terminated })
    }

    /// Waits for one of the signals.
    pub(crate) async fn received(&mut self) -> io::Result<()> {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = self.terminated.recv() => Ok(()),
        }
    }
}

//! Faults of the server's clock, by libfaketime where it is installed.

use std::path::Path;

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use super::{Healing, NotPossible};
use crate::bench::stage::Stage;

/// The places of Debian's and Fedora's packages.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// Restarts the server with another clock; healing restarts it with the machine's.
pub(super) async fn shifted(stage: &mut Stage, shift: &str) -> anyhow::Result<Healing> {
    let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    let library = found.ok_or_else(|| NotPossible("libfaketime is not installed".to_owned()))?;
    stage.node.environment = [
        ("LD_PRELOAD", library),
        ("FAKETIME", shift),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DONT_RESET", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    stage.node.end(Signal::SIGINT).await?;
    stage.node.start().await?;
    Ok(Box::new(|stage| {
        async move {
            stage.node.environment.clear();
            stage.node.end(Signal::SIGINT).await?;
            stage.node.start().await
        }
        .boxed()
    }))
}

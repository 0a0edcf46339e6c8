//! The exchange of a certificate while the service runs.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Tls;

/// The task that watches the files, which ends when this is dropped.
pub(crate) type Watch = JoinSet<()>;

/// The pause between two looks at the files.
const PAUSE: Duration = Duration::from_secs(2);

/// Watches the files, and sends each new pair that can be used.
pub(super) fn start(tls: Tls, sender: watch::Sender<Arc<ServerConfig>>) -> Watch {
    let mut tasks = JoinSet::new();
    tasks.spawn(watch_files(tls, sender));
    tasks
}

async fn watch_files(mut tls: Tls, sender: watch::Sender<Arc<ServerConfig>>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let looked = tokio::task::spawn_blocking(move || {
            let changed = look(&mut tls);
            (tls, changed)
        });
        let Ok((same, changed)) = looked.await else {
            tracing::error!("the files of the certificate are no longer watched");
            return;
        };
        tls = same;
        if let Some(config) = changed {
            sender.send_replace(config);
        }
    }
}

/// Returns the new pair if the files have changed and can be used. A certificate that is written
/// before its key does not match at first; the change of the key is found afterwards.
fn look(tls: &mut Tls) -> Option<Arc<ServerConfig>> {
    let stamp = tls.files.stamp();
    if stamp == tls.stamp {
        return None;
    }
    tls.stamp = stamp;
    let path = tls.files.certificate.display();
    match tls.files.read() {
        Ok((config, end)) => {
            tracing::info!("new connections get the new certificate of {path}");
            tls.expiry.set(end);
            Some(config)
        }
        Err(error) => {
            tracing::warn!("the certificate is kept, because the new one is wrong: {error}");
            None
        }
    }
}

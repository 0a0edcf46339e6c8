//! Faults of the network, by the proxies before the server and before the pooler.

use std::time::Duration;

use super::{Healing, by_itself};
use crate::bench::proxy::{AtCommit, Cut, Flow, Weather};
use crate::bench::stage::Stage;

/// Ends all connections, several times.
pub(super) async fn cut(stage: &mut Stage, cut: Cut, times: u32) -> anyhow::Result<Healing> {
    for _ in 0..times {
        stage.proxies().for_each(|proxy| proxy.cut(cut));
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    Ok(by_itself())
}

/// Ends all connections, and refuses new ones.
pub(super) async fn refused(stage: &mut Stage) -> anyhow::Result<Healing> {
    let refuses = Weather {
        refuses: true,
        ..Weather::default()
    };
    let healing = weather(stage, refuses).await?;
    stage.proxies().for_each(|proxy| proxy.cut(Cut::Reset));
    Ok(healing)
}

/// Changes the weather of the network.
pub(super) async fn weather(stage: &mut Stage, weather: Weather) -> anyhow::Result<Healing> {
    stage.proxies().for_each(|proxy| proxy.set(weather));
    Ok(by_itself())
}

/// Cuts connections around commits.
pub(super) async fn at_commit(stage: &mut Stage, fault: AtCommit) -> anyhow::Result<Healing> {
    let at_commit = Some((fault, 10));
    weather(
        stage,
        Weather {
            at_commit,
            ..Weather::default()
        },
    )
    .await
}

/// Returns the weather in which bytes wait.
pub(super) fn stalled(to_server: bool, to_client: bool) -> Weather {
    let flow = |stalls| Flow {
        stalls,
        ..Flow::default()
    };
    Weather {
        to_server: flow(to_server),
        to_client: flow(to_client),
        ..Weather::default()
    }
}

/// Returns the weather with the same flow in both directions.
pub(super) fn both(flow: Flow) -> Weather {
    Weather {
        to_server: flow,
        to_client: flow,
        ..Weather::default()
    }
}

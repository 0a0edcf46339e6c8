//! One round: load, a fault, its end, and the verdict.

use std::time::Duration;

use super::faults::{Fault, Holds, NotPossible};
use super::fleet::Way;
use super::judge::{self, Judgement};
use super::stage::Stage;
use super::{bank, clock, leaks};
use crate::checker;

/// Service must be back within this time.
pub(crate) const SERVICE: Duration = Duration::from_secs(5);

/// The longest wait for the service, whose end tells how late the service is.
const PATIENCE: Duration = Duration::from_secs(40);

/// The time in which requests of unknown outcome must be resolved.
const SETTLE: Duration = Duration::from_secs(20);

/// Faults that last less are over when they are injected.
const SHORT: Duration = Duration::from_millis(800);

/// The verdict on a fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// All that must hold has held.
    Kept,
    /// Money, or what must hold during the fault, is wrong.
    Violated(Vec<String>),
    /// The service was not back in time; the seconds until it was.
    Late(Option<f64>),
    /// This machine cannot have the fault.
    NotPossible(String),
    /// The bench itself has failed.
    Failed(String),
    /// The time of a quick run was over before the fault's turn.
    NoTime,
}

/// A round that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) fault: &'static str,
    pub(crate) family: &'static str,
    pub(crate) holds: &'static str,
    pub(crate) what: &'static str,
    /// Whether requests that only a lost server had may be lost with it.
    pub(crate) is_loss_declared: bool,
    pub(crate) verdict: Verdict,
    pub(crate) judgement: Judgement,
    /// Seconds from the fault's end until every process was served.
    pub(crate) service: Option<f64>,
    /// The longest call, in seconds.
    pub(crate) longest: f64,
    pub(crate) unknown: u64,
    pub(crate) errors: Vec<(String, usize)>,
    /// The times of the fault's beginning and end, on the machine's clock.
    pub(crate) from: u64,
    pub(crate) until: u64,
}

impl Ended {
    /// Returns the number of acknowledged requests that were lost, other than by a declared loss.
    pub(crate) fn lost(&self) -> usize {
        if self.is_loss_declared {
            0
        } else {
            self.judgement.lost
        }
    }
}

impl Verdict {
    pub(crate) const fn is_good(&self) -> bool {
        matches!(self, Self::Kept | Self::NotPossible(_) | Self::NoTime)
    }
}

/// Returns the round of a fault for which there was no time.
pub(crate) fn without_time(fault: &Fault) -> Ended {
    Ended {
        verdict: Verdict::NoTime,
        ..new(fault)
    }
}

fn new(fault: &Fault) -> Ended {
    Ended {
        fault: fault.name,
        family: fault.family,
        holds: fault.holds.text(),
        what: fault.what,
        is_loss_declared: fault.holds == Holds::DeclaredLoss,
        verdict: Verdict::Kept,
        judgement: Judgement::default(),
        service: None,
        longest: 0.0,
        unknown: 0,
        errors: Vec::new(),
        from: clock::now(),
        until: clock::now(),
    }
}

/// Runs a round.
pub(crate) async fn run(stage: &mut Stage, fault: &Fault) -> Ended {
    let mut ended = new(fault);
    let began = clock::now();
    if let Err(error) = play(stage, fault, &mut ended).await {
        ended.verdict = Verdict::Failed(format!("{error:#}"));
        let _ = stage.recover().await;
    }
    let reports = stage
        .fleet
        .workers
        .iter()
        .map(super::fleet::Worker::reports);
    let longest = reports.flatten().filter(|report| report.at > began);
    let longest = longest
        .map(|report| report.longest)
        .max()
        .unwrap_or_default();
    ended.longest = clock::seconds_between(0, longest);
    ended
}

async fn play(stage: &mut Stage, fault: &Fault, ended: &mut Ended) -> anyhow::Result<()> {
    let unknown_before = unknown(stage);
    stage.begin_round().await?;
    let begun = clock::now();
    anyhow::ensure!(
        stage.fleet.served_since(begun, PATIENCE).await.is_some(),
        "the load is not served before the fault"
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    ended.from = clock::now();
    let injected = (fault.inject)(stage).await;
    let healing = match injected {
        Ok(healing) => {
            // A short fault has happened in its injection.
            let is_short = fault.lasts() < SHORT;
            let in_force = if is_short { ended.from } else { clock::now() };
            tokio::time::sleep(fault.lasts()).await;
            if let Some(problem) = unserved(stage, fault.holds, in_force) {
                ended.verdict = Verdict::Violated(vec![problem]);
            }
            Some(healing)
        }
        Err(error) if error.is::<NotPossible>() => {
            ended.verdict = Verdict::NotPossible(error.to_string());
            None
        }
        Err(error) => {
            ended.verdict = Verdict::Failed(format!("cannot be injected: {error:#}"));
            None
        }
    };
    let healed = async |stage: &mut Stage| {
        if let Some(healing) = healing {
            healing(stage).await?;
        }
        stage.recover().await
    };
    healed(stage).await?;
    ended.until = clock::now();
    ended.service = stage.fleet.served_since(ended.until, PATIENCE).await;
    if ended
        .service
        .is_none_or(|seconds| seconds > SERVICE.as_secs_f64())
    {
        worsen(ended, Verdict::Late(ended.service));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let is_settled = stage.fleet.settle(SETTLE).await?;
    ended.unknown = unknown(stage).saturating_sub(unknown_before);
    let mut violations = Vec::new();
    if !is_settled {
        violations.push(format!(
            "requests are unresolved {} s later",
            SETTLE.as_secs()
        ));
    }
    check(stage, fault, ended, &mut violations).await?;
    if !violations.is_empty() {
        worsen(ended, Verdict::Violated(violations));
    }
    Ok(())
}

/// Checks the leaks, the books and the histories of a settled round.
async fn check(
    stage: &mut Stage,
    fault: &Fault,
    ended: &mut Ended,
    violations: &mut Vec<String>,
) -> anyhow::Result<()> {
    violations.extend(leaks::find(&mut stage.node).await?);
    violations.extend(bank::audit(&stage.node).await?);
    let history = stage.fleet.history()?;
    let books = bank::books(&stage.node, &stage.accounts).await?;
    ended.errors = judge::errors(&history.events);
    let report = tokio::task::spawn_blocking(move || checker::check(&history, &books)).await?;
    ended.judgement = Judgement::of(&report);
    let found = report.violations.iter();
    let found = found.filter(|violation| fault.holds.covers(violation.invariant));
    violations.extend(found.map(ToString::to_string));
    stage.fleet.forget_events()
}

/// Returns the process that was to be served during the fault, and was not.
fn unserved(stage: &Stage, holds: Holds, since: u64) -> Option<String> {
    let must = |way: Way| match holds {
        Holds::Throughout => true,
        Holds::ThroughoutDirect => way == Way::Direct,
        Holds::Afterwards | Holds::StaleReads | Holds::DeclaredLoss => false,
    };
    let mut workers = stage.fleet.workers.iter();
    let unserved = workers.find(|one| must(one.plan.way) && one.status().last_sent < since)?;
    Some(format!(
        "process {} ({:?}) was not served during the fault",
        unserved.process, unserved.plan.way
    ))
}

fn unknown(stage: &Stage) -> u64 {
    let workers = stage.fleet.workers.iter();
    let former = stage
        .fleet
        .former
        .iter()
        .filter_map(|(_, reports)| reports.last());
    let of_former: u64 = former.map(|report| report.unknown).sum();
    workers.map(|worker| worker.status().unknown).sum::<u64>() + of_former
}

/// Sets a verdict, unless a worse one stands.
fn worsen(ended: &mut Ended, verdict: Verdict) {
    match (&mut ended.verdict, verdict) {
        (Verdict::Failed(_), _) => {}
        (Verdict::Violated(known), Verdict::Violated(more)) => known.extend(more),
        (Verdict::Violated(_), _) => {}
        (place, verdict) => *place = verdict,
    }
}

//! The command line, and a run over all versions and faults.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::faults::{self, Fault};
use super::fleet::Way;
use super::report::{self, About};
use super::round::{self, Ended, Verdict};
use super::stage::{Load, Stage};
use super::worker::Status;

/// Injects faults into a server under load, and checks that no money is lost, doubled or invented.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Each fault once, both versions at a time, within 5 minutes on two processors
    #[arg(long)]
    quick: bool,
    /// Repeat the faults for so many minutes
    #[arg(long, conflicts_with = "quick")]
    minutes: Option<u64>,
    /// The seed of the load and of the faults' order
    #[arg(long)]
    seed: Option<u64>,
    /// Only these faults
    #[arg(long, value_name = "FAULT")]
    only: Vec<String>,
    /// List the faults
    #[arg(long)]
    list: bool,
    /// The major versions of the server
    #[arg(long, value_delimiter = ',', default_values_t = [15, 18])]
    versions: Vec<u32>,
    /// Processes of the load for each way to the server: direct, and through PgBouncer
    #[arg(long, default_value_t = 1)]
    processes: u32,
    /// Callers of each process
    #[arg(long, default_value_t = 8)]
    callers: u32,
    /// Write a report in HTML
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// After this time a quick run begins no further round; the last one and the end take some seconds.
const QUICK: Duration = Duration::from_secs(240);

/// The fault that needs the server on its own file system.
const DISK_FULL: &str = "disk-full";

/// The rounds of one version.
pub(crate) struct OfVersion {
    pub(crate) version: u32,
    pub(crate) rounds: Vec<Ended>,
    /// For each server that was set up: the reports of its load's processes, and its rounds.
    pub(crate) parts: Vec<(Reports, Range<usize>)>,
}

/// The reports of processes, with their ways to the server.
pub(crate) type Reports = Vec<(Way, Vec<Status>)>;

pub(crate) async fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let all = chosen(&arguments.only)?;
    if arguments.list {
        list(&all);
        return Ok(ExitCode::SUCCESS);
    }
    let seed = arguments
        .seed
        .unwrap_or_else(|| rand::random::<u64>() % 1_000_000);
    println!(
        "seed {seed}, {} faults, PostgreSQL {:?}",
        all.len(),
        arguments.versions
    );
    let until = arguments
        .minutes
        .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let arguments = Arc::new(arguments);
    let mut running = Vec::new();
    for version in arguments.versions.clone() {
        let rounds = of_version(version, seed, all.clone(), until, Arc::clone(&arguments));
        // On a task of its own: what blocks one server's rounds does not delay the other's.
        let rounds = tokio::spawn(rounds);
        if arguments.quick {
            running.push(rounds);
        } else {
            running.push(tokio::spawn(std::future::ready(rounds.await?)));
        }
    }
    let mut results = Vec::new();
    for rounds in running {
        results.push(rounds.await??);
    }
    if let Some(file) = &arguments.report {
        let about = About {
            seed,
            callers: arguments.callers,
            processes: arguments.processes,
            faults: all.len(),
            results: &results,
        };
        std::fs::write(file, report::render(&about))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(summary(&results))
}

/// Plays all faults against a server of one version.
async fn of_version(
    version: u32,
    seed: u64,
    faults: Vec<Fault>,
    until: Option<Instant>,
    arguments: Arc<RunArguments>,
) -> anyhow::Result<OfVersion> {
    let load = Load {
        seed,
        processes: arguments.processes,
        callers: arguments.callers,
    };
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let mut rounds = Vec::new();
    let mut parts = Vec::new();
    loop {
        let mut first = rounds.len();
        let mut stage = Stage::set(version, load).await?;
        let order = in_order(&faults, &mut random);
        for fault in &order {
            if arguments.quick && began.elapsed() > QUICK {
                rounds.push(round::without_time(fault));
                continue;
            }
            let ended = round::run(&mut stage, fault).await;
            show(version, &ended);
            let is_lost = matches!(ended.verdict, Verdict::Failed(_));
            rounds.push(ended);
            if is_lost {
                // The next fault gets a sound stage.
                parts.push((stage.fleet.reports(), first..rounds.len()));
                first = rounds.len();
                drop(stage);
                stage = Stage::set(version, load).await?;
            }
        }
        parts.push((stage.fleet.reports(), first..rounds.len()));
        if until.is_none_or(|until| Instant::now() > until) {
            return Ok(OfVersion {
                version,
                rounds,
                parts,
            });
        }
    }
}

/// Shuffles the faults. A failover moves the server to another disk, so those faults come in the
/// middle, after the fault of the disk, and no quick run lacks them.
fn in_order(faults: &[Fault], random: &mut StdRng) -> Vec<Fault> {
    let (moving, mut order): (Vec<Fault>, Vec<Fault>) = faults
        .iter()
        .partition(|fault| fault.family == "replication");
    order.shuffle(random);
    let middle = order.len() / 2;
    let of_disk = order.iter().position(|fault| fault.name == DISK_FULL);
    if let Some(late) = of_disk.filter(|place| *place >= middle) {
        order.swap(late, middle / 2);
    }
    order.splice(middle..middle, moving);
    order
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<Fault>> {
    let all = faults::all();
    let names: BTreeSet<&str> = all.iter().map(|fault| fault.name).collect();
    for name in only {
        ensure!(
            names.contains(name.as_str()),
            "there is no fault {name:?}: see --list"
        );
    }
    let is_chosen = |fault: &Fault| only.is_empty() || only.iter().any(|name| name == fault.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

fn list(all: &[Fault]) {
    for fault in all {
        println!(
            "{:<26}{}\n{:<26}must hold: {}",
            fault.name,
            fault.what,
            "",
            fault.holds.text()
        );
    }
    println!("{} faults", all.len());
}

/// Prints the line of a round, within 80 columns, and what is wrong below it.
fn show(version: u32, ended: &Ended) {
    let service = ended
        .service
        .map_or("-".to_owned(), |seconds| format!("{seconds:.1} s"));
    let (word, more) = match &ended.verdict {
        Verdict::Kept => ("kept", Vec::new()),
        Verdict::Violated(violations) => ("VIOLATED", violations.iter().take(5).cloned().collect()),
        Verdict::Late(_) => ("LATE", Vec::new()),
        Verdict::NotPossible(reason) => ("not possible", vec![reason.clone()]),
        Verdict::NoTime => ("no time", Vec::new()),
        Verdict::Failed(reason) => ("FAILED", vec![reason.clone()]),
    };
    let more = more.into_iter().map(|line| shortened(&line));
    println!(
        "{version} {:<27}{word:<13}{:>6} acknowledged, back in {service}",
        ended.fault, ended.judgement.acknowledged
    );
    for line in more {
        println!("     {line}");
    }
    if ended.is_loss_declared {
        println!(
            "     {} acknowledged requests were lost with the server",
            ended.judgement.lost
        );
    }
    if !ended.verdict.is_good() {
        println!("     {} Must hold: {}.", ended.what, ended.holds);
        for (error, count) in ended.errors.iter().take(4) {
            println!("     {count} × {error}");
        }
    }
}

fn shortened(line: &str) -> String {
    line.chars().take(400).collect()
}

/// Prints the counts of all rounds.
fn summary(results: &[OfVersion]) -> ExitCode {
    let rounds: Vec<&Ended> = results.iter().flat_map(|result| &result.rounds).collect();
    let count = |is: fn(&Verdict) -> bool| rounds.iter().filter(|ended| is(&ended.verdict)).count();
    let kept = count(|verdict| *verdict == Verdict::Kept);
    let not_possible = count(|verdict| matches!(verdict, Verdict::NotPossible(_)));
    let late = count(|verdict| matches!(verdict, Verdict::Late(_)));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let no_time = count(|verdict| *verdict == Verdict::NoTime);
    let violated = count(|verdict| matches!(verdict, Verdict::Violated(_)));
    let sum = |of: fn(&Ended) -> usize| rounds.iter().map(|ended| of(ended)).sum::<usize>();
    for result in results {
        println!(
            "PostgreSQL {}: {} rounds",
            result.version,
            result.rounds.len()
        );
    }
    println!(
        "\n{} rounds: {kept} kept, {violated} violated, {late} late, {failed} failed, \
         {not_possible} not possible, {no_time} without time",
        rounds.len()
    );
    println!(
        "{} acknowledged, {} lost, {} twice, {} phantom",
        sum(|ended| ended.judgement.acknowledged),
        sum(Ended::lost),
        sum(|ended| ended.judgement.twice),
        sum(|ended| ended.judgement.phantom)
    );
    // A run in which nothing could be injected has shown nothing.
    if violated + late + failed == 0 && kept > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_in_the_order_and_the_disk_is_full_before_a_failover() {
        let faults = faults::all();
        for seed in 0..50 {
            let order = in_order(&faults, &mut StdRng::seed_from_u64(seed));
            let names: BTreeSet<_> = order.iter().map(|fault| fault.name).collect();
            assert_eq!((order.len(), names.len()), (faults.len(), faults.len()));
            let place = |name| order.iter().position(|fault| fault.name == name).unwrap();
            assert!(place(DISK_FULL) < place("failover"), "seed {seed}");
            assert!(
                place("failover-with-loss") < faults.len() * 2 / 3,
                "seed {seed}"
            );
        }
    }
}

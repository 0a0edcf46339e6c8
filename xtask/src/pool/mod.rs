//! The comparison of the size that the pool finds by itself with fixed sizes, and its plots.

mod plot;
mod real;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use neobank_tests::pool_simulation::{
    Second, Size, best_fixed, changes, scenarios, simulate, throughput,
};

use plot::{Line, Panel, Plot};

#[derive(Debug, Args)]
pub(crate) struct PoolArguments {
    /// Only the simulated scenarios, which need no server and always give the same numbers
    #[arg(long)]
    simulated: bool,
    /// The folder of the plots
    #[arg(long, default_value = "docs/pool")]
    output: PathBuf,
    /// Seconds for which each fixed size is measured on the real server
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

/// One line of the table.
pub(crate) struct Comparison {
    pub(crate) name: String,
    pub(crate) best_size: usize,
    pub(crate) best: f64,
    pub(crate) found: f64,
    pub(crate) end_size: usize,
    pub(crate) changes: usize,
}

pub(crate) async fn run(arguments: PoolArguments) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot make {}", arguments.output.display()))?;
    let write = |name: &str, plot: &Plot| -> anyhow::Result<()> {
        let path = arguments
            .output
            .join(format!("{}.svg", name.replace(' ', "-")));
        std::fs::write(&path, plot.to_svg())
            .with_context(|| format!("cannot write {}", path.display()))
    };
    let mut comparisons = Vec::new();
    for scenario in scenarios() {
        let seconds = simulate(&scenario, Size::Automatic, 1);
        let (best_size, best) = best_fixed(&scenario, 1);
        comparisons.push(Comparison {
            name: scenario.name.to_owned(),
            best_size,
            best,
            found: throughput(&scenario, &seconds),
            end_size: seconds.last().map_or(0, |second| second.size),
            changes: changes(seconds.get(scenario.warm_up as usize..).unwrap_or_default()),
        });
        let title = format!("{} (simulated): {}", scenario.name, scenario.story);
        write(scenario.name, &simulated(title, &seconds))?;
    }
    if !arguments.simulated {
        let (comparison, plot) = real::run(arguments.seconds).await?;
        comparisons.push(comparison);
        write("real", &plot)?;
    }
    println!("{}", table(&comparisons));
    println!("plots: {}", arguments.output.display());
    let all_good = comparisons.iter().all(|one| one.found >= 0.9 * one.best);
    Ok(ExitCode::from(u8::from(!all_good)))
}

fn table(comparisons: &[Comparison]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "scenario",
        "best fixed size",
        "its throughput/s",
        "found by itself/s",
        "of the best",
        "size at the end",
        "changes after the warm-up",
    ]);
    for one in comparisons {
        table.add_row([
            one.name.clone(),
            one.best_size.to_string(),
            format!("{:.0}", one.best),
            format!("{:.0}", one.found),
            format!(
                "{:.1} %",
                100.0 * one.found / one.best.max(f64::MIN_POSITIVE)
            ),
            one.end_size.to_string(),
            one.changes.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn simulated(title: String, seconds: &[Second]) -> Plot {
    let line = |name, colour, value: &dyn Fn(&Second) -> f64| Line {
        name,
        colour,
        // A mean over four seconds each, which smooths the noise.
        points: seconds
            .chunks(4)
            .enumerate()
            .map(|(place, chunk)| {
                let mean = chunk.iter().map(value).sum::<f64>() / chunk.len() as f64;
                (place as f64 * 4.0, mean)
            })
            .collect(),
    };
    let budget = seconds.iter().map(|second| second.budget).min() < Some(64);
    let mut sizes = vec![
        line("size", plot::BLUE, &|second| second.size as f64),
        line("in use", plot::GREY, &|second| second.in_use),
    ];
    if budget {
        sizes.push(line("budget", plot::RED, &|second| second.budget as f64));
    }
    Plot {
        title,
        panels: vec![
            Panel {
                label: "load (per second)",
                lines: vec![
                    line("callers", plot::GREY, &|second| second.arrived as f64),
                    line("served", plot::GREEN, &|second| second.completed as f64),
                    line("timed out", plot::RED, &|second| second.timeouts as f64),
                ],
            },
            Panel {
                label: "connections",
                lines: sizes,
            },
            Panel {
                label: "wait, p95 (ms)",
                lines: vec![line("p95", plot::ORANGE, &|second| {
                    second.wait_p95.as_secs_f64() * 1000.0
                })],
            },
        ],
    }
}

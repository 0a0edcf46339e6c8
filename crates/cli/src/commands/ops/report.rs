//! The command `neobank ops report`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Args;
use neobank_ops::checks::{self, Subject, Verdict};
use serde_json::{Map, Value, json};

use super::{MonitoringArguments, SkipArguments, SubjectView};
use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::html;
use crate::nagios::{Check, Measure};
use crate::output::{Block, Output};

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Also write the report as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    skip: SkipArguments,
    #[command(flatten)]
    pub(crate) monitoring: MonitoringArguments,
    #[command(flatten)]
    pub(crate) check: CheckArguments,
}

pub(super) async fn run(
    name: &'static str,
    arguments: &ReportArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let subjects = Subject::ALL.map(Subject::name);
    let sections = [&subjects[..], Subject::Health.sections()].concat();
    arguments.skip.check(&sections)?;
    let (monitor, thresholds) = arguments.monitoring.open(connection).await?;
    let views = super::subjects(&monitor, &thresholds, &arguments.skip).await?;
    let about = html::About {
        database: monitor.config().database.clone(),
        host: monitor.config().hosts.join(", "),
        server_version: monitor.server_version().to_string(),
        generated_at: Utc::now(),
    };
    let mut blocks: Vec<Block> = Vec::new();
    for view in &views {
        blocks.push(Block::Title(view.subject.title().to_owned()));
        blocks.extend(view.blocks.iter().cloned());
    }
    if let Some(file) = &arguments.html {
        write_private(file, &html::page(&about, &views)).map_err(|error| {
            CommandError::failed("file", format!("{}: {error}", file.display()))
        })?;
        blocks.push(Block::Note(format!("written to {}", file.display())));
    }
    let check = check(&views);
    let sections: Map<String, Value> = views
        .into_iter()
        .map(|view| (view.subject.name().to_owned(), view.data))
        .collect();
    let data = json!({
        "server_version": about.server_version,
        "database": about.database,
        "sections": sections,
    });
    Ok(Output::new(name, data, blocks)?.with_check(check))
}

/// Writes a file that only its owner can read, because statements may contain customers' data. The
/// new file replaces an existing one, whatever that one's mode was; a pipe or a device is written
/// to directly.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let is_special = std::fs::metadata(file).is_ok_and(|found| !found.is_file());
    if is_special {
        return std::fs::write(file, text);
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut draft = tempfile::Builder::new()
        .prefix(".neobank-report-")
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    draft.write_all(text.as_bytes())?;
    draft.persist(file)?;
    Ok(())
}

/// Returns the worst severity of all subjects, with each subject's name before its figures.
fn check(views: &[SubjectView]) -> Check {
    let verdicts: Vec<Verdict> = views.iter().map(|view| view.verdict.clone()).collect();
    let measures = verdicts.iter().flat_map(measures).collect();
    let unknown: Vec<String> = views
        .iter()
        .filter(|view| !view.verdict.is_absent)
        .filter_map(|view| {
            let reason = view.unknown()?;
            Some(format!("{} is not available ({reason})", view.subject))
        })
        .collect();
    let summary = checks::worst(&verdicts).map_or_else(String::new, |worst| {
        format!("worst is {} ({})", worst.subject, worst.message)
    });
    let mut check = Check::new("report", summary, measures);
    check.unknown = (!unknown.is_empty()).then(|| unknown.join("; "));
    check
}

fn measures(verdict: &Verdict) -> impl Iterator<Item = Measure> {
    verdict.measurements().map(|measurement| Measure {
        label: format!("{}_{}", verdict.subject, measurement.metric.name),
        measurement: *measurement,
    })
}

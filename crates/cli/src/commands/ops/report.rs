//! `neobank ops report`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{MonitoringArguments, Part, SkipArguments};
use crate::arguments::CheckArguments;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::html;
use crate::nagios::{Check, Severity};
use crate::output::{Answer, Block};

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Also write it as one HTML page that needs nothing else
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
) -> Result<Answer, CommandError> {
    let sections = [&super::PARTS[..], &super::health::SECTIONS].concat();
    arguments.skip.check(&sections)?;
    let (monitor, thresholds) = arguments.monitoring.open(connection).await?;
    let parts = super::parts(&monitor, &thresholds, &arguments.skip).await?;
    let about = html::About {
        database: monitor.config().database.clone(),
        host: monitor.config().hosts.join(", "),
        server_version: monitor.server_version().to_string(),
        generated_at: Utc::now(),
    };
    let mut blocks: Vec<Block> = Vec::new();
    for part in &parts {
        blocks.push(Block::Title(part.title.to_owned()));
        blocks.extend(part.blocks.iter().cloned());
    }
    if let Some(file) = &arguments.html {
        write_private(file, &html::page(&about, &parts)).map_err(|error| {
            CommandError::failed("file", format!("{}: {error}", file.display()))
        })?;
        blocks.push(Block::Note(format!("written to {}", file.display())));
    }
    let check = check(&parts);
    let sections: Map<String, Value> = parts
        .into_iter()
        .map(|part| (part.name.to_owned(), part.data))
        .collect();
    let data = json!({
        "server_version": about.server_version,
        "database": about.database,
        "sections": sections,
    });
    Ok(Answer::new(name, data, blocks)?.with_check(check))
}

/// Writes a file that only its owner can read: statements may hold customers' data. The new file takes the place of one
/// that is there, whatever that one's mode was; a pipe or a device is written to as it is.
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

/// The worst of all parts, each with its figures under its own name.
fn check(parts: &[Part]) -> Check {
    let mut measures = Vec::new();
    let mut unknown = Vec::new();
    let mut worst: Option<&Part> = None;
    for part in parts {
        for measure in &part.check.measures {
            let mut measure = measure.clone();
            measure.label = format!("{}_{}", part.name, measure.label);
            measures.push(measure);
        }
        if part.is_absent {
            continue;
        }
        if let Some(reason) = &part.check.unknown {
            unknown.push(format!("{} is not available ({reason})", part.name));
        }
        if worst.is_none_or(|worst| rank(worst) < rank(part)) {
            worst = Some(part);
        }
    }
    let summary = worst.map_or_else(String::new, |part| {
        format!("worst is {} ({})", part.name, part.check.summary)
    });
    let mut check = Check::new("report", summary, measures);
    check.unknown = (!unknown.is_empty()).then(|| unknown.join("; "));
    check
}

/// What is known to be wrong comes before what is not known.
fn rank(part: &Part) -> u8 {
    match part.check.severity() {
        Severity::Ok => 0,
        Severity::Unknown => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

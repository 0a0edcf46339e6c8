//! `neobank man`.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use serde_json::json;

use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::output::{Answer, Block};

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The folder for the pages; made when it is not there
    folder: PathBuf,
}

pub(crate) fn run(arguments: &ManArguments) -> Result<Answer, CommandError> {
    let folder = arguments.folder.as_path();
    let failed = |error: std::io::Error| {
        CommandError::failed("file", format!("{}: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)?;
    let pages = pages(folder).map_err(failed)?;
    let note = format!("{} pages in {}", pages.len(), folder.display());
    Answer::new("man", json!({ "pages": pages }), vec![Block::Note(note)])
}

fn pages(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut pages = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    pages.retain(|page| page.starts_with("neobank") && page.ends_with(".1"));
    pages.sort();
    Ok(pages)
}

//! Generated files, compared with or written to the working tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::files::project_root;

/// The folders that contain only generated files; any other file in them is superfluous.
const GENERATED_FOLDERS: [&str; 7] = [
    "crates/entity/src/banking",
    "crates/entity/src/pooling",
    "crates/entity/src/concurrency",
    "crates/entity/src/orm/banking",
    "crates/entity/src/orm/pooling",
    "crates/entity/src/orm/concurrency",
    "docs/schema",
];

/// Generated files by their path in the workspace.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<PathBuf, String>);

impl Files {
    pub(crate) fn add(&mut self, path: impl Into<PathBuf>, content: String) {
        self.0.insert(path.into(), content);
    }

    /// Writes every file that differs, and returns their number.
    pub(crate) fn write_stale(&self) -> anyhow::Result<usize> {
        let mut changed = 0_usize;
        for (path, content) in &self.0 {
            let target = project_root().join(path);
            if fs::read_to_string(&target).is_ok_and(|found| found == *content) {
                continue;
            }
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&target, content)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("written: {}", path.display());
            changed += 1;
        }
        Ok(changed)
    }

    /// Writes every file that differs and removes superfluous ones.
    pub(crate) fn write(&self) -> anyhow::Result<ExitCode> {
        let mut changed = self.write_stale()?;
        for path in self.superfluous()? {
            fs::remove_file(project_root().join(&path))?;
            println!("removed: {}", path.display());
            changed += 1;
        }
        println!("{} generated files, {changed} changed", self.0.len());
        Ok(ExitCode::SUCCESS)
    }

    /// Lists the files that differ from their generated content.
    pub(crate) fn check(&self) -> anyhow::Result<ExitCode> {
        let mut stale = Vec::new();
        for (path, content) in &self.0 {
            match fs::read_to_string(project_root().join(path)) {
                Ok(found) if found == *content => {}
                Ok(_) => stale.push(format!("stale: {}", path.display())),
                Err(_) => stale.push(format!("missing: {}", path.display())),
            }
        }
        stale.extend(
            self.superfluous()?
                .iter()
                .map(|path| format!("superfluous: {}", path.display())),
        );
        for line in &stale {
            eprintln!("{line}");
        }
        if stale.is_empty() {
            println!("{} generated files are fresh", self.0.len());
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("run `cargo xtask generate` and commit what it writes");
        Ok(ExitCode::FAILURE)
    }

    fn superfluous(&self) -> anyhow::Result<Vec<PathBuf>> {
        let root = project_root();
        let mut superfluous = Vec::new();
        for folder in GENERATED_FOLDERS {
            collect(&root.join(folder), &mut superfluous)?;
        }
        let relative = superfluous
            .iter()
            .filter_map(|path| path.strip_prefix(&root).ok().map(Path::to_path_buf));
        Ok(relative.filter(|path| !self.0.contains_key(path)).collect())
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

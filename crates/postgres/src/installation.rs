//! Server binaries, found on this machine.

use std::cmp::Reverse;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::StartError;

/// A folder with the server's programs, of a known version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// The folder with `initdb` and `postgres`.
    pub(crate) programs: PathBuf,
    pub(crate) major: u32,
    /// The origin, for people.
    pub(crate) origin: String,
}

/// The folders in which packages of PostgreSQL install the programs; `*` stands for one folder name
/// or a substring of it.
const USUAL_FOLDERS: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// Finds the best binaries of this machine: those in `PG_BIN` if their version fits, otherwise the
/// newest that does.
pub(crate) fn find(wanted: Option<u32>) -> Result<Installation, StartError> {
    let preferred = env::var_os(crate::BINARIES_VARIABLE)
        .filter(|folder| !folder.is_empty())
        // The server is started from another folder than the caller's.
        .map(|folder| std::path::absolute(&folder).unwrap_or_else(|_| folder.into()));
    find_among(wanted, preferred.as_deref(), candidates())
}

/// Reads the version of the server programs in a folder; `Err` contains their problem.
pub(crate) fn inspect(programs: &Path) -> Result<u32, String> {
    for program in ["postgres", "initdb"] {
        if !programs.join(program).is_file() {
            return Err(format!("there is no `{program}`"));
        }
    }
    let output = Command::new(programs.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("`postgres --version` cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_major(&text).ok_or_else(|| {
        let said = if text.trim().is_empty() {
            String::from_utf8_lossy(&output.stderr)
        } else {
            text.clone()
        };
        format!("`postgres --version` says {:?}", said.trim())
    })
}

fn find_among(
    wanted: Option<u32>,
    preferred: Option<&Path>,
    candidates: Vec<PathBuf>,
) -> Result<Installation, StartError> {
    let named = preferred
        .map(|path| from_variable(path, wanted))
        .transpose()?;
    if let Some(installation) = named.filter(|named| fits(named.major, wanted)) {
        return Ok(installation);
    }
    let mut skipped = Vec::new();
    let mut found = Vec::new();
    for programs in candidates {
        let shown = programs.display().to_string();
        match inspect(&programs) {
            Ok(major) if fits(major, wanted) => found.push(Installation {
                origin: format!("the server binaries in {shown}"),
                programs,
                major,
            }),
            Ok(major) => skipped.push(format!("{shown} has {major}")),
            Err(reason) => skipped.push(format!("{shown}: {reason}")),
        }
    }
    // The sort is stable: with the same version, the folder that comes first in the list wins.
    found.sort_by_key(|installation| Reverse(installation.major));
    found
        .into_iter()
        .next()
        .ok_or_else(|| StartError::NoBinaries {
            wanted: wanted.map_or_else(|| "15 to 18".to_owned(), |major| major.to_string()),
            skipped,
        })
}

/// Reads the folder in `PG_BIN`. Its version must be supported unless another one is requested.
fn from_variable(path: &Path, wanted: Option<u32>) -> Result<Installation, StartError> {
    let reject = |reason| StartError::PgBin {
        path: path.to_owned(),
        reason,
    };
    let major = inspect(path).map_err(reject)?;
    if wanted.is_none() && !fits(major, None) {
        return Err(reject(format!("that is PostgreSQL {major}")));
    }
    Ok(Installation {
        programs: path.to_owned(),
        major,
        origin: format!("the server binaries in {} (PG_BIN)", path.display()),
    })
}

fn fits(major: u32, wanted: Option<u32>) -> bool {
    wanted.map_or_else(
        || crate::SUPPORTED_VERSIONS.contains(&major),
        |wanted| wanted == major,
    )
}

/// Returns the folders that could contain a server, each once, in the order of preference.
fn candidates() -> Vec<PathBuf> {
    let configured = pg_config().into_iter();
    let usual = USUAL_FOLDERS.into_iter().flat_map(matching_folders);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path)
        .filter_map(|folder| std::path::absolute(folder).ok())
        .filter(|folder| folder.join("initdb").is_file());
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in configured.chain(usual).chain(on_path) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.is_dir().then_some(folder)
}

/// Returns the folders that match a pattern with at most one `*`.
fn matching_folders(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        let folder = PathBuf::from(pattern);
        return folder.is_dir().then_some(folder).into_iter().collect();
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    folders
}

/// Parses the major version in, for example, `postgres (PostgreSQL) 15.18 (Debian 15.18-0)`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?;
    let digits = version
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder with programs that only support `--version`.
    fn fake(root: &Path, name: &str, version: &str) -> PathBuf {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        for program in ["postgres", "initdb"] {
            let file = folder.join(program);
            fs::write(
                &file,
                format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    #[test]
    fn reads_versions() {
        assert_eq!(
            parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0)\n"),
            Some(15)
        );
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta2"), Some(18));
        assert_eq!(parse_major("postgres (EnterpriseDB) 18"), None);
    }

    #[test]
    fn newest_supported_wins_and_others_are_named() {
        let root = tempfile::tempdir().unwrap();
        let folders: Vec<PathBuf> = [
            ("a", "14.9"),
            ("b", "16.1"),
            ("c", "17.2"),
            ("d", "19devel"),
        ]
        .map(|(name, version)| fake(root.path(), name, version))
        .to_vec();
        let newest = find_among(None, None, folders.clone()).unwrap();
        assert_eq!(
            (newest.major, newest.programs.as_path()),
            (17, folders[2].as_path())
        );
        let requested = find_among(Some(16), None, folders.clone()).unwrap();
        assert_eq!(requested.programs, folders[1]);
        let error = find_among(Some(15), None, folders).unwrap_err().to_string();
        for part in [
            "PostgreSQL 15 ",
            "a has 14",
            "c has 17",
            "d has 19",
            "apt-get install",
        ] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }

    #[test]
    fn variable_takes_precedence_over_newer_ones_but_not_over_the_requested_version() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (
            fake(root.path(), "old", "15.1"),
            fake(root.path(), "new", "18.1"),
        );
        let find = |wanted| {
            find_among(wanted, Some(&old), vec![new.clone()])
                .unwrap()
                .programs
        };
        assert_eq!(find(None), old);
        assert_eq!(find(Some(18)), new);
    }

    #[test]
    fn variable_with_nothing_useful_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let fit = fake(root.path(), "fit", "18.1");
        let unsupported = fake(root.path(), "unsupported", "12.3");
        let clients = root.path().join("clients");
        fs::create_dir_all(&clients).unwrap();
        for (folder, reason) in [(&unsupported, "PostgreSQL 12"), (&clients, "no `postgres`")] {
            let error = find_among(None, Some(folder), vec![fit.clone()]).unwrap_err();
            assert!(matches!(error, StartError::PgBin { .. }));
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}

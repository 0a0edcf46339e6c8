//! Runs of the command.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The whole command under another name: cargo passes the path of a program only to the tests of
/// its own package.
const PROGRAM: &str = env!("CARGO_BIN_EXE_neobank-under-test");

/// Builds the command on a database, in an environment without the project's other variables.
pub(crate) fn neobank(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars() {
        if name.starts_with("DB_") || name == "DATABASE_URL" || name == "NO_COLOR" {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .env("DATABASE_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The result of one run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Returns `data` of the output; the run must have succeeded.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.json()["data"].clone()
    }

    /// Returns the whole output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the command to its end, in another thread.
pub(crate) async fn run(url: &str, arguments: &[&str]) -> Run {
    let mut command = neobank(url, arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    output.await.unwrap().into()
}

/// Runs the command with `--json`, and returns `data` of the output.
pub(crate) async fn data(url: &str, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    run(url, &arguments).await.data()
}

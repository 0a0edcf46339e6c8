//! Runs the command.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The whole command with another name: cargo tells the path of a program to the tests of its own package alone.
const PROGRAM: &str = env!("CARGO_BIN_EXE_neobank-under-test");

/// The command on a database, in an environment with nothing else of the project in it.
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

/// What came of one run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The answer's `data`; the run must have ended well.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.json()["data"].clone()
    }

    /// The whole answer.
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

/// Runs it to its end, off the test's own threads.
pub(crate) async fn run(url: &str, arguments: &[&str]) -> Run {
    let mut command = neobank(url, arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    output.await.unwrap().into()
}

/// Runs it with `--json` and gives the answer's `data`.
pub(crate) async fn data(url: &str, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    run(url, &arguments).await.data()
}

//! The two programs, and the names of all their commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::cli::program::{Run, neobank};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// The operator's command.
    Neobank,
    /// The workspace's own commands.
    Xtask,
}

impl Program {
    pub(super) const ALL: [Self; 2] = [Self::Neobank, Self::Xtask];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Neobank => "neobank",
            Self::Xtask => "xtask",
        }
    }

    /// Every command that runs something, with the program's name before it.
    pub(super) fn commands(self) -> Vec<String> {
        let mut names = Vec::new();
        match self {
            Self::Neobank => leaves(&neobank_cli::command(), self.name(), &mut names),
            Self::Xtask => leaves_of_help(self.name(), &[], &mut names),
        }
        names
    }

    /// The program with these arguments on a database.
    pub(super) fn command(self, url: &str, arguments: &[&str]) -> Command {
        match self {
            Self::Neobank => neobank(url, arguments),
            Self::Xtask => {
                // The same environment.
                let mut command = Command::new(xtask());
                let model = neobank(url, &[]);
                for (name, value) in model.get_envs() {
                    match value {
                        Some(value) => command.env(name, value),
                        None => command.env_remove(name),
                    };
                }
                command
                    .args(arguments)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                command
            }
        }
    }
}

fn leaves(command: &clap::Command, name: &str, names: &mut Vec<String>) {
    let mut is_leaf = true;
    for below in command.get_subcommands() {
        is_leaf = false;
        leaves(below, &format!("{name} {}", below.get_name()), names);
    }
    if is_leaf {
        names.push(name.to_owned());
    }
}

/// The command that cargo builds when it is called, for minutes; its help is that of the program.
const BUILT_LATER: &str = "torture";

/// The same by the pages of help, which clap writes from its tree.
fn leaves_of_help(name: &str, path: &[&str], names: &mut Vec<String>) {
    if path == [BUILT_LATER] {
        names.push(name.to_owned());
        return;
    }
    let help = Command::new(xtask())
        .args(path)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut is_leaf = true;
    for below in commands.filter_map(|line| line.split_whitespace().next()) {
        is_leaf = false;
        if below != "help" {
            leaves_of_help(
                &format!("{name} {below}"),
                &[path, &[below]].concat(),
                names,
            );
        }
    }
    if is_leaf {
        names.push(name.to_owned());
    }
}

/// The workspace's own program, built once: cargo tells its path to its own package alone.
fn xtask() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // What cargo tells this process of its package would make build scripts run again.
        for (name, _) in std::env::vars().filter(|(name, _)| is_of_this_package(name)) {
            build.env_remove(name);
        }
        let built = build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--package", "xtask", "--locked"])
            .args(["--message-format", "json-render-diagnostics"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{said}");
        let messages = String::from_utf8(built.stdout).unwrap();
        let found = messages.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let is_it = message["target"]["name"] == "xtask";
            let path = message["executable"].as_str()?;
            is_it.then(|| PathBuf::from(path))
        });
        found.unwrap_or_else(|| panic!("no program was built: {said}"))
    })
}

fn is_of_this_package(variable: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ]
    .iter()
    .any(|start| variable.starts_with(start))
}

/// Starts the exporter, scrapes it once, and ends it. Its answer is the scrape; one in which the
/// database could not be asked has the exit code of a server that cannot be reached.
pub(super) fn scrape(mut command: Command) -> Run {
    let mut child = command.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    let Some((_, address)) = line.trim().rsplit_once("http://") else {
        let mut err = line;
        errors.read_to_string(&mut err).unwrap();
        return child
            .wait_with_output()
            .map(Run::from)
            .map(|run| Run { err, ..run })
            .unwrap();
    };
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        let _ = errors.read_to_string(&mut rest);
        rest
    });
    let page = get(address.trim_end_matches("/metrics"));
    let _ = child.kill();
    let _ = child.wait();
    let is_up = page.lines().any(|line| line == "neobank_up 1.0");
    let rejected = page.lines().any(|line| line == "neobank_up 0.0");
    Run {
        code: match (is_up, rejected) {
            (true, false) => 0,
            (false, true) => 5,
            _ => -1,
        },
        out: page,
        err: rest.join().unwrap(),
    }
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

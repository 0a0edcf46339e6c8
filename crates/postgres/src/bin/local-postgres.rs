//! Starts a local PostgreSQL and prints its URL; the server ends with this command (Ctrl-C).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::{Parser, ValueEnum};
use neobank_postgres::{Durability, Listen, ServerOptions, Source};

/// Starts a local PostgreSQL and prints its URL; the server ends with this command (Ctrl-C).
#[derive(Debug, Parser)]
struct Arguments {
    /// The major version, 15 to 18; any by default.
    #[arg(long)]
    postgres: Option<u32>,
    /// The origin of the server.
    #[arg(long, value_enum, default_value = "automatic")]
    source: From,
    /// Start a container of this image, such as postgres:18.
    #[cfg(feature = "container")]
    #[arg(long, conflicts_with = "source")]
    container: Option<String>,
    /// Without fsync, for tests.
    #[arg(long)]
    fast: bool,
    /// Listen on a Unix socket instead of a TCP port.
    #[arg(long)]
    socket: bool,
    /// A server parameter, NAME=VALUE; may be repeated.
    #[arg(long, value_parser = setting)]
    set: Vec<(String, String)>,
    /// The parent folder of the server's own data folder.
    #[arg(long)]
    data_parent: Option<PathBuf>,
    /// End at once and leave the server running; prints the command that stops it.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    Automatic,
    Binaries,
    Wheel,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is no other stream for it.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let keep = arguments.keep;
    let server = arguments.options().start()?;
    let mut output = io::stdout();
    writeln!(output, "{}", server.url())?;
    writeln!(
        output,
        "PostgreSQL {} from {}",
        server.version(),
        server.origin()
    )?;
    if keep {
        let kept = server.keep()?;
        let command = kept.stop_command.unwrap_or_default();
        writeln!(output, "stop it by: {command}")?;
        return Ok(());
    }
    output.flush()?;
    loop {
        thread::park();
    }
}

impl Arguments {
    fn options(self) -> ServerOptions {
        let mut options = ServerOptions::new()
            .version(self.postgres)
            .source(match self.source {
                From::Automatic => Source::Automatic,
                From::Binaries => Source::Binaries,
                From::Wheel => Source::Wheel,
            });
        if self.fast {
            options = options.durability(Durability::Fast);
        }
        if self.socket {
            options = options.listen(Listen::UnixSocket);
        }
        if let Some(parent) = self.data_parent {
            options = options.data_directory_parent(parent);
        }
        #[cfg(feature = "container")]
        if let Some(image) = self.container {
            options = options.source(Source::Container { image });
        }
        for (name, value) in self.set {
            options = options.setting(name, value);
        }
        options
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

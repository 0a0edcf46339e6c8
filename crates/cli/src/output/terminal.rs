//! The capabilities of standard output and standard error.

use std::io::IsTerminal;

use anstream::ColorChoice;

/// The capabilities of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Colours: on a terminal, unless `NO_COLOR` is set.
    pub(crate) colored: bool,
    /// The characters of a line, where that is bounded: by `COLUMNS`, otherwise only on a terminal,
    /// so that programs get whole lines.
    pub(crate) width: Option<u16>,
}

/// The choice of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Terminal {
    pub(crate) fn of_output(color: Color) -> Self {
        let stream = std::io::stdout();
        Self {
            colored: colored(color, anstream::AutoStream::choice(&stream)),
            width: width(stream.is_terminal()),
        }
    }

    pub(crate) fn of_errors(color: Color) -> Self {
        let stream = std::io::stderr();
        Self {
            colored: colored(color, anstream::AutoStream::choice(&stream)),
            width: width(stream.is_terminal()),
        }
    }
}

/// Returns `COLUMNS`, where it is set to a number above zero, otherwise the current width of the
/// terminal.
fn width(is_terminal: bool) -> Option<u16> {
    let columns = std::env::var("COLUMNS").ok();
    let given = columns.and_then(|columns| columns.trim().parse().ok());
    given.filter(|columns| *columns > 0).or_else(|| {
        let size = is_terminal.then(crossterm::terminal::size)?;
        size.ok().map(|(columns, _)| columns)
    })
}

fn colored(choice: Color, found: ColorChoice) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => found != ColorChoice::Never,
    }
}

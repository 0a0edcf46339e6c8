//! What standard output and standard error can show.

use std::io::IsTerminal;

use anstream::ColorChoice;

/// What a stream can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Colours: on a terminal, unless `NO_COLOR` is set.
    pub(crate) colored: bool,
    /// Whether long lines are broken: on a terminal only, so that programs get whole lines.
    pub(crate) wraps: bool,
}

/// When to use colours.
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
            wraps: stream.is_terminal(),
        }
    }

    pub(crate) fn of_errors(color: Color) -> Self {
        let stream = std::io::stderr();
        Self {
            colored: colored(color, anstream::AutoStream::choice(&stream)),
            wraps: stream.is_terminal(),
        }
    }
}

fn colored(asked: Color, found: ColorChoice) -> bool {
    match asked {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => found != ColorChoice::Never,
    }
}

//! The command `neobank man`.

mod sections;

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::output::{Block, Output};

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The folder for the pages, which is created if it does not exist
    folder: PathBuf,
}

pub(crate) fn run(arguments: &ManArguments) -> Result<Output, CommandError> {
    let folder = arguments.folder.as_path();
    let failed = |error: std::io::Error| {
        CommandError::failed("file", format!("{}: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    write(&command, "neobank", folder, &mut pages).map_err(failed)?;
    pages.sort();
    let note = format!("{} pages in {}", pages.len(), folder.display());
    Output::new("man", json!({ "pages": pages }), vec![Block::Note(note)])
}

/// Writes the page of a command, and those of its subcommands.
fn write(
    command: &clap::Command,
    name: &str,
    folder: &Path,
    pages: &mut Vec<String>,
) -> std::io::Result<()> {
    let file = format!("{}.1", name.replace(' ', "-"));
    std::fs::write(folder.join(&file), page(command, name)?)?;
    pages.push(file);
    for below in command.get_subcommands() {
        write(
            below,
            &format!("{name} {}", below.get_name()),
            folder,
            pages,
        )?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> std::io::Result<Vec<u8>> {
    // The exit codes have a section of their own.
    let plain = command
        .clone()
        .after_long_help(None::<&'static str>)
        .display_name(name.replace(' ', "-"));
    let has_subcommands = command.has_subcommands();
    let man = Man::new(plain);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    sections::render(name, &mut page);
    man.render_version_section(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &clap::Command, name: &str) {
        let page = String::from_utf8(page(command, name).unwrap()).unwrap();
        for section in [".SH EXAMPLES", ".SH ENVIRONMENT", ".SH \"EXIT STATUS\""] {
            assert!(page.contains(section), "{name}: {section}");
        }
        for below in command.get_subcommands() {
            check(below, &format!("{name} {}", below.get_name()));
        }
    }

    #[test]
    fn every_page_has_examples_environment_and_exit_codes() {
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        check(&command, "neobank");
    }

    #[test]
    fn every_example_is_a_valid_command_line() {
        use clap::Parser as _;
        let examples = sections::examples().filter(|line| !line.ends_with("--help"));
        for line in examples {
            let words: Vec<&str> = sections::words(line);
            if let Err(error) = Arguments::try_parse_from(&words) {
                panic!("{line}: {error}");
            }
        }
    }
}

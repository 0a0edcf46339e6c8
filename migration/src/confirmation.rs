//! The confirmation that a person must give before data is destroyed, and its texts. The command
//! itself prompts for it.

/// An action that destroys data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destruction {
    /// Reverting this many of the last migrations.
    Down(usize),
    /// Dropping every schema.
    Fresh,
}

/// The confirmation that a person must give before data is destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    database: String,
    what: String,
    table: String,
}

impl Confirmation {
    pub(crate) fn new(database: String, destruction: Destruction, table: String) -> Self {
        let what = match destruction {
            Destruction::Down(steps) => {
                format!("reverts the last {steps} migrations, with their data,")
            }
            Destruction::Fresh => "drops every schema of the bank, with all data,".to_owned(),
        };
        Self {
            database,
            what,
            table,
        }
    }

    /// Returns the prompt; the confirmation is the database's name.
    #[must_use]
    pub fn prompt(&self) -> String {
        format!(
            "This {} on {:?}, where {} has rows.\nType the database's name to continue: ",
            self.what, self.database, self.table
        )
    }

    /// Returns the name in a typed line.
    #[must_use]
    pub fn name(line: &str) -> &str {
        line.trim_end_matches(['\r', '\n'])
    }

    /// Returns the error without an interactive terminal.
    #[must_use]
    pub fn unasked(&self) -> String {
        format!(
            "this {} on {:?}, where {} has rows: give --yes-destroy with the database's name to do it without a prompt",
            self.what, self.database, self.table
        )
    }

    /// Returns the error after another input.
    #[must_use]
    pub const fn rejected() -> &'static str {
        "that is not the database's name; nothing was changed"
    }
}

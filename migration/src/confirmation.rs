//! What a person must say before data is destroyed, and the words to ask for it. The asking itself is the command's.

/// What would destroy data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destruction {
    /// Taking back this many of the last migrations.
    Down(usize),
    /// Dropping every schema.
    Fresh,
}

/// What a person must confirm before data is destroyed.
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
                format!("takes the last {steps} migrations back, with their data,")
            }
            Destruction::Fresh => "drops every schema of the bank, with all data,".to_owned(),
        };
        Self {
            database,
            what,
            table,
        }
    }

    /// What to ask; the answer is the database's name.
    #[must_use]
    pub fn prompt(&self) -> String {
        format!(
            "This {} on {:?}, where {} has rows.\nType the database's name to go on: ",
            self.what, self.database, self.table
        )
    }

    /// The name in a line that a person typed.
    #[must_use]
    pub fn name(line: &str) -> &str {
        line.trim_end_matches(['\r', '\n'])
    }

    /// What to say where nobody can be asked.
    #[must_use]
    pub fn unasked(&self) -> String {
        format!(
            "this {} on {:?}, where {} has rows: say --yes-destroy with the database's name to do it without being asked",
            self.what, self.database, self.table
        )
    }

    /// What to say after another answer.
    #[must_use]
    pub const fn refused() -> &'static str {
        "that is not the database's name; nothing was changed"
    }
}

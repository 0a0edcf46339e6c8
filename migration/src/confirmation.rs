//! Whether somebody must say twice that data is to be destroyed, and what to ask. The asking itself is for those who talk
//! to people.

use crate::rollout::Rollout;

/// What a person must confirm before data is destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    database: String,
    what: String,
}

impl Confirmation {
    /// What must be confirmed before the last `steps` migrations are taken back; nothing on a database on this machine.
    #[must_use]
    pub fn for_down(rollout: &Rollout, steps: usize) -> Option<Self> {
        let what = format!("takes the last {steps} migrations back, with their data");
        Self::on(rollout, what)
    }

    /// What must be confirmed before everything is dropped; nothing on a database on this machine.
    #[must_use]
    pub fn for_fresh(rollout: &Rollout) -> Option<Self> {
        Self::on(
            rollout,
            "drops every schema of the bank, with all data".to_owned(),
        )
    }

    fn on(rollout: &Rollout, what: String) -> Option<Self> {
        (!rollout.is_local()).then(|| Self {
            database: rollout.database().to_owned(),
            what,
        })
    }

    /// What to ask; the answer is the database's name.
    #[must_use]
    pub fn question(&self) -> String {
        format!(
            "This {} on {:?}, which is not local.\nType the database's name to go on: ",
            self.what, self.database
        )
    }

    /// Whether a line is the right answer.
    #[must_use]
    pub fn accepts(&self, answer: &str) -> bool {
        answer.trim_end_matches(['\r', '\n']) == self.database
    }

    /// What to say where nobody can be asked.
    #[must_use]
    pub fn unasked(&self) -> String {
        format!(
            "this {} on {:?}, which is not local: say --yes to do it without being asked",
            self.what, self.database
        )
    }

    /// What to say after another answer.
    #[must_use]
    pub const fn refused() -> &'static str {
        "that is not the database's name; nothing was changed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_is_an_answer() {
        let confirmation = Confirmation {
            database: "bank".to_owned(),
            what: "drops it".to_owned(),
        };
        assert!(confirmation.accepts("bank\n") && confirmation.accepts("bank\r\n"));
        for answer in ["", "\n", "y\n", "bank \n", "Bank\n", "banks\n"] {
            assert!(!confirmation.accepts(answer), "{answer:?}");
        }
    }
}

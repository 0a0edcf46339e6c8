//! Each rule is held against a right history and its books after one change.

mod edits;
mod stories;

use super::{Invariant, Report, check, check_by_rules};
use crate::simulation::{Defect, Settings, simulate};
use edits::Edit;

/// Requires that a report has a violation of an invariant with a text.
fn require(report: &Report, invariant: Invariant, text: &str, name: &str) {
    let mut violations = report.violations.iter();
    assert!(
        violations.any(|found| found.invariant == invariant && found.detail.contains(text)),
        "{name}: no violation of {invariant} says {text:?}: {:#?}",
        report.violations,
    );
}

#[test]
fn each_edit_of_a_right_history_is_a_violation() {
    let (history, books) = simulate(&Settings::new(5));
    assert_eq!(check(&history, &books).violations, []);
    for (name, invariant, text, edit) in edits::ALL {
        let mut edited = Edit {
            history: history.clone(),
            books: books.clone(),
        };
        edit(&mut edited);
        require(
            &check_by_rules(&edited.history, &edited.books),
            invariant,
            text,
            name,
        );
    }
}

#[test]
fn each_invariant_has_an_edit_or_a_story() {
    let edited = edits::ALL.map(|(_, invariant, ..)| invariant);
    let told = stories::VIOLATED;
    for invariant in Invariant::ALL {
        assert!(
            edited.contains(&invariant) || told.contains(&invariant),
            "{invariant}"
        );
    }
}

#[test]
fn violation_names_calls_keys_and_accounts() {
    let (history, mut books) = simulate(&Settings::new(5));
    let lost = books.transfers.remove(0);
    books.entries.retain(|entry| entry.transfer != lost.id);
    let report = check(&history, &books);
    let key = lost.key.unwrap();
    let text = format!("was told that key {key:?} is done, and the books have nothing of it");
    let shown = report.violations.first().unwrap().to_string();
    assert!(
        shown.starts_with("acknowledged is present: call "),
        "{shown}"
    );
    assert!(shown.ends_with(&text), "{shown}");
}

#[test]
fn check_has_the_anomalies_that_adya_finds() {
    let (history, books) = simulate(&Settings::new(5).with_defect(Defect::DirtyRead));
    let text = "adya finds incompatible-order";
    let report = check(&history, &books);
    require(
        &report,
        Invariant::StrictSerialisability,
        text,
        "dirty read",
    );
    assert_eq!(report.checked.reads_left_out, 0);
    let by_rules = check_by_rules(&history, &books);
    assert!(
        by_rules
            .violations
            .iter()
            .all(|found| !found.detail.contains("adya"))
    );
}

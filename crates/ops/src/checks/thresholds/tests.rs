use proptest::prelude::*;

use super::*;

fn rejection(text: &str) -> String {
    Thresholds::from_toml(text).unwrap_err().to_string()
}

#[test]
fn defaults_are_valid_and_round_trip() {
    let defaults = Thresholds::default();
    defaults.check().unwrap();
    assert_eq!(
        Thresholds::from_toml(&defaults.to_toml()).unwrap(),
        defaults
    );
    assert_eq!(Thresholds::from_toml("").unwrap(), defaults);
    insta::assert_snapshot!("thresholds", defaults.to_toml());
}

#[test]
fn invalid_threshold_is_named_with_its_value() {
    assert_eq!(
        rejection("[connections]\nidle_seconds = -1"),
        "connections.idle_seconds is -1, but must be a whole number that is not negative"
    );
    assert_eq!(
        rejection("[connections]\nidle_seconds = \"5 min\""),
        "connections.idle_seconds is \"5 min\", but must be a whole number that is not negative"
    );
    assert_eq!(
        rejection("connections = 7"),
        "connections is 7, but must be a table of thresholds"
    );
    assert_eq!(
        rejection("[connections]\nusage_warning_percent = 95"),
        "connections.usage_warning_percent is 95, but must be at most connections.usage_critical_percent, which is 90"
    );
    assert_eq!(
        rejection("[cache]\nhit_warning_percent = 80"),
        "cache.hit_warning_percent is 80, but must be at least cache.hit_critical_percent, which is 90"
    );
    assert_eq!(
        rejection("[cache]\nhit_percent = 80"),
        "cache.hit_percent (set to 80) is not a threshold; the known keys are: blocks_min, hit_critical_percent, hit_warning_percent"
    );
    assert!(rejection("[caches]").starts_with("caches (set to {"));
    assert!(
        rejection("[cache")
            .starts_with("the thresholds cannot be read: TOML parse error at line 1")
    );
}

#[test]
fn missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thresholds.toml");
    let error = Thresholds::from_file(&path).unwrap_err().to_string();
    assert!(error.contains(&*path.to_string_lossy()), "{error}");
    std::fs::write(&path, "[locks]\nwait_warning_milliseconds = 5").unwrap();
    let thresholds = Thresholds::from_file(&path).unwrap();
    assert_eq!(thresholds.locks.wait_warning_milliseconds, 5);
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Thresholds::from_toml(&text);
    }

    /// Each threshold is accepted within its range, and rejected by its name outside of it.
    #[test]
    fn value_outside_its_range_is_rejected(number in 0_u64..=5_000_000_000_000, place in 0_usize..100) {
        let bounds = Thresholds::default().bounds();
        let bound = &bounds[place % bounds.len()];
        let text = format!("[{}]\n{} = {number}", bound.group, bound.field);
        let outcome = Thresholds::from_toml(&text);
        if !bound.range.contains(&number) {
            let error = outcome.unwrap_err().to_string();
            let named = format!("{}.{} is {number}, but must be a whole", bound.group, bound.field);
            prop_assert!(error.starts_with(&named), "{error}");
        } else if !bound.field.contains("_warning_") && !bound.field.contains("_critical_") {
            prop_assert!(outcome.is_ok());
        }
    }
}

//! Rows as tables, charts and findings; no question is asked here.

pub(super) mod load;
pub(super) mod sessions;
pub(super) mod storage;

use std::time::Duration;

/// An age that the server gave in seconds.
fn age(seconds: f64) -> String {
    crate::text::age(milliseconds(seconds))
}

fn milliseconds(seconds: f64) -> i64 {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|age| i64::try_from(age.as_millis()).ok())
        .unwrap_or_default()
}

fn age_or_dash(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), age)
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn bytes(number: i64) -> String {
    let number = u64::try_from(number).unwrap_or_default();
    format!("{}B", crate::text::count(number))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

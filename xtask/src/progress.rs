//! A progress bar on a terminal; without a terminal it is hidden.

use indicatif::{ProgressBar, ProgressStyle};

/// Returns a bar of `length` steps that shows their rate.
pub(crate) fn bar(length: usize, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let template =
        format!("  {{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{per_sec}}, {{elapsed}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

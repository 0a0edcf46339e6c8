//! A progress bar on a terminal's standard error; without a terminal it is hidden.

use indicatif::{ProgressBar, ProgressStyle};

/// Returns a bar of this many transactions.
pub(in crate::commands) fn bar(transactions: usize, is_hidden: bool) -> ProgressBar {
    if is_hidden {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(transactions).unwrap_or(u64::MAX));
    let template =
        "  {bar:30} {human_pos} of {human_len} transactions, {per_sec}, {eta} to go".to_owned();
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

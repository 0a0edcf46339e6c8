//! Charts as SVG: bars with their figures beside them, in coordinates of the picture.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "pixels, not money"
)]

use maud::{Markup, html};

use crate::commands::ops::{Bar, Chart};
use crate::output::{Mood, printable};

const WIDTH: f64 = 640.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const BAR_START: f64 = 200.0;
const BAR_LENGTH: f64 = 340.0;
const LABEL_MAX: usize = 28;

pub(super) fn svg(chart: &Chart) -> Markup {
    let end = scale_end(chart);
    let height = ROW * chart.bars.len() as f64;
    html! {
        figure {
            figcaption { (printable(&chart.title)) }
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(printable(&chart.title)) {
                @for (number, bar) in chart.bars.iter().enumerate() {
                    (row(bar, ROW * number as f64, end, chart.unit))
                }
            }
        }
    }
}

fn row(bar: &Bar, top: f64, end: f64, unit: &str) -> Markup {
    let middle = top + ROW / 2.0 + 4.0;
    let bar_top = top + (ROW - BAR) / 2.0;
    let length = share(bar.value, end) * BAR_LENGTH;
    let class = match bar.mood {
        Mood::Plain => "bar",
        Mood::Good => "bar good",
        Mood::Warning => "bar warning",
        Mood::Bad => "bar bad",
    };
    let figure = if bar.value.is_finite() {
        format!("{} {unit}", (bar.value * 10.0).round() / 10.0)
    } else {
        "n/a".to_owned()
    };
    html! {
        text x="0" y=(middle) { (label(&bar.label)) }
        rect class="track" x=(BAR_START) y=(bar_top) width=(BAR_LENGTH) height=(BAR) rx="3" {}
        rect class=(class) x=(BAR_START) y=(bar_top) width=(format!("{length:.1}")) height=(BAR) rx="3" {}
        text x=(BAR_START + BAR_LENGTH + 8.0) y=(middle) { (figure) }
    }
}

/// From 0 to 1, whatever the figures are.
fn share(value: f64, end: f64) -> f64 {
    if value.is_finite() && end > 0.0 {
        (value / end).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn scale_end(chart: &Chart) -> f64 {
    let longest = chart
        .bars
        .iter()
        .map(|bar| bar.value)
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    chart.end.filter(|end| end.is_finite()).unwrap_or(longest)
}

fn label(text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LABEL_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bars_stay_in_their_track(value in any::<f64>(), end in any::<f64>()) {
            prop_assert!((0.0..=1.0).contains(&share(value, end)));
        }
    }
}

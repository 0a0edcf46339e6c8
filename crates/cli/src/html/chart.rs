//! Charts: bars with a label before and a figure after each.
#![allow(clippy::float_arithmetic, reason = "pixels, not money")]

use maud::{Markup, html};

use crate::commands::ops::{Bar, Chart};
use crate::output::{Style, printable};

/// Renders rows of a label, a bar and a figure. The texts are HTML text, so that they keep their
/// size on a narrow screen.
pub(super) fn chart(chart: &Chart) -> Markup {
    let end = scale_end(chart);
    html! {
        figure {
            figcaption { (printable(&chart.title)) }
            div class="bars" {
                @for bar in &chart.bars { (row(bar, end, chart.unit)) }
            }
        }
    }
}

fn row(bar: &Bar, end: f64, unit: &str) -> Markup {
    let length = share(bar.value, end) * 100.0;
    // A word beside the colour.
    let (class, word) = match bar.style {
        Style::Plain => ("bar", ""),
        Style::Good => ("bar good", ""),
        Style::Warning => ("bar warning", "warning"),
        Style::Bad => ("bar bad", "critical"),
    };
    let figure = if bar.value.is_finite() {
        format!("{} {unit} {word}", (bar.value * 10.0).round() / 10.0)
    } else {
        format!("n/a {word}")
    };
    html! {
        span class="label" { (printable(&bar.label)) }
        svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect class="track" width="100" height="10" {}
            rect class=(class) width=(format!("{length:.1}")) height="10" {}
        }
        span class="figure" { (figure.trim()) }
    }
}

/// Returns the fraction from 0 to 1, for any figures.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bar_width_is_between_0_and_1(value in any::<f64>(), end in any::<f64>()) {
            prop_assert!((0.0..=1.0).contains(&share(value, end)));
        }
    }
}

use std::path::Path;

use plotters::prelude::*;

use super::{BLUE, CAPTION, Curve, ORANGE, RED, axes, curves, failed, legend, short, written};
use crate::Latency;
use crate::error::BenchError;
use crate::knee::Knee;

const HEIGHT: u32 = 420;

/// Writes the plot of latency against offered load.
pub(crate) fn knee(knee: &Knee, file: &Path) -> Result<(), BenchError> {
    written(file, HEIGHT, |picture| {
        let curve = |name, colour, pick: fn(&Latency) -> u64| {
            let mut points: Vec<(f64, f64)> = knee
                .steps
                .iter()
                .map(|step| {
                    let milliseconds = (pick(&step.latency) as f64 / 1e3).max(0.01);
                    (f64::from(step.offered), milliseconds)
                })
                .collect();
            points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            Curve {
                name,
                colour,
                points,
            }
        };
        let lines = vec![
            curve("p99", ORANGE, |all| all.p99),
            curve("p50", BLUE, |all| all.p50),
        ];
        let points = || lines.iter().flat_map(|line| &line.points);
        let latest = points().fold(1.0, |most: f64, (x, _)| most.max(*x));
        let longest = points().fold(0.01, |most: f64, (_, y)| most.max(*y)) * 1.4;
        let shortest = points().fold(longest, |least: f64, (_, y)| least.min(*y)) * 0.7;
        let latencies = (shortest..longest)
            .log_scale()
            .with_key_points(one_two_five(shortest, longest));
        let mut chart = ChartBuilder::on(picture)
            .margin(12)
            .margin_right(24)
            .caption(
                format!(
                    "Latency against offered load, {} accounts, PostgreSQL {}",
                    knee.choice, knee.postgres
                ),
                CAPTION,
            )
            .x_label_area_size(44)
            .y_label_area_size(66)
            .build_cartesian_2d(0_f64..latest * 1.05, latencies)
            .map_err(failed)?;
        let (x_name, y_name) = ("transfers offered a second", "milliseconds, logarithmic");
        axes(&mut chart, x_name, y_name)
            .y_label_formatter(&|value| short(*value))
            .draw()
            .map_err(failed)?;
        curves(&mut chart, lines, 3)?;
        if let Some(at) = knee.knee {
            let x = f64::from(at);
            let ends = [(x, shortest), (x, longest)];
            chart
                .draw_series([PathElement::new(ends, RED.stroke_width(2))])
                .map_err(failed)?
                .label(if knee.bends {
                    format!("the knee: {at} a second")
                } else {
                    format!("no knee up to {at} a second")
                })
                .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RED.stroke_width(2)));
        }
        legend(&mut chart, SeriesLabelPosition::LowerRight)
    })
}

/// Returns round numbers, three in each power of ten.
fn one_two_five(least: f64, most: f64) -> Vec<f64> {
    (-3..7)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
        .filter(|value| (least..=most).contains(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::one_two_five;

    #[test]
    fn labels_are_round_and_within() {
        assert_eq!(one_two_five(0.7, 60.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
    }
}

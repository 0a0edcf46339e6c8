//! Plots, as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::BenchError;
use crate::growth::Growth;
use crate::knee::Knee;

const SIZE: (u32, u32) = (860, 380);
const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const ORANGE: RGBColor = RGBColor(0xc9, 0x74, 0x1a);
const RED: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
const FONT: (&str, i32) = ("sans-serif", 14);

/// A figure of the latencies, in microseconds.
type Pick = fn(&crate::Latency) -> u64;
type Picture<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes the plot of how cost grows with the journal.
pub(crate) fn growth(growth: &Growth, file: &Path) -> Result<(), BenchError> {
    written(file, |picture| {
        let (left, right) = picture.split_horizontally(SIZE.0 / 2);
        let throughput = growth.sizes.iter().map(|size| size.throughput);
        let pages =
            |pick: fn(&crate::Size) -> f64| growth.sizes.iter().map(move |size| pick(size) / 1e3);
        by_size(
            &left,
            growth,
            "Transfers a second",
            &[("gathered", BLUE, throughput.collect())],
        )?;
        by_size(
            &right,
            growth,
            &format!("A statement's page of {}, milliseconds", growth.page),
            &[
                ("p50", BLUE, pages(|size| size.page_p50).collect()),
                ("p99", ORANGE, pages(|size| size.page_p99).collect()),
            ],
        )
    })
}

/// Writes the plot of latency against offered load.
pub(crate) fn knee(knee: &Knee, file: &Path) -> Result<(), BenchError> {
    written(file, |picture| {
        let latest = knee
            .steps
            .iter()
            .map(|step| step.offered)
            .max()
            .unwrap_or(1);
        let longest = knee.steps.iter().map(|step| step.latency.p99).max();
        let longest = longest.unwrap_or(1) as f64 / 1e3;
        let shortest = knee.steps.iter().map(|step| step.latency.p50).min();
        let shortest = (shortest.unwrap_or(1) as f64 / 1e3).max(0.01);
        let mut chart = ChartBuilder::on(picture)
            .margin(12)
            .caption(
                format!("Latency against offered load, {} accounts", knee.choice),
                ("sans-serif", 16),
            )
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                0_f64..f64::from(latest) * 1.05,
                (shortest * 0.7..longest * 1.4).log_scale(),
            )
            .map_err(failed)?;
        chart
            .configure_mesh()
            .label_style(FONT)
            .light_line_style(TRANSPARENT)
            .x_desc("transfers offered a second")
            .y_desc("milliseconds")
            .x_label_formatter(&|value| thousands(*value))
            .y_label_formatter(&|value| short(*value))
            .draw()
            .map_err(failed)?;
        let curves: [(&str, RGBColor, Pick); 2] =
            [("p50", BLUE, |all| all.p50), ("p99", ORANGE, |all| all.p99)];
        for (name, colour, pick) in curves {
            let points = knee.steps.iter().map(|step| {
                let milliseconds = (pick(&step.latency) as f64 / 1e3).max(0.01);
                (f64::from(step.offered), milliseconds)
            });
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))
                .map_err(failed)?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
        }
        if let Some(at) = knee.knee {
            let x = f64::from(at);
            let ends = [(x, shortest * 0.7), (x, longest * 1.4)];
            chart
                .draw_series([PathElement::new(ends, RED.stroke_width(1))])
                .map_err(failed)?
                .label(format!("the knee: {at} a second"))
                .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RED));
        }
        legend(&mut chart, SeriesLabelPosition::UpperLeft)
    })
}

fn by_size(
    picture: &Picture<'_>,
    growth: &Growth,
    caption: &str,
    curves: &[(&str, RGBColor, Vec<f64>)],
) -> Result<(), BenchError> {
    let most = curves.iter().flat_map(|(_, _, values)| values);
    let most = most
        .fold(0.0, |most: f64, value| most.max(*value))
        .max(0.01);
    let longest = growth.sizes.iter().map(|size| size.journal).max();
    let longest = (longest.unwrap_or(0) as f64).max(1.0);
    let mut chart = ChartBuilder::on(picture)
        .margin(12)
        .caption(caption, ("sans-serif", 16))
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0_f64..longest * 1.05, 0_f64..most * 1.25)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .label_style(FONT)
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .x_desc("entries in the journal")
        .x_label_formatter(&|value| thousands(*value))
        .y_label_formatter(&|value| {
            if most < 100.0 {
                short(*value)
            } else {
                thousands(*value)
            }
        })
        .draw()
        .map_err(failed)?;
    for (name, colour, values) in curves {
        let colour = *colour;
        let journals = growth.sizes.iter().map(|size| size.journal as f64);
        let points = journals.zip(values.iter().copied());
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))
            .map_err(failed)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

fn legend<'a, X: Ranged, Y: Ranged>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<(), BenchError> {
    chart
        .configure_series_labels()
        .position(position)
        .label_font(FONT)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(failed)
}

fn written(
    file: &Path,
    draw: impl FnOnce(&Picture<'_>) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let mut text = String::new();
    {
        let picture = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        picture.fill(&WHITE).map_err(failed)?;
        draw(&picture)?;
        picture.present().map_err(failed)?;
    }
    std::fs::write(file, text)
        .map_err(|error| BenchError::other("the plot", format!("{}: {error}", file.display())))
}

fn thousands(value: f64) -> String {
    if value >= 1e6 {
        format!("{} M", short(value / 1e6))
    } else if value >= 1e3 {
        format!("{} k", short(value / 1e3))
    } else {
        short(value)
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::other("the plot", error)
}

use std::path::Path;

use plotters::prelude::*;

use super::{
    BLUE, CAPTION, Curve, FONT, ORANGE, Picture, WIDTH, curves, failed, legend, short, thousands,
    written,
};
use crate::error::BenchError;
use crate::growth::{Growth, Size};

const HEIGHT: u32 = 380;

/// Writes the plot of how cost grows with the journal.
pub(crate) fn growth(growth: &Growth, file: &Path) -> Result<(), BenchError> {
    written(file, HEIGHT, |picture| {
        let (left, right) = picture.split_horizontally(WIDTH / 2);
        let curve = |name, colour, pick: fn(&Size) -> f64| Curve {
            name,
            colour,
            points: growth
                .sizes
                .iter()
                .map(|size| (size.entries as f64, pick(size)))
                .collect(),
        };
        by_size(
            &left,
            &format!("Throughput, gathered, {} callers", growth.callers),
            "transfers a second",
            vec![curve("gathered", BLUE, |size| size.throughput)],
        )?;
        by_size(
            &right,
            &format!("A statement's page of {} entries", growth.page),
            "milliseconds",
            vec![
                curve("p99", ORANGE, |size| size.page_p99 / 1e3),
                curve("p50", BLUE, |size| size.page_p50 / 1e3),
            ],
        )
    })
}

fn by_size(
    picture: &Picture<'_>,
    caption: &str,
    unit: &str,
    lines: Vec<Curve>,
) -> Result<(), BenchError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = points().fold(0.01, |most: f64, (_, y)| most.max(*y));
    let longest = points().fold(1.0, |most: f64, (x, _)| most.max(*x));
    let several = lines.len() > 1;
    let mut chart = ChartBuilder::on(picture)
        .margin(12)
        .margin_right(20)
        .caption(caption, CAPTION)
        .x_label_area_size(44)
        .y_label_area_size(66)
        // From zero, so that a small change looks small.
        .build_cartesian_2d(0_f64..longest * 1.05, 0_f64..most * 1.3)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .label_style(FONT)
        .axis_desc_style(FONT)
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .y_labels(7)
        .x_desc("entries in the journal before")
        .y_desc(unit)
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
    curves(&mut chart, lines, 3)?;
    if several {
        legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    }
    Ok(())
}

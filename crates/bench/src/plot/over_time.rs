use std::path::Path;

use plotters::prelude::*;

use super::{
    BLUE, CAPTION, Curve, FONT, GREEN, ORANGE, Picture, curves, failed, legend, short, thousands,
    written,
};
use crate::error::BenchError;
use crate::soak::{Sample, Soak};

const HEIGHT: u32 = 900;
const MIB: f64 = 1_048_576.0;

/// A name, a colour, and what is read from a sample.
type Reading = (&'static str, RGBColor, fn(&Sample) -> Option<f64>);

/// Writes the plot of a long run.
pub(crate) fn soak(soak: &Soak, file: &Path) -> Result<(), BenchError> {
    let panels: [(&str, &[Reading]); 6] = [
        (
            "Transfers a second",
            &[("gathered", BLUE, |sample| Some(sample.throughput))],
        ),
        (
            "Latency, milliseconds",
            &[
                ("p99", ORANGE, |sample| {
                    Some(sample.latency.p99 as f64 / 1e3)
                }),
                ("p50", BLUE, |sample| Some(sample.latency.p50 as f64 / 1e3)),
            ],
        ),
        (
            "Memory, MiB",
            &[
                ("server", ORANGE, |sample| mebibytes(sample.server_memory?)),
                ("server without buffers", GREEN, |sample| {
                    mebibytes(sample.server_private_memory?)
                }),
                ("client", BLUE, |sample| mebibytes(sample.client_memory?)),
            ],
        ),
        (
            "Accounts, MiB",
            &[
                ("table", ORANGE, |sample| mebibytes(sample.table_bytes)),
                ("indexes", BLUE, |sample| mebibytes(sample.index_bytes)),
            ],
        ),
        (
            "Dead rows of accounts, and requests waiting",
            &[
                ("dead rows", ORANGE, |sample| Some(sample.dead_rows as f64)),
                ("waiting", BLUE, |sample| Some(sample.waiting as f64)),
            ],
        ),
        (
            "Heap-only updates of accounts, %",
            &[("heap-only", BLUE, |sample| Some(sample.heap_only? * 100.0))],
        ),
    ];
    written(file, HEIGHT, |picture| {
        for (area, (caption, lines)) in picture.split_evenly((3, 2)).iter().zip(panels) {
            panel(area, caption, lines, soak)?;
        }
        Ok(())
    })
}

fn panel(
    picture: &Picture<'_>,
    caption: &str,
    lines: &[Reading],
    soak: &Soak,
) -> Result<(), BenchError> {
    let lines: Vec<Curve> = lines
        .iter()
        .map(|(name, colour, read)| Curve {
            name,
            colour: *colour,
            points: soak
                .samples
                .iter()
                .filter_map(|sample| Some((sample.seconds, read(sample)?)))
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    let points = lines.iter().flat_map(|line| &line.points);
    let most = points.fold(0.01, |most: f64, (_, y)| most.max(*y));
    let several = lines.len() > 1;
    let mut chart = ChartBuilder::on(picture)
        .margin(10)
        .margin_right(20)
        .caption(caption, CAPTION)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0_f64..soak.seconds, 0_f64..most * 1.6)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .label_style(FONT)
        .axis_desc_style(FONT)
        .light_line_style(TRANSPARENT)
        .x_labels(7)
        .y_labels(6)
        .x_desc("seconds")
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| thousands(*value))
        .draw()
        .map_err(failed)?;
    curves(&mut chart, lines, 0)?;
    if several {
        legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    }
    Ok(())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "beside figures that may not be there"
)]
fn mebibytes(bytes: u64) -> Option<f64> {
    Some(bytes as f64 / MIB)
}

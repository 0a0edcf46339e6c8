use std::path::Path;

use plotters::style::RGBColor;

use super::{BLUE, Curve, GREEN, ORANGE, Panel, written};
use crate::error::BenchError;
use crate::soak::{Sample, Soak};

const HEIGHT: u32 = 900;
const MIB: f64 = 1_048_576.0;

/// A name, a colour, and the reader of a sample's value.
type Reading = (&'static str, RGBColor, fn(&Sample) -> Option<f64>);

/// Writes the plot of a long run.
pub(crate) fn soak(soak: &Soak, file: &Path) -> Result<(), BenchError> {
    let panels: [(&str, &'static str, &[Reading]); 6] = [
        (
            "Throughput",
            "transfers a second",
            &[("group commit", BLUE, |sample| Some(sample.throughput))],
        ),
        (
            "Latency",
            "milliseconds",
            &[
                ("p99", ORANGE, |sample| {
                    Some(sample.latency.p99 as f64 / 1e3)
                }),
                ("p50", BLUE, |sample| Some(sample.latency.p50 as f64 / 1e3)),
            ],
        ),
        (
            "Memory",
            "MiB",
            &[
                ("server", ORANGE, |sample| mebibytes(sample.server_memory?)),
                ("server without buffers", GREEN, |sample| {
                    mebibytes(sample.server_private_memory?)
                }),
                ("client", BLUE, |sample| mebibytes(sample.client_memory?)),
            ],
        ),
        (
            "Accounts",
            "MiB",
            &[
                ("table", ORANGE, |sample| mebibytes(sample.table_bytes)),
                ("indexes", BLUE, |sample| mebibytes(sample.index_bytes)),
            ],
        ),
        (
            "Dead rows of accounts, and requests waiting",
            "rows, requests",
            &[
                ("dead rows", ORANGE, |sample| Some(sample.dead_rows as f64)),
                ("waiting", BLUE, |sample| Some(sample.waiting as f64)),
            ],
        ),
        (
            "Heap-only updates of accounts",
            "%",
            &[("heap-only", BLUE, |sample| Some(sample.heap_only? * 100.0))],
        ),
    ];
    written(file, HEIGHT, |picture| {
        for (area, (caption, y_name, readings)) in picture.split_evenly((3, 2)).iter().zip(panels) {
            let panel = Panel {
                caption: caption.to_owned(),
                x_name: "seconds",
                y_name,
                x_end: soak.seconds,
                point_size: 0,
                curves: curves(readings, soak),
            };
            panel.draw(area)?;
        }
        Ok(())
    })
}

/// Returns the curves that have at least one value.
fn curves(readings: &[Reading], soak: &Soak) -> Vec<Curve> {
    readings
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
        .filter(|curve| !curve.points.is_empty())
        .collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "beside figures that may not be there"
)]
fn mebibytes(bytes: u64) -> Option<f64> {
    Some(bytes as f64 / MIB)
}

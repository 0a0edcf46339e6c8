use std::path::Path;

use super::{BLUE, Curve, ORANGE, Panel, Picture, WIDTH, written};
use crate::error::BenchError;
use crate::growth::{Growth, Size};

const HEIGHT: u32 = 380;

/// Writes the plot of cost against the length of the journal.
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
        let longest = growth.sizes.iter().map(|size| size.entries).max();
        let panel = |picture: &Picture<'_>, caption, y_name, curves| {
            let panel = Panel {
                caption,
                x_name: "entries in the journal before",
                y_name,
                x_end: longest.unwrap_or(1) as f64 * 1.05,
                point_size: 3,
                curves,
            };
            panel.draw(picture)
        };
        panel(
            &left,
            format!("Throughput, group commit, {} callers", growth.callers),
            "transfers a second",
            vec![curve("group commit", BLUE, |size| size.throughput)],
        )?;
        panel(
            &right,
            format!("A statement's page of {} entries", growth.page),
            "milliseconds",
            vec![
                curve("p99", ORANGE, |size| size.page_p99 / 1e3),
                curve("p50", BLUE, |size| size.page_p50 / 1e3),
            ],
        )
    })
}

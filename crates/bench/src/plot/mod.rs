//! Plots, as SVG with a background of their own, so that they are readable on a dark page.

mod by_size;
mod over_time;
mod rates;
mod ways;

use std::path::Path;

use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use crate::error::BenchError;

pub(crate) use by_size::growth;
pub(crate) use over_time::soak;
pub(crate) use rates::knee;
pub(crate) use ways::ways;

const WIDTH: u32 = 860;
const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const ORANGE: RGBColor = RGBColor(0xc9, 0x74, 0x1a);
const GREEN: RGBColor = RGBColor(0x2e, 0x8b, 0x57);
const GREY: RGBColor = RGBColor(0x6b, 0x72, 0x80);
const RED: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
const FONT: (&str, i32) = ("sans-serif", 14);
const CAPTION: (&str, i32) = ("sans-serif", 16);

type Picture<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A name, a colour and points.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Several curves over the same range. Both axes start at zero, so that a small change looks small.
struct Panel {
    caption: String,
    x_name: &'static str,
    y_name: &'static str,
    x_end: f64,
    point_size: u32,
    curves: Vec<Curve>,
}

impl Panel {
    fn draw(self, picture: &Picture<'_>) -> Result<(), BenchError> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let most = points.fold(0.01, |most: f64, (_, y)| most.max(*y));
        let several = self.curves.len() > 1;
        let mut chart = ChartBuilder::on(picture)
            .margin(10)
            .margin_right(20)
            .caption(&self.caption, CAPTION)
            .x_label_area_size(44)
            .y_label_area_size(66)
            // The upper third is free for the legend.
            .build_cartesian_2d(0_f64..self.x_end, 0_f64..most * 1.5)
            .map_err(failed)?;
        axes(&mut chart, self.x_name, self.y_name)
            .x_labels(6)
            .y_labels(6)
            .y_label_formatter(&|value| thousands(*value))
            .draw()
            .map_err(failed)?;
        curves(&mut chart, self.curves, self.point_size)?;
        if several {
            legend(&mut chart, SeriesLabelPosition::UpperRight)?;
        }
        Ok(())
    }
}

/// Draws both axes with their names; the caller divides them.
fn axes<'a, 'b, X, Y>(
    chart: &'b mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    x_name: &str,
    y_name: &str,
) -> MeshStyle<'a, 'b, X, Y, SVGBackend<'a>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut mesh = chart.configure_mesh();
    mesh.label_style(FONT)
        .axis_desc_style(FONT)
        .light_line_style(TRANSPARENT)
        .x_desc(x_name)
        .y_desc(y_name)
        .x_label_formatter(&|value| thousands(*value));
    mesh
}

fn curves<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    curves: Vec<Curve>,
    point_size: u32,
) -> Result<(), BenchError>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    for Curve {
        name,
        colour,
        points,
    } in curves
    {
        chart
            .draw_series(
                LineSeries::new(points, colour.stroke_width(2).filled()).point_size(point_size),
            )
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    Ok(())
}

fn legend<'a, X: Ranged, Y: Ranged>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<(), BenchError> {
    chart
        .configure_series_labels()
        .position(position)
        .label_font(FONT)
        .margin(8)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY.mix(0.4))
        .draw()
        .map_err(failed)
}

fn written(
    file: &Path,
    height: u32,
    draw: impl FnOnce(&Picture<'_>) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let mut text = String::new();
    {
        let picture = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
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

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{
    BLUE, CAPTION, FONT, GREEN, GREY, ORANGE, Picture, RED, failed, legend, thousands, written,
};
use crate::choice::Choice;
use crate::error::BenchError;
use crate::report::{Line, Report};
use crate::way::Way;

const PANEL: u32 = 330;
const PURPLE: RGBColor = RGBColor(0x7b, 0x4f, 0xa3);
const TEAL: RGBColor = RGBColor(0x1b, 0x9a, 0xaa);
const OLIVE: RGBColor = RGBColor(0x8a, 0x8d, 0x1e);
const BROWN: RGBColor = RGBColor(0x8c, 0x56, 0x3b);
const NAVY: RGBColor = RGBColor(0x1f, 0x2a, 0x60);
const PINK: RGBColor = RGBColor(0xe3, 0x77, 0xc2);
const BLACK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const SMALL: (&str, i32) = ("sans-serif", 12);
/// The margin left and right of a bar, as a fraction of the bar's room.
const GAP: f64 = 0.08;

/// Writes a bar for each line, and a panel for each distribution of accounts.
pub(crate) fn ways(report: &Report, file: &Path) -> Result<(), BenchError> {
    let mut choices: Vec<Choice> = Vec::new();
    for line in &report.lines {
        if !choices.contains(&line.choice) {
            choices.push(line.choice);
        }
    }
    let panels = choices.len().max(1);
    let height = PANEL * u32::try_from(panels).unwrap_or(1);
    written(file, height, |picture| {
        for (area, choice) in picture.split_evenly((panels, 1)).iter().zip(choices) {
            panel(area, report, choice)?;
        }
        Ok(())
    })
}

fn panel(picture: &Picture<'_>, report: &Report, choice: Choice) -> Result<(), BenchError> {
    let groups = groups(report, choice);
    // A place for each bar, and one between groups.
    let places: usize = groups.iter().map(|(_, lines)| lines.len() + 1).sum();
    let most = groups
        .iter()
        .flat_map(|(_, lines)| lines)
        .fold(1.0, |most: f64, line| most.max(line.throughput));
    let mut chart = ChartBuilder::on(picture)
        .margin(12)
        .margin_right(20)
        .caption(
            format!(
                "Transfers a second, {choice} accounts, PostgreSQL {} (× classic with as many callers)",
                report.machine.postgres
            ),
            CAPTION,
        )
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0_f64..places as f64, 0_f64..most * 1.35)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .label_style(FONT)
        .light_line_style(TRANSPARENT)
        .disable_x_mesh()
        .x_labels(0)
        .y_labels(6)
        .y_label_formatter(&|value| thousands(*value))
        .draw()
        .map_err(failed)?;
    let middle = Pos::new(HPos::Center, VPos::Bottom);
    let mut named: Vec<Way> = Vec::new();
    let mut place = 0.5;
    for (name, lines) in &groups {
        let width = lines.len() as f64;
        let (x, y) = chart.backend_coord(&(place + width / 2.0, 0.0));
        let below = FONT
            .into_text_style(picture)
            .pos(Pos::new(HPos::Center, VPos::Top));
        let corner = picture.get_base_pixel();
        picture
            .draw(&Text::new(
                name.clone(),
                (x - corner.0, y - corner.1 + 8),
                below,
            ))
            .map_err(failed)?;
        let classic = lines.iter().find(|line| line.way == Way::Classic);
        for line in lines {
            let colour = colour(line.way);
            let bar = Rectangle::new(
                [(place + GAP, 0.0), (place + 1.0 - GAP, line.throughput)],
                colour.filled(),
            );
            let drawn = chart.draw_series([bar]).map_err(failed)?;
            if !named.contains(&line.way) {
                named.push(line.way);
                drawn.label(line.way.to_string()).legend(move |(x, y)| {
                    Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
                });
            }
            let mut above = thousands(line.throughput.round());
            let ratio = classic.map(|classic| line.throughput / classic.throughput);
            if let Some(ratio) = ratio.filter(|_| line.way != Way::Classic) {
                above = format!("{ratio:.1} ×");
            }
            let style = SMALL.into_text_style(picture).pos(middle);
            let at = (place + 0.5, line.throughput + most * 0.015);
            chart
                .draw_series([Text::new(above, at, style)])
                .map_err(failed)?;
            place += 1.0;
        }
        place += 1.0;
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// Returns the lines of each number of callers, and those of bulk ways, which have one.
fn groups(report: &Report, choice: Choice) -> Vec<(String, Vec<&Line>)> {
    let mut groups: Vec<(String, Vec<&Line>)> = Vec::new();
    for line in report.lines.iter().filter(|line| line.choice == choice) {
        let name = match (line.way.is_bulk(), line.callers) {
            (true, _) => "in bulk".to_owned(),
            (false, 1) => "1 caller".to_owned(),
            (false, callers) => format!("{callers} callers"),
        };
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, lines)) => lines.push(line),
            None => groups.push((name, vec![line])),
        }
    }
    groups
}

const fn colour(way: Way) -> RGBColor {
    match way {
        Way::Classic => GREY,
        Way::Function => ORANGE,
        Way::Single => GREEN,
        Way::GroupCommit => BLUE,
        Way::Batch => RED,
        Way::Copy => PURPLE,
        Way::Holds => TEAL,
        Way::Groups => OLIVE,
        Way::Mixture => BROWN,
        Way::Service => NAVY,
        Way::ServiceBatch => PINK,
        Way::ClassicService => BLACK,
    }
}

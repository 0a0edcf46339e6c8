//! Lines over time, as SVG.

use std::fmt::Write;

pub(crate) const BLUE: &str = "#1f6fb4";
pub(crate) const GREEN: &str = "#2c8a4b";
pub(crate) const GREY: &str = "#8a8f98";
pub(crate) const ORANGE: &str = "#c9741a";
pub(crate) const RED: &str = "#c0392b";

/// Panels above each other, on one axis of time.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

pub(crate) struct Panel {
    pub(crate) label: &'static str,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) colour: &'static str,
    /// Seconds, and the value.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 34.0;
const HEIGHT: f64 = 110.0;
const GAP: f64 = 30.0;

impl Plot {
    pub(crate) fn to_svg(&self) -> String {
        let height = TOP + self.panels.len() as f64 * (HEIGHT + GAP) + 14.0;
        let last = self
            .panels
            .iter()
            .flat_map(|panel| &panel.lines)
            .flat_map(|line| &line.points)
            .fold(1.0, |last: f64, point| last.max(point.0));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"13\" fill=\"#222222\">{}</text>\n",
            escaped(&self.title)
        );
        for (place, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut svg, TOP + place as f64 * (HEIGHT + GAP), last);
        }
        // Writing to a text cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" fill=\"#555555\">seconds</text>\n</svg>",
            WIDTH - RIGHT + 8.0,
            height - 16.0
        );
        svg
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, last: f64) {
        let width = WIDTH - LEFT - RIGHT;
        let most = round_up(
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .fold(0.0, |most: f64, point| most.max(point.1)),
        );
        let x = |time: f64| LEFT + width * time / last;
        let y = |value: f64| top + HEIGHT - HEIGHT * value / most;
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"#222222\">{}</text>",
            top - 5.0,
            escaped(self.label)
        );
        for part in 0..=2 {
            let value = most * f64::from(part) / 2.0;
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#dddddd\"/>\
                 <text x=\"{2:.0}\" y=\"{3:.1}\" text-anchor=\"end\" fill=\"#555555\">{value}</text>",
                LEFT + width,
                y(value),
                LEFT - 6.0,
                y(value) + 4.0
            );
        }
        let step = round_up(last / 8.0);
        let mut time = 0.0;
        while time <= last {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">{time}</text>",
                x(time),
                top + HEIGHT + 14.0
            );
            time += step;
        }
        for (place, line) in self.lines.iter().enumerate() {
            let points: Vec<String> = line
                .points
                .iter()
                .map(|(time, value)| format!("{:.1},{:.1}", x(*time), y(*value)))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{0}\" stroke-width=\"1.5\" points=\"{1}\"/>\
                 <text x=\"{2:.0}\" y=\"{3:.0}\" fill=\"{0}\">{4}</text>",
                line.colour,
                points.join(" "),
                WIDTH - RIGHT + 8.0,
                top + 12.0 + 15.0 * place as f64,
                escaped(line.name)
            );
        }
    }
}

/// Returns 1, 2 or 5 times a power of ten, not less than the number.
fn round_up(number: f64) -> f64 {
    let mut unit = 1e-3;
    while unit < 1e9 {
        for factor in [1.0, 2.0, 5.0] {
            if unit * factor >= number {
                return unit * factor;
            }
        }
        unit *= 10.0;
    }
    number
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

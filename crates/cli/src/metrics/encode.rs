//! Parts as metrics, in the text format of OpenMetrics, which Prometheus reads.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::commands::ops::Part;
use crate::nagios::{Severity, Unit};

type Labels = Vec<(&'static str, String)>;
type FloatGauge = Gauge<f64, AtomicU64>;

/// A format in which figures can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' text format 0.0.4, which every scraper reads.
    Text,
    /// OpenMetrics 1.0.0, for clients that ask for it.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header prefers; the text format where it names neither.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        let quality = |wanted: &str| {
            let ranges = accept.unwrap_or_default().split(',');
            ranges
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
                    let weight = parts
                        .find_map(|part| part.strip_prefix("q="))
                        .map_or(Some(1.0), |weight| weight.parse::<f64>().ok());
                    is_wanted.then_some(weight).flatten()
                })
                .fold(0.0, f64::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Its name in an answer.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A text of OpenMetrics in this format. In the text format 0.0.4 a counter's family has the name of its sample, and
    /// there is no end mark and no unit.
    pub(super) fn of_open_metrics(self, text: String) -> String {
        if self == Self::OpenMetrics {
            return text;
        }
        let counters: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .map(str::to_owned)
            .collect();
        let mut plain = String::with_capacity(text.len());
        for line in text.lines() {
            let renamed = ["# HELP ", "# TYPE "].into_iter().find_map(|start| {
                let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
                let is_counter = counters.iter().any(|counter| counter == name);
                is_counter.then(|| format!("{start}{name}_total {rest}"))
            });
            if line == "# EOF" || line.starts_with("# UNIT ") {
                continue;
            }
            plain.push_str(renamed.as_deref().unwrap_or(line));
            plain.push('\n');
        }
        plain
    }
}

/// How the scrapes went so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrapes {
    pub(super) total: Counter,
    pub(super) failed: Counter,
}

/// The text of one scrape. Without parts, the database could not be asked: `neobank_up` is 0 and the rest is missing, so
/// that no old figure is taken for a new one.
pub(super) fn text(
    parts: Option<&[Part]>,
    scrapes: &Scrapes,
    took: Duration,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("neobank");
    register(
        &mut registry,
        "up",
        "1 when the database answered",
        f64::from(u8::from(parts.is_some())),
    );
    register(
        &mut registry,
        "scrape_duration_seconds",
        "How long gathering took",
        took.as_secs_f64(),
    );
    registry.register("scrapes", "Scrapes so far", scrapes.total.clone());
    registry.register(
        "scrape_failures",
        "Scrapes in which the database could not be asked, or not in time",
        scrapes.failed.clone(),
    );
    let parts = parts.unwrap_or_default();
    states(&mut registry, parts);
    for part in parts {
        for measure in &part.check.measures {
            let name = format!("{}_{}{}", part.name, measure.label, suffix(measure.unit));
            register(&mut registry, &name, part.title, measure.value);
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn states(registry: &mut Registry, parts: &[Part]) {
    let available = Family::<Labels, FloatGauge>::default();
    let state = Family::<Labels, FloatGauge>::default();
    for part in parts {
        let labels = vec![("section", part.name.to_owned())];
        let is_there = f64::from(u8::from(part.is_available()));
        available.get_or_create(&labels).set(is_there);
        let code = match part.check.severity() {
            Severity::Ok => 0.0,
            Severity::Warning => 1.0,
            Severity::Critical => 2.0,
            Severity::Unknown => 3.0,
        };
        state.get_or_create(&labels).set(code);
    }
    registry.register(
        "section_available",
        "1 when the section could be filled",
        available,
    );
    registry.register(
        "section_state",
        "0 ok, 1 warning, 2 critical, 3 unknown",
        state,
    );
}

fn register(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = FloatGauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

const fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "",
        Unit::Percent => "_percent",
        Unit::Seconds => "_seconds",
    }
}

#[cfg(test)]
mod tests {
    use neobank_ops::{Cause, Section};

    use super::*;
    use crate::nagios::{Check, Measure, Range};

    fn part(name: &'static str, value: f64) -> Part {
        let measure =
            Measure::new("longest_wait", value, Unit::Seconds).limits(Some(Range::from(1.0)), None);
        Part {
            name,
            title: "Locks",
            data: serde_json::Value::Null,
            blocks: Vec::new(),
            charts: Vec::new(),
            check: Check::new(name, "", vec![measure]),
        }
    }

    #[test]
    fn figures_and_states() {
        let missing = Section::<u8>::not_available(Cause::Missing, "not installed");
        let parts = [
            part("locks", 2.5),
            Part::of("bloat", "Bloat", &missing, |_| unreachable!()),
        ];
        let text = text(Some(&parts), &Scrapes::default(), Duration::from_millis(20)).unwrap();
        for line in [
            "neobank_up 1.0",
            "neobank_locks_longest_wait_seconds 2.5",
            "neobank_section_state{section=\"locks\"} 1.0",
            "neobank_section_state{section=\"bloat\"} 3.0",
            "neobank_section_available{section=\"bloat\"} 0.0",
            "neobank_scrapes_total 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_database_that_is_down_leaves_no_old_figures() {
        let text = text(None, &Scrapes::default(), Duration::ZERO).unwrap();
        assert!(text.contains("neobank_up 0.0"), "{text}");
        assert!(!text.contains("locks"), "{text}");
    }

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        for (accept, format) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain; version=0.0.4"), Format::Text),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;\
                     q=0.5,*/*;q=0.1",
                ),
                Format::OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;q=0.2, text/plain;q=0.9"),
                Format::Text,
            ),
            (Some("application/openmetrics-text;q=0"), Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn the_text_format_names_a_counter_as_its_sample() {
        let text = text(None, &Scrapes::default(), Duration::ZERO).unwrap();
        let plain = Format::Text.of_open_metrics(text);
        assert!(
            plain.contains("# TYPE neobank_scrapes_total counter\n"),
            "{plain}"
        );
        assert!(plain.contains("# TYPE neobank_up gauge\n"), "{plain}");
        assert!(!plain.contains("# EOF"), "{plain}");
    }
}

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

/// What the format is called in an answer.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
            is_absent: false,
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
}

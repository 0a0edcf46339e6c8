//! The report: one HTML file without scripts.

use std::fmt::Write;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::clock;
use super::fleet::Way;
use super::round::{Ended, Verdict};
use super::run::OfVersion;
use super::timeline::{INTERVAL, Timeline};

const STYLE: &str = include_str!("report.css");

/// The height of a chart, in pixels.
const HEIGHT: f64 = 120.0;
/// The space for the names of the faults below a chart.
const NAMES: f64 = 150.0;
/// The width of a second.
const SECOND: f64 = 9.0;

/// The seed, the load and the results of a run.
pub(crate) struct About<'a> {
    pub(crate) seed: u64,
    pub(crate) callers: u32,
    pub(crate) processes: u32,
    pub(crate) faults: usize,
    pub(crate) results: &'a [OfVersion],
}

/// Returns the report as a text.
pub(crate) fn render(about: &About<'_>) -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let rounds = || about.results.iter().flat_map(|result| &result.rounds);
    let sum = |of: fn(&Ended) -> usize| rounds().map(of).sum::<usize>();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "NeoBank: faults under load" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "NeoBank: faults under load" }
                p {
                    "Processes of a load send every kind of request, directly and through PgBouncer, while "
                    (about.faults) " faults are injected one after the other. Each process writes down what it "
                    "sends and what it is answered. After each fault a checker holds these histories against "
                    "the books."
                }
                dl {
                    (fact("acknowledged", &sum(|ended| ended.judgement.acknowledged)))
                    (fact("lost", &sum(|ended| ended.lost())))
                    (fact("twice", &sum(|ended| ended.judgement.twice)))
                    (fact("phantom", &sum(|ended| ended.judgement.phantom)))
                    (fact("rounds", &rounds().count()))
                    (fact("kept", &rounds().filter(|ended| ended.verdict == Verdict::Kept).count()))
                    (fact("not possible here", &rounds().filter(|ended| matches!(ended.verdict, Verdict::NotPossible(_))).count()))
                    (fact("seed", &about.seed))
                    (fact("processors", &processors))
                    (fact("processes × callers", &format!("{} × {}", 2 * about.processes, about.callers)))
                }
                @for result in about.results {
                    h2 { "PostgreSQL " (result.version) }
                    (charts(result))
                }
                h2 { "Verdicts" }
                (verdicts(about.results))
            }
        }
    }
    .into_string()
}

fn fact(name: &str, value: &impl std::fmt::Display) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn verdicts(results: &[OfVersion]) -> Markup {
    let mut names: Vec<&Ended> = Vec::new();
    for ended in results.iter().flat_map(|result| &result.rounds) {
        if !names.iter().any(|known| known.fault == ended.fault) {
            names.push(ended);
        }
    }
    names.sort_by_key(|ended| (ended.family, ended.fault));
    html! {
        table {
            thead {
                tr {
                    th { "Fault" } th { "Must hold" }
                    @for result in results { th { "PostgreSQL " (result.version) } }
                }
            }
            tbody {
                @for one in names {
                    tr {
                        td { strong { (one.fault) } br; (one.what) }
                        td data-label="Must hold: " { (one.holds) }
                        @for result in results { (cell(result, one.fault)) }
                    }
                }
            }
        }
    }
}

/// The cell of a fault and a version: the worst of its rounds.
fn cell(result: &OfVersion, fault: &str) -> Markup {
    let rounds = || result.rounds.iter().filter(|ended| ended.fault == fault);
    let Some(worst) = rounds().max_by_key(|ended| badness(&ended.verdict)) else {
        return html! { td { "no time" } };
    };
    let (class, word, more) = words(&worst.verdict);
    html! {
        td data-label=(format!("PostgreSQL {}: ", result.version)) {
            span class=(class) { (word) }
            @if rounds().count() > 1 { " (" (rounds().count()) " rounds)" }
            br;
            small {
                (rounds().map(|ended| ended.judgement.acknowledged).sum::<usize>()) " acknowledged, "
                (rounds().map(|ended| ended.unknown).sum::<u64>()) " first of unknown outcome"
                @if let Some(service) = worst.service { ", back in " (format!("{service:.1}")) " s" }
                ", longest call " (format!("{:.1}", worst.longest)) " s"
                @if worst.judgement.lost > 0 { ", " (worst.judgement.lost) " lost" }
            }
            @for line in more.iter().take(5) { br; small class="reason" { (line) } }
        }
    }
}

const fn badness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::NotPossible(_) => 0,
        Verdict::Kept => 1,
        Verdict::NoTime => 0,
        Verdict::Late(_) => 2,
        Verdict::Failed(_) => 3,
        Verdict::Violated(_) => 4,
    }
}

fn words(verdict: &Verdict) -> (&'static str, &'static str, Vec<String>) {
    match verdict {
        Verdict::Kept => ("good", "kept", Vec::new()),
        Verdict::NotPossible(reason) => ("none", "not possible", vec![reason.clone()]),
        Verdict::NoTime => ("none", "no time", Vec::new()),
        Verdict::Late(Some(seconds)) => ("bad", "late", vec![format!("back after {seconds:.1} s")]),
        Verdict::Late(None) => ("bad", "late", vec!["never back".to_owned()]),
        Verdict::Failed(reason) => ("bad", "failed", vec![reason.clone()]),
        Verdict::Violated(violations) => ("bad", "violated", violations.clone()),
    }
}

/// Throughput, and the longest call, over time; one after the other for each server that was set up.
fn charts(result: &OfVersion) -> Markup {
    html! {
        @for (processes, rounds) in &result.parts {
            @let direct = Timeline::of(Way::Direct, processes);
            @let pooled = Timeline::of(Way::Pooled, processes);
            @let rounds = result.rounds.get(rounds.clone()).unwrap_or_default();
            div.chart tabindex="0" {
                (chart(&direct, &pooled, rounds, false))
                (chart(&direct, &pooled, rounds, true))
            }
        }
        p.legend {
            span.direct { "direct" } " " span.pooled { "through PgBouncer" } " " span.fault { "a fault" }
        }
    }
}

fn chart(direct: &Timeline, pooled: &Timeline, rounds: &[Ended], of_latency: bool) -> Markup {
    let value = |timeline: &Timeline, index: usize| -> f64 {
        timeline.intervals.get(index).map_or(0.0, |interval| {
            if of_latency {
                clock::seconds_between(0, interval.longest)
            } else {
                let count = u32::try_from(interval.acknowledged).unwrap_or(u32::MAX);
                f64::from(count) / clock::seconds_between(0, INTERVAL)
            }
        })
    };
    let count = direct.intervals.len().max(pooled.intervals.len());
    let most = (0..count)
        .flat_map(|index| [value(direct, index), value(pooled, index)])
        .fold(1.0, f64::max);
    let x = |time: u64| 40.0 + clock::seconds_between(direct.begins, time) * SECOND;
    let width = x(direct.begins + INTERVAL * count as u64) + 10.0;
    let y = |value: f64| 10.0 + HEIGHT * (1.0 - value / most);
    let line = |timeline: &Timeline| {
        let mut points = String::new();
        for index in 0..timeline.intervals.len() {
            let time = timeline.begins + INTERVAL * index as u64;
            let _ = write!(points, "{:.1},{:.1} ", x(time), y(value(timeline, index)));
        }
        points
    };
    let (title, unit) = if of_latency {
        ("the longest call of each quarter of a second", "s")
    } else {
        ("acknowledged requests a second", "/s")
    };
    let height = HEIGHT + 20.0 + if of_latency { NAMES } else { 0.0 };
    html! {
        svg width=(format!("{width:.0}")) height=(format!("{height:.0}")) role="img" {
            title { (title) }
            @for ended in rounds {
                @let from = x(ended.from);
                rect.fault x=(format!("{from:.1}")) y="10" height=(format!("{HEIGHT:.0}"))
                    width=(format!("{:.1}", (x(ended.until) - from).max(1.0))) {
                    title { (ended.fault) ": " (ended.what) }
                }
                @if of_latency {
                    text transform=(format!("translate({from:.1},{:.0}) rotate(70)", HEIGHT + 22.0)) { (ended.fault) }
                }
            }
            text x="2" y="18" { (format!("{most:.0}")) (unit) }
            text x="2" y=(format!("{:.0}", HEIGHT + 10.0)) { "0" }
            polyline.direct points=(line(direct)) {}
            polyline.pooled points=(line(pooled)) {}
            text.title x="44" y="22" { (title) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::judge::Judgement;
    use crate::bench::worker::Status;

    #[test]
    fn report_names_each_fault_with_its_verdict_and_escapes_texts() {
        let ended = Ended {
            fault: "server-killed",
            family: "server",
            holds: "service within 5 s afterwards",
            what: "The server is killed.",
            verdict: Verdict::Violated(vec!["<lost>".to_owned()]),
            judgement: Judgement::default(),
            service: Some(0.4),
            longest: 1.0,
            unknown: 3,
            is_loss_declared: false,
            errors: Vec::new(),
            from: 1_000_000,
            until: 1_500_000,
        };
        let status = Status {
            at: 900_000,
            done: 5,
            ..Status::default()
        };
        let results = [OfVersion {
            version: 18,
            rounds: vec![ended],
            parts: vec![(vec![(Way::Direct, vec![status])], 0..1)],
        }];
        let text = render(&About {
            seed: 7,
            callers: 8,
            processes: 1,
            faults: 1,
            results: &results,
        });
        for part in [
            "PostgreSQL 18",
            "server-killed",
            "violated",
            "&lt;lost&gt;",
            "<polyline",
            "seed",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<lost>") && !text.contains("<script"));
    }
}

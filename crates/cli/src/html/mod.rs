//! A self-contained HTML page, without external scripts, fonts or images.

mod blocks;
mod chart;
mod style;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{DOCTYPE, Markup, html};
use neobank_ops::checks::Severity;

use crate::commands::ops::SubjectView;
use crate::output::{Block, printable};

/// The database of the page.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) database: String,
    pub(crate) host: String,
    pub(crate) server_version: String,
    pub(crate) generated_at: DateTime<Utc>,
}

/// Renders the page. Every text of the database is escaped, and the page may load nothing, so that
/// a text cannot execute.
pub(crate) fn page(about: &About, views: &[SubjectView]) -> String {
    let title = format!("NeoBank: {}", printable(&about.database));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (maud::PreEscaped(style::STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p {
                        "PostgreSQL " (printable(&about.server_version)) " on " (printable(&about.host)) ", "
                        time { (about.generated_at.to_rfc3339_opts(SecondsFormat::Secs, true)) }
                    }
                    nav aria-label="Sections" {
                        @for view in views {
                            a href=(format!("#{}", view.subject.name())) { (badge(view)) " " (view.subject.title()) }
                        }
                    }
                }
                main {
                    (attention(views))
                    @for view in views { (section(view)) }
                }
            }
        }
    }
    .into_string()
}

/// Lists the subjects that need attention, the worst first, at the top of the page.
fn attention(views: &[SubjectView]) -> Markup {
    let of = |severity| {
        let with = move |view: &&SubjectView| view.verdict.severity == severity;
        views.iter().filter(with)
    };
    let urgent: Vec<_> = of(Severity::Critical)
        .chain(of(Severity::Warning))
        .chain(of(Severity::Unknown))
        .collect();
    html! {
        section id="attention" {
            h2 { "Subjects that need attention" }
            @if urgent.is_empty() { p { "Nothing." } }
            @for view in urgent {
                p {
                    (badge(view)) " " a href=(format!("#{}", view.subject.name())) { (view.subject.title()) } ": "
                    @match view.unknown() {
                        Some(reason) if view.verdict.severity == Severity::Unknown => (printable(&reason)),
                        _ => (printable(&view.verdict.message)),
                    }
                }
            }
        }
    }
}

fn section(view: &SubjectView) -> Markup {
    html! {
        section id=(view.subject.name()) {
            h2 { (view.subject.title()) " " (badge(view)) }
            // A note before it says the same in other words.
            @if view.unknown().is_none() && !matches!(view.blocks.first(), Some(Block::Note(_))) {
                p { (printable(&view.verdict.message)) }
            }
            @if !view.charts.is_empty() {
                div class="charts" { @for chart in &view.charts { (chart::chart(chart)) } }
            }
            @for block in &view.blocks { (blocks::block(block)) }
        }
    }
}

/// A word beside the colour, for readers who do not see colours.
fn badge(view: &SubjectView) -> Markup {
    let (class, word) = match view.verdict.severity {
        Severity::Ok => ("good", "ok"),
        Severity::Warning => ("warning", "warning"),
        Severity::Critical => ("bad", "critical"),
        Severity::Unknown => ("unknown", "n/a"),
    };
    html! { span class=(format!("badge {class}")) { (word) } }
}

#[cfg(test)]
mod tests {
    use neobank_ops::checks::{
        Gap, Metric, SectionVerdict, Severity, Subject, Threshold, Unit, Verdict,
    };
    use neobank_ops::{Cause, Section};

    use super::*;
    use crate::commands::ops::{Bar, Chart};
    use crate::output::{Style, Table, cell};

    const HOSTILE: &str = "</td><script>alert(1)</script>\" onload='x' & \u{202e}";

    static WAITS: Metric = Metric::new("waits", Unit::Count, "waits", "Waits.");

    /// Builds the verdict on a subject of one section.
    fn verdict(subject: Subject, message: &str, value: f64) -> Verdict {
        let measurement = WAITS
            .of(value)
            .warning(Threshold::above(1.0))
            .critical(Threshold::above(2.0));
        let (name, title) = (subject.name(), subject.title());
        let section = SectionVerdict::new(name, title, message, vec![measurement]);
        Verdict::new(subject, vec![section])
    }

    fn hostile_view() -> SubjectView {
        let mut table = Table::new(&["Name", ">Amount"], "none");
        table.row([cell(HOSTILE), cell("1").style(Style::Bad)]);
        SubjectView {
            subject: Subject::Locks,
            data: serde_json::Value::Null,
            blocks: vec![
                Block::Table(table),
                Block::Note(HOSTILE.to_owned()),
                Block::Text(HOSTILE.to_owned()),
                Block::Fields(vec![("field", cell(HOSTILE))]),
                Block::Title(HOSTILE.to_owned()),
            ],
            charts: vec![Chart {
                title: HOSTILE.to_owned(),
                unit: "s",
                end: None,
                bars: vec![
                    Bar {
                        label: HOSTILE.to_owned(),
                        value: 3.0,
                        style: Style::Warning,
                    },
                    Bar {
                        label: "none".to_owned(),
                        value: f64::NAN,
                        style: Style::Plain,
                    },
                    Bar {
                        label: "far".to_owned(),
                        value: f64::INFINITY,
                        style: Style::Plain,
                    },
                ],
            }],
            verdict: verdict(Subject::Locks, HOSTILE, 0.0),
        }
    }

    fn about() -> About {
        About {
            database: HOSTILE.to_owned(),
            host: HOSTILE.to_owned(),
            server_version: "18.1".to_owned(),
            generated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn subjects_that_need_attention_come_first_by_severity() {
        let with = |subject: Subject, value: f64| SubjectView {
            subject,
            verdict: verdict(subject, "the message", value),
            ..hostile_view()
        };
        let section = SectionVerdict::new("cache", "Cache", "the message", Vec::new());
        let gap = Gap::untracked(7);
        let mut dark = with(Subject::Cache, 0.0);
        dark.verdict = Verdict::new(Subject::Cache, vec![section.with_gap(gap)]);
        let views = [
            dark,
            with(Subject::Idle, 0.0),
            with(Subject::Indexes, 1.5),
            with(Subject::Locks, 5.0),
        ];
        assert_eq!(views[0].verdict.severity, Severity::Unknown);
        let page = page(&about(), &views);
        let start = page.find("Subjects that need attention").unwrap();
        let listed = page[start..].split("</section>").next().unwrap();
        let place = |text: &str| listed.find(text).unwrap();
        assert!(
            place("#locks") < place("#indexes")
                && place("#indexes") < place("the activity of 7 sessions"),
            "{listed}"
        );
        assert!(!listed.contains("#idle"), "{listed}");
    }

    #[test]
    fn texts_of_the_database_are_escaped() {
        let page = page(&about(), &[hostile_view()]);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("onload='x' & "), "{page}");
        assert!(!page.contains('\u{202e}'), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = page(&about(), &[hostile_view()]);
        for outside in ["http://", "https://", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("name=\"viewport\""));
    }

    #[test]
    fn unavailable_section_shows_the_reason() {
        let section = Section::<Vec<u8>>::not_available(
            Cause::InsufficientPrivilege,
            "permission denied for <view>",
        );
        let reason = section.reason().unwrap().clone();
        let section = SectionVerdict::not_available("cache", "Buffer cache", reason.clone());
        let view = SubjectView {
            blocks: vec![Block::Note(format!("n/a: {reason}"))],
            verdict: Verdict::new(Subject::Cache, vec![section]),
            ..hostile_view()
        };
        let page = page(&about(), &[view]);
        assert!(
            page.contains("n/a: permission denied for &lt;view&gt;"),
            "{page}"
        );
        assert!(page.contains("badge unknown"), "{page}");
    }
}

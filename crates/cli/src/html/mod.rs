//! One page of HTML that needs nothing else: no script, no font, no picture from anywhere.

mod blocks;
mod chart;
mod style;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{DOCTYPE, Markup, html};

use crate::commands::ops::Part;
use crate::nagios::Severity;
use crate::output::{Block, printable};

/// What the page is about.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) database: String,
    pub(crate) host: String,
    pub(crate) server_version: String,
    pub(crate) generated_at: DateTime<Utc>,
}

/// The page. Whatever comes from the database is escaped, and the page may load nothing, so that it cannot do anything.
pub(crate) fn page(about: &About, parts: &[Part]) -> String {
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
                        @for part in parts {
                            a href=(format!("#{}", part.name)) { (badge(part)) " " (part.title) }
                        }
                    }
                }
                main {
                    (verdict(parts))
                    @for part in parts { (section(part)) }
                }
            }
        }
    }
    .into_string()
}

/// What needs attention, the worst first, before anything has to be read.
fn verdict(parts: &[Part]) -> Markup {
    let of = |severity| {
        let with = move |part: &&Part| part.check.severity() == severity;
        parts.iter().filter(with)
    };
    let urgent: Vec<_> = of(Severity::Critical)
        .chain(of(Severity::Warning))
        .chain(of(Severity::Unknown))
        .collect();
    html! {
        section id="attention" {
            h2 { "What needs attention" }
            @if urgent.is_empty() { p { "Nothing." } }
            @for part in urgent {
                p {
                    (badge(part)) " " a href=(format!("#{}", part.name)) { (part.title) } ": "
                    @match &part.check.unknown {
                        Some(reason) if part.check.severity() == Severity::Unknown => (printable(reason)),
                        _ => (printable(&part.check.summary)),
                    }
                }
            }
        }
    }
}

fn section(part: &Part) -> Markup {
    html! {
        section id=(part.name) {
            h2 { (part.title) " " (badge(part)) }
            // A note in front says the same in other words.
            @if part.is_available() && !matches!(part.blocks.first(), Some(Block::Note(_))) {
                p { (printable(&part.check.summary)) }
            }
            @if !part.charts.is_empty() {
                div class="charts" { @for chart in &part.charts { (chart::chart(chart)) } }
            }
            @for block in &part.blocks { (blocks::block(block)) }
        }
    }
}

/// A word, so that nobody has to see its colour.
fn badge(part: &Part) -> Markup {
    let (class, word) = match part.check.severity() {
        Severity::Ok => ("good", "ok"),
        Severity::Warning => ("warning", "warning"),
        Severity::Critical => ("bad", "critical"),
        Severity::Unknown => ("unknown", "n/a"),
    };
    html! { span class=(format!("badge {class}")) { (word) } }
}

#[cfg(test)]
mod tests {
    use neobank_ops::{Cause, Section};

    use super::*;
    use crate::commands::ops::{Bar, Chart};
    use crate::nagios::{Check, Measure, Range, Unit};
    use crate::output::{Mood, Table, cell};

    const HOSTILE: &str = "</td><script>alert(1)</script>\" onload='x' & \u{202e}";

    fn hostile_part() -> Part {
        let mut table = Table::new(&["Name", ">Amount"], "none");
        table.row([cell(HOSTILE), cell("1").mood(Mood::Bad)]);
        Part {
            is_absent: false,
            name: "locks",
            title: "Locks",
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
                        mood: Mood::Warning,
                    },
                    Bar {
                        label: "none".to_owned(),
                        value: f64::NAN,
                        mood: Mood::Plain,
                    },
                    Bar {
                        label: "far".to_owned(),
                        value: f64::INFINITY,
                        mood: Mood::Plain,
                    },
                ],
            }],
            check: Check::new("locks", HOSTILE, Vec::new()),
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
    fn what_needs_attention_is_told_first() {
        let with = |name: &'static str, title: &'static str, value: f64| {
            let mut part = hostile_part();
            (part.name, part.title) = (name, title);
            let limit = |text: &str| text.parse::<Range>().ok();
            let measure = Measure::new("waits", value, Unit::Count).limits(limit("1"), limit("2"));
            part.check = Check::new(name, "the summary", vec![measure]);
            part
        };
        let mut dark = with("dark", "Dark", 0.0);
        dark.check.unknown = Some("nobody may look".to_owned());
        let parts = [
            dark,
            with("calm", "Calm", 0.0),
            with("warm", "Warm", 1.5),
            with("hot", "Hot", 5.0),
        ];
        let page = page(&about(), &parts);
        let start = page.find("What needs attention").unwrap();
        let told = page[start..].split("</section>").next().unwrap();
        let (hot, warm) = (told.find("#hot").unwrap(), told.find("#warm").unwrap());
        let dark = told.find("nobody may look").unwrap();
        assert!(
            hot < warm && warm < dark && !told.contains("#calm"),
            "{told}"
        );
    }

    #[test]
    fn whatever_comes_from_the_database_is_text() {
        let page = page(&about(), &[hostile_part()]);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("onload='x' & "), "{page}");
        assert!(!page.contains('\u{202e}'), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        let page = page(&about(), &[hostile_part()]);
        for outside in ["http://", "https://", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("name=\"viewport\""));
    }

    #[test]
    fn what_is_missing_says_why() {
        let section = Section::<Vec<u8>>::not_available(
            Cause::InsufficientPrivilege,
            "permission denied for <view>",
        );
        let part = Part::of("bloat", "Bloat", &section, |_| unreachable!());
        let page = page(&about(), &[part]);
        assert!(
            page.contains("n/a: permission denied for &lt;view&gt;"),
            "{page}"
        );
        assert!(page.contains("badge unknown"), "{page}");
    }
}

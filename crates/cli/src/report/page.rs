//! A report as one page that needs nothing else: no script, no font, no image from elsewhere.
//!
//! `maud` escapes every text that is put in; what is from the database is one line besides, without characters that
//! change its direction.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use neobank_ops::Section;

use super::model::{Answer, Bar, Part, Report};
use crate::text::one_line;

/// No source is allowed but the page's own styles: a second lock behind the escaping.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Characters of a cell.
const CELL_LENGTH_MAX: usize = 300;

pub(super) fn page(report: &Report) -> String {
    let verdicts = report.verdicts();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "NeoBank: " (one_line(&report.server)) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    h1 { "NeoBank database report" }
                    p { (one_line(&report.server)) " · " (report.made_at.format("%Y-%m-%d %H:%M:%S")) " UTC" }
                }
                section.verdict {
                    h2 { "What needs attention" }
                    @if verdicts.is_empty() {
                        p.good { "Nothing, as far as could be asked." }
                    } @else {
                        ul {
                            @for (part, finding) in &verdicts {
                                li class=(finding.tone.name()) {
                                    a href={ "#" (part.anchor) } { (part.title) } ": " (one_line(&finding.text))
                                }
                            }
                        }
                    }
                    (unanswered(report))
                }
                nav { @for part in &report.parts { a href={ "#" (part.anchor) } { (part.title) } " " } }
                @for part in &report.parts { (section(part)) }
                footer { "Made by neobank report. Statements are shown as the server has them, with their values." }
            }
        }
    }
    .into_string()
}

fn unanswered(report: &Report) -> Markup {
    let missing: Vec<_> = report
        .parts
        .iter()
        .filter(|part| part.answer.reason().is_some())
        .collect();
    html! {
        @if !missing.is_empty() {
            p.missing {
                "Not answered: "
                @for part in missing { a href={ "#" (part.anchor) } { (part.title) } " " }
            }
        }
    }
}

fn section(part: &Part) -> Markup {
    html! {
        section id=(part.anchor) {
            h2 { (part.title) }
            p.about { (part.about) }
            @match &part.answer {
                Section::Available { value } => (answer(value)),
                Section::NotAvailable { reason } => p.missing { "n/a: " (one_line(&reason.detail)) },
            }
        }
    }
}

fn answer(answer: &Answer) -> Markup {
    html! {
        @for finding in &answer.findings {
            p class={ "finding " (finding.tone.name()) } { (one_line(&finding.text)) }
        }
        @if !answer.bars.is_empty() { (chart(&answer.bars)) }
        @if answer.rows.is_empty() {
            @if answer.findings.is_empty() { p.quiet { "None." } }
        } @else {
            div.scroll {
                table {
                    thead { tr { @for heading in &answer.headings { th { (heading) } } } }
                    tbody {
                        @for row in &answer.rows {
                            tr { @for value in row { (cell(value)) } }
                        }
                    }
                }
            }
        }
        @if answer.rows_left_out > 0 { p.quiet { (answer.rows_left_out) " more are left out." } }
    }
}

fn cell(text: &str) -> Markup {
    let line = one_line(text);
    let is_long = line.chars().count() > CELL_LENGTH_MAX;
    let is_number = line.starts_with(|first: char| first.is_ascii_digit()) && line.len() < 12;
    html! {
        td class=(if is_number { "number" } else if line.len() > 60 { "wide" } else { "" }) {
            @if is_long {
                (line.chars().take(CELL_LENGTH_MAX).collect::<String>()) "…"
            } @else { (line) }
        }
    }
}

/// Bars below each other, each under its label. Widths are shares of the page, so that letters keep their size on a phone.
fn chart(bars: &[Bar]) -> Markup {
    let longest = bars
        .iter()
        .map(|bar| bar.value)
        .max()
        .unwrap_or_default()
        .max(1);
    html! {
        svg role="img" width="100%" height=(bars.len() * BAR_HEIGHT) {
            title { "Bars: " @for bar in bars { (one_line(&bar.label)) " " (bar.shown) "; " } }
            @for (number, bar) in bars.iter().enumerate() {
                text x="0" y=(number * BAR_HEIGHT + 14) { (short(&bar.label)) }
                text x="100%" y=(number * BAR_HEIGHT + 14) text-anchor="end" { (one_line(&bar.shown)) }
                rect.track x="0" y=(number * BAR_HEIGHT + 19) width="100%" height="9" rx="2" {}
                rect class=(bar.tone.name()) x="0" y=(number * BAR_HEIGHT + 19) rx="2" height="9"
                    width={ (permille(bar.value, longest) / 10) "." (permille(bar.value, longest) % 10) "%" } {}
            }
        }
    }
}

const BAR_HEIGHT: usize = 36;
const LABEL_LENGTH_MAX: usize = 34;

fn short(label: &str) -> String {
    let label = one_line(label);
    if label.chars().count() <= LABEL_LENGTH_MAX {
        return label;
    }
    let start: String = label.chars().take(LABEL_LENGTH_MAX - 1).collect();
    format!("{start}…")
}

fn permille(value: u64, longest: u64) -> u128 {
    u128::from(value) * 1_000 / u128::from(longest.max(1))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use neobank_ops::Cause;

    use super::*;
    use crate::report::model::Tone;

    const HOSTILE: &str =
        "</script><script>alert(1)</script><img src=x onerror=\"alert('1')\">&\u{202e}\u{1b}[2J";

    fn report() -> Report {
        let bar = |tone, value| Bar {
            label: HOSTILE.to_owned(),
            value,
            shown: HOSTILE.to_owned(),
            tone,
        };
        let answer = Answer::table(
            vec!["table", "bytes"],
            vec![vec![HOSTILE.to_owned(), "12".to_owned()]; 60],
        )
        .with(Tone::Warning, HOSTILE.to_owned())
        .with(Tone::Critical, "worse".to_owned())
        .with_bars([bar(Tone::Plain, u64::MAX), bar(Tone::Good, 0)]);
        let part = |anchor, answer| Part {
            anchor,
            title: "Part",
            about: "About.",
            answer,
        };
        Report {
            server: HOSTILE.to_owned(),
            made_at: DateTime::UNIX_EPOCH,
            parts: vec![
                part("one", Section::available(answer)),
                part(
                    "two",
                    Section::not_available(Cause::InsufficientPrivilege, HOSTILE),
                ),
                part("three", Section::available(Answer::default())),
            ],
        }
    }

    #[test]
    fn hostile_names_stay_texts() {
        let page = page(&report());
        for bad in ["<script", "</script", "<img", "\u{202e}", "\u{1b}"] {
            assert!(!page.contains(bad), "{bad:?}");
        }
        // Wherever the text stands, its quotes cannot end an attribute.
        let escaped = page.matches("&lt;script&gt;alert(1)&lt;/script").count();
        assert_eq!(page.matches("alert(1)").count(), escaped);
        assert!(page.contains("onerror=&quot;alert('1')&quot;"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let page = page(&report());
        let bare = page.replace(HOSTILE, "");
        for bad in [
            " src=", "url(", "@import", "http://", "https://", "<link", "<iframe",
        ] {
            assert!(!bare.replace("&lt;img src=x", "").contains(bad), "{bad}");
        }
        assert!(
            page.contains("default-src 'none'") || page.contains("default-src &#39;none&#39;"),
            "{page}"
        );
    }

    #[test]
    fn what_needs_attention_is_first_and_what_is_missing_says_why() {
        let page = page(&report());
        let (worse, warning) = (page.find("worse").unwrap(), page.find("alert(1)").unwrap());
        assert!(warning < worse, "the title has the server's name");
        let verdicts: Vec<_> = report()
            .verdicts()
            .iter()
            .map(|(_, finding)| finding.tone)
            .collect();
        assert_eq!(verdicts, [Tone::Critical, Tone::Warning]);
        assert!(page.contains("n/a: &lt;/script&gt;"));
        assert!(page.contains("10 more are left out."));
        assert!(page.contains("None."));
        assert!(page.contains("width=\"100.0%\"") && page.contains("width=\"0.0%\""));
    }
}

//! The health of the database: verdicts, connections, locks and the service's own pool.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use neobank_domain::api_keys::Scope;
use neobank_ops::blocking::BlockingReport;
use neobank_ops::checks::{Findings, Scope as Extent, Severity, Subject, Verdict};
use neobank_ops::connections::{ConnectionLimitsRow, ConnectionRow};
use neobank_ops::{Monitor, MonitorLimits, OpsError, Section, Thresholds};

use super::ConsoleState;
use super::error::PageError;
use super::parts::{scrolling, text};
use super::visit::Visit;
use crate::problem::Problem;

/// The subjects of the page. The others take longer, and `neobank ops report` shows them.
const SUBJECTS: [Subject; 6] = [
    Subject::Connections,
    Subject::Idle,
    Subject::Locks,
    Subject::Deadlocks,
    Subject::Transactions,
    Subject::Health,
];

pub(super) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
) -> Result<Response, PageError> {
    visit.require_of_whole_bank(Scope::AuditRead)?;
    let deadline = visit.context.deadline.into();
    let read = tokio::time::timeout_at(deadline, read(&state));
    let found = match read.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(not_available(&error)),
        Err(_) => {
            let detail = "The monitor gave no answer in time.";
            return Err(Problem::unavailable("unavailable", detail).into());
        }
    };
    let thresholds = Thresholds::default();
    let verdicts: Vec<Verdict> = found.iter().map(|one| one.verdict(&thresholds)).collect();
    let content = html! {
        h1 { "Database" }
        section { h2 { "Verdicts" } (judged(&verdicts)) }
        section { h2 { "The service's pool" } (pool(&state)) }
        @for one in &found { (details(one)) }
    };
    Ok(visit.page("Database", &content))
}

async fn read(state: &ConsoleState) -> Result<Vec<Findings>, OpsError> {
    let config = state.service.database().config().clone();
    let connect = async || {
        let monitor = Monitor::connect(config, MonitorLimits::default()).await?;
        Ok::<_, OpsError>(monitor.without_statements())
    };
    let monitor = state.monitor.get_or_try_init(connect).await?;
    let thresholds = Thresholds::default();
    let extent = Extent::default();
    let mut found = Vec::new();
    for subject in SUBJECTS {
        found.push(monitor.findings(subject, &thresholds, &extent).await?);
    }
    Ok(found)
}

fn not_available(error: &OpsError) -> PageError {
    tracing::warn!("the monitor failed: {error}");
    let detail = "The monitor gave no answer. The log of the service has the reason.";
    Problem::unavailable("unavailable", detail).into()
}

fn judged(verdicts: &[Verdict]) -> Markup {
    let rows = html! {
        table {
            thead { tr { th scope="col" { "Subject" } th scope="col" { "State" } th scope="col" { "Reason" } } }
            tbody {
                @for verdict in verdicts {
                    tr {
                        th scope="row" { (verdict.subject.title()) }
                        td { (severity(verdict.severity)) }
                        td.wide {
                            span.description { (text(&verdict.message)) }
                            @if verdict.severity != Severity::Ok {
                                @if let Some(reason) = verdict.reason() { span.faint.description { "n/a: " (text(&reason)) } }
                                @if let Some(advice) = &verdict.advice { span.faint.description { (text(advice)) } }
                            }
                        }
                    }
                }
            }
        }
    };
    scrolling("Verdicts", &rows)
}

/// Writes a word in its colour.
fn severity(severity: Severity) -> Markup {
    let (class, word) = match severity {
        Severity::Ok => ("good", "ok"),
        Severity::Warning => ("warning", "warning"),
        Severity::Critical => ("bad", "critical"),
        Severity::Unknown => ("unknown", "n/a"),
    };
    html! { span class=(format!("badge {class}")) { (word) } }
}

fn pool(state: &ConsoleState) -> Markup {
    let pool = state.service.database().metrics();
    let commits = state.service.ledger().group_commit_metrics();
    html! {
        dl.figures {
            div.main { dt { "Connections in use" } dd { (pool.used) " of " (pool.max) } }
            div { dt { "Callers that wait" } dd { (pool.pending_requests) } }
            div { dt { "Timeouts" } dd { (pool.timeouts) } }
            div { dt { "Statements" } dd { (pool.statements) } }
            div { dt { "Requests of the ledger" } dd { (commits.requests) } }
        }
    }
}

fn details(found: &Findings) -> Markup {
    match found {
        Findings::Connections(found) => html! {
            section {
                h2 { "Connections" }
                (section(&found.limits, limits))
                (section(&found.analysis, |rows| connections(rows)))
            }
        },
        Findings::Locks(found) => html! {
            section { h2 { "Locks" } (section(&found.report, locks)) }
        },
        _ => html! {},
    }
}

/// Writes a section, or the reason why it is not available.
fn section<T>(section: &Section<T>, shown: impl Fn(&T) -> Markup) -> Markup {
    match section {
        Section::Available { value, .. } => shown(value),
        Section::NotAvailable { reason } => {
            html! { p.faint { "n/a: " (text(&reason.to_string())) } }
        }
    }
}

fn limits(row: &ConnectionLimitsRow) -> Markup {
    html! {
        dl.figures {
            div.main { dt { "Used" } dd { (row.used_connections) " of " (row.usable_connections) } }
            div { dt { "max_connections" } dd { (row.max_connections) } }
            div { dt { "Reserved" } dd { (row.reserved_connections) } }
        }
    }
}

fn connections(rows: &[ConnectionRow]) -> Markup {
    let named = |name: &Option<String>| {
        html! { @match name { Some(name) => (text(name)), None => span.faint { "–" } } }
    };
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "User" } th scope="col" { "Application" } th scope="col" { "Client" }
                th.right scope="col" { "All" } th.right scope="col" { "Active" } th.right scope="col" { "Idle" }
                th.right scope="col" { "In transaction" } th.right scope="col" { "Wait for a lock" }
            } }
            tbody {
                @for row in rows {
                    tr {
                        td { (named(&row.username)) }
                        td { (named(&row.application_name)) }
                        td { (named(&row.client_address)) }
                        td.right { (row.total_connections) }
                        td.right { (row.active) }
                        td.right { (row.idle) }
                        td.right { (row.idle_in_transaction) }
                        td.right { (row.waiting_for_lock) }
                    }
                }
            }
        }
    };
    scrolling("Connections by application", &table)
}

fn locks(report: &BlockingReport) -> Markup {
    if report.edges.is_empty() {
        return html! { p.empty { "No session waits for a lock." } };
    }
    let seconds = |time: Option<f64>| time.map_or_else(String::new, |time| format!("{time:.1} s"));
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Blocking session" } th.right scope="col" { "Waiters" }
                th.right scope="col" { "Longest wait" } th scope="col" { "Application" } th scope="col" { "What to do" }
            } }
            tbody {
                @for root in &report.roots {
                    @let participant = report.participant(&root.who);
                    tr {
                        th scope="row" { (root.who) }
                        td.right { (root.waiters_in_all) }
                        td.right { (seconds(root.longest_wait_seconds)) }
                        td { @if let Some(name) = participant.and_then(|one| one.application_name.as_ref()) { (text(name)) } }
                        td.wide { @if let Some(one) = participant { (text(&one.remedy)) } }
                    }
                }
            }
        }
    };
    html! {
        p { (report.lock_waiters_total) " sessions wait for a lock." }
        (scrolling("Blocking sessions", &table))
    }
}

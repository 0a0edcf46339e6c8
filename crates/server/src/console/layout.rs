//! The layout of a page: its head, its navigation and its content.

use maud::{DOCTYPE, Markup, html};
use neobank_domain::api_keys::Scope;

use super::form::token;
use super::parts::text;
use super::visit::Visit;

/// A page of the navigation, with the scope that it needs, and whether it shows the whole bank.
struct Entry {
    path: &'static str,
    name: &'static str,
    scope: Scope,
    is_of_whole_bank: bool,
}

const ENTRIES: [Entry; 8] = [
    of_key("/console/search", "Search", Scope::AccountsRead),
    of_key("/console/transfer", "Transfer", Scope::TransfersWrite),
    of_key("/console/holds", "Holds", Scope::AccountsRead),
    of_key("/console/groups", "Groups", Scope::AccountsRead),
    of_bank(
        "/console/trial-balance",
        "Trial balance",
        Scope::AccountsRead,
    ),
    of_bank("/console/events", "Events", Scope::EventsRead),
    of_bank("/console/database", "Database", Scope::AuditRead),
    of_bank("/console/audit", "Audit", Scope::AuditRead),
];

const fn of_key(path: &'static str, name: &'static str, scope: Scope) -> Entry {
    Entry {
        path,
        name,
        scope,
        is_of_whole_bank: false,
    }
}

const fn of_bank(path: &'static str, name: &'static str, scope: Scope) -> Entry {
    Entry {
        is_of_whole_bank: true,
        ..of_key(path, name, scope)
    }
}

/// Writes a page; without a visit, that of a person who is not signed in.
pub(super) fn page(visit: Option<&Visit>, title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – NeoBank" }
                link rel="icon" href="/console/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/console/style.css";
                script src="/console/console.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    div.bar {
                        a.brand href="/console/search" { (mark()) "NeoBank" }
                        @if let Some(visit) = visit { (person(visit)) }
                    }
                    @if let Some(visit) = visit { (navigation(visit)) }
                }
                main id="content" tabindex="-1" { (content) }
            }
        }
    }
}

fn person(visit: &Visit) -> Markup {
    html! {
        form.person method="post" action="/console/sign-out" {
            (token(visit))
            span.key title="The key of this session" { (text(visit.caller.name())) }
            button type="submit" { "Sign out" }
        }
    }
}

fn navigation(visit: &Visit) -> Markup {
    let may_open = |entry: &&Entry| {
        visit.caller.has_scope(entry.scope) && (visit.is_unbound() || !entry.is_of_whole_bank)
    };
    html! {
        nav.pages aria-label="Pages" {
            ul {
                @for entry in ENTRIES.iter().filter(may_open) {
                    @let is_current = is_within(&visit.path, entry.path);
                    li { a href=(entry.path) aria-current=[is_current.then_some("page")] { (entry.name) } }
                }
            }
        }
    }
}

/// Returns true for a page of the navigation and the pages below it.
fn is_within(path: &str, entry: &str) -> bool {
    let rest = path.strip_prefix(entry);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The mark of the brand: a ledger's two columns.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            rect.ground width="24" height="24" rx="6" {}
            path.columns d="M7 7v10M7 7l10 10M17 7v10" fill="none" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

//! Statements as CSV files.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use futures_util::stream::try_unfold;
use neobank_domain::api_keys::Scope;
use neobank_domain::printable::printable;
use neobank_domain::statements::{self, Entry, StatementRequest};
use neobank_domain::{AccountId, Error};

use super::accounts::{Days, asked, identifier};
use super::error::PageError;
use super::form::Parameters;
use super::visit::Visit;

/// The entries of one read.
const ENTRIES: u32 = 1_000;

const HEADER: [&str; 9] = [
    "entry_number",
    "posted_at",
    "reference_number",
    "transfer_id",
    "entry_type",
    "amount",
    "running_balance",
    "currency",
    "description",
];

/// The pages of a statement that are still to be written.
struct Rest {
    visit: Visit,
    account: AccountId,
    request: StatementRequest,
    is_first: bool,
}

/// Streams the statement, newest entry first, page by page.
pub(super) async fn statement(
    visit: Visit,
    Path(account): Path<String>,
    Parameters(days): Parameters<Days>,
) -> Result<Response, PageError> {
    visit.require(Scope::AccountsRead)?;
    let account = visit.account(identifier(&account)?).await?;
    let request = asked(&days, &account)?.request.with_limit(ENTRIES);
    let rest = Rest {
        visit,
        account: account.account_id,
        request,
        is_first: true,
    };
    let stream = try_unfold(Some(rest), |rest| async move {
        match rest {
            Some(rest) => rest.next().await.map(Some),
            None => Ok::<_, std::io::Error>(None),
        }
    });
    let name = format!(
        "attachment; filename=\"statement-{}.csv\"",
        account.account_id
    );
    let headers = [
        (
            CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

impl Rest {
    /// Returns the text of the next page, and what remains behind it.
    async fn next(mut self) -> Result<(Vec<u8>, Option<Self>), std::io::Error> {
        let timeout = self.visit.state.limits().request_timeout;
        let database = self
            .visit
            .state
            .database()
            .with_deadline(Instant::now() + timeout);
        let page = statements::page(&database, self.account, &self.request).await;
        let page = page.map_err(|error| {
            tracing::error!("a statement ended early: {}", Error::from(error));
            std::io::Error::other("the statement could not be read")
        })?;
        let mut writer = csv::Writer::from_writer(Vec::new());
        if self.is_first {
            writer.write_record(HEADER)?;
        }
        for entry in &page.entries {
            writer.write_record(record(entry))?;
        }
        let bytes = writer.into_inner().map_err(|error| error.into_error())?;
        self.is_first = false;
        self.request = self.request.with_after(page.next);
        Ok((bytes, page.next.is_some().then_some(self)))
    }
}

fn record(entry: &Entry) -> [String; 9] {
    [
        entry.entry_number.to_string(),
        entry.posted_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        entry.reference_number().to_string(),
        entry.transfer_id.to_string(),
        entry.entry_type.to_string(),
        entry.movement().amount().to_string(),
        entry.running_balance.amount().to_string(),
        entry.amount.currency().code().to_owned(),
        harmless(&entry.description),
    ]
}

/// Returns a text that a spreadsheet takes for a text and not for a formula.
fn harmless(text: &str) -> String {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@', '\\']) {
        return format!("'{text}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_no_formulas() {
        for text in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"] {
            assert!(harmless(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(harmless("Rent, November"), "Rent, November");
    }
}

//! The change log: what is recorded, by whom, and how it is read.

mod database;
mod pages;
mod record;

use neobank_db::Executor;
use neobank_domain::change_log::{self, Change, ChangeFilter};

/// Returns the changes that a filter finds, the oldest first.
async fn changes(on: &impl Executor, filter: &ChangeFilter) -> Vec<Change> {
    let mut page = change_log::list(on, filter).await.unwrap();
    assert_eq!(page.next, None);
    page.changes.reverse();
    page.changes
}

//! Posted transfers: found by their names, and listed by conditions, page by page.

mod attributes;
mod find;
mod list;
mod pages;
mod plan;
mod rejection;

use neobank_db::Executor;
use neobank_domain::TransferId;
use neobank_domain::transfers::{self, TransferFilter};

/// Returns the identifiers of all pages, the newest first.
pub(crate) async fn all_pages(on: &impl Executor, mut filter: TransferFilter) -> Vec<TransferId> {
    let mut found = Vec::new();
    loop {
        let page = transfers::list(on, &filter).await.unwrap();
        assert!(page.transfers.len() <= filter.limit as usize);
        found.extend(page.transfers.iter().map(|transfer| transfer.transfer_id));
        let Some(next) = page.next else {
            return found;
        };
        // The next request gets the cursor from its text.
        filter.after = Some(next.to_string().parse().unwrap());
        assert_eq!(filter.after, Some(next));
    }
}

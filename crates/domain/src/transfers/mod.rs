//! Posted transfers: one of them by its identifier, reference number or idempotency key, or a list
//! of them, page by page.
//!
//! Without an account, a list begins with the greatest identifier. Identifiers are UUIDs of version
//! 7, which begin with the time at which the client made them, so that the newest transfer is
//! first. With an account, it begins with the account's newest entry. A transfer never changes and
//! keeps its place in both orders, so that pages neither skip nor repeat a transfer while others
//! are posted; transfers that are posted behind the cursor's place are not shown.
//!
//! A list of an account reads `transactions_account_and_date_key` from the newest entry of the
//! range, and a list of an identifier, a key, a group or an original looks those up. Every other
//! list reads the transfers backwards by their primary key until the page is full: a condition that
//! few transfers meet makes the server read many. The statement timeout bounds that time.

mod cursor;
mod error;
mod filter;
mod query;
mod read;
mod transfer;

pub use cursor::TransferCursor;
pub use error::TransferQueryError;
pub use filter::TransferFilter;
pub use read::{find, find_by_idempotency_key, list, list_query};
pub use transfer::{Transfer, TransferPage, TransferSide};

//! The books: what the database holds once the load has ended.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::history::Entry;

/// The accounts, entries, holds and keys of a database, read in one snapshot.
///
/// # Example
///
/// ```
/// use neobank_torture::books::Books;
///
/// let text = r#"{"accounts":[],"transfers":[],"entries":[],"holds":[]}"#;
/// let books: Books = serde_json::from_str(text)?;
/// assert_eq!(books, Books::default());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// The accounts of the load, and the bank's own that they meet.
    pub accounts: Vec<Account>,
    /// The transfers.
    pub transfers: Vec<Transfer>,
    /// The entries, by account and number.
    pub entries: Vec<Entry>,
    /// The holds.
    pub holds: Vec<Hold>,
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The identifier.
    pub id: Uuid,
    /// The balance with which the load began.
    pub opening_balance: Decimal,
    /// The recorded book balance.
    pub balance: Decimal,
    /// The recorded sum of its open holds.
    pub held: Decimal,
    /// The least balance that it may have; `None` for an account of the bank itself.
    pub least_balance: Option<Decimal>,
}

/// A transfer, with the key of the request that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The identifier.
    pub id: Uuid,
    /// The idempotency key of its request: all transfers of a group have the group's.
    pub key: Option<String>,
    /// The amount.
    pub amount: Decimal,
    /// The transfer that it reverses.
    pub reverses: Option<Uuid>,
    /// The hold that it captures.
    pub hold: Option<Uuid>,
}

/// A hold, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The identifier.
    pub id: Uuid,
    /// The account whose money it reserves.
    pub account: Uuid,
    /// The idempotency key of its request.
    pub key: Option<String>,
    /// The amount that it reserved.
    pub amount: Decimal,
    /// The sum that was captured.
    pub captured: Decimal,
    /// The sum that was released, or ran out.
    pub released: Decimal,
    /// The idempotency keys of its captures and releases.
    pub change_keys: Vec<String>,
}

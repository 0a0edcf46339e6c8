//! The sealed order: a hash chain over every transfer and hold event.
//!
//! [`seal`] gives committed records consecutive positions, from 1, and writes them as seals of at
//! most 10,000 records each. A seal has the SHA-256 of every stored column of its records, and a
//! head: the SHA-256 of the seal with the head before it. [`verify`] recomputes both, and names each
//! record that was altered, deleted or inserted since.
//!
//! A chain cannot show that its end was cut off, or that all of it was made again. A head that was
//! kept elsewhere can: give it to [`verify`] too.
//!
//! The order is that of the snapshots in which the records were committed, and within one that of
//! time. The entry numbers of each account rise in it. [`events`](crate::events) reads it.

mod hash;
mod seal;
mod verify;

pub use hash::{ChainHash, NotAChainHash};
pub use seal::{RECORDS_MAX_DEFAULT, SealReport, SealingLag, head, lag, seal};
pub use verify::{ChainFinding, FINDINGS_MAX, Verification, verify};

use serde::{Deserialize, Serialize};

/// The end of the sealed order, or an earlier one that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the seal.
    pub seal_number: i64,
    /// The position of the seal's last record.
    pub position: i64,
    /// The head of the seal.
    pub head: ChainHash,
}

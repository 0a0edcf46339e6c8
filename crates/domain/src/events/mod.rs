//! Events: the sealed order as a stream for other programs, each transfer and each hold event once.
//!
//! A consumer reads behind a position ([`read`]), processes the events in their order, and remembers
//! the position of the last one: in its own database, best in the transaction that processes the
//! event, or by name in this one ([`EventConsumer`]). It gets every event at least once: those after
//! the position that it remembers come again. No event can appear behind a position that was read.
//!
//! Events appear when [`seal`](crate::chain::seal) has sealed their records. A process that runs
//! [`Ledger::seal`](crate::Ledger::seal) every second is enough for a bank.

mod consumer;
mod error;
mod event;
mod read;

pub use consumer::EventConsumer;
pub use error::EventError;
pub use event::{Event, EventRecord, EventSide, HoldChange, PostedTransfer};
pub use read::{LIMIT_MAX, POLL_INTERVAL, read, validate};

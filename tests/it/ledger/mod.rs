//! The ledger: transfers, refusals, idempotency, batches, adjustments, and many at once.

mod adjustment;
mod batch;
mod certainty;
mod concurrency;
mod durability;
mod gather;
mod idempotency;
mod memory;
mod network;
mod plans;
mod refusal;
mod transfer;

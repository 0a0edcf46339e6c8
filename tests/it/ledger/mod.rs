//! The ledger: transfers, rejections, idempotency, batches, adjustments, and many at once.

mod account_cache;
mod adjustment;
mod batch;
mod concurrency;
mod durability;
mod group_commit;
mod idempotency;
mod in_doubt;
mod network;
mod plans;
mod rejection;
mod transfer;

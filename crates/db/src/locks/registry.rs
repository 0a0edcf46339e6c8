//! The registry of lock names.

use std::time::Duration;

use neobank_entity::functions::concurrency::DeleteLockNames;

use crate::batches::delete_in_batches;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::Executor;

/// The highest number of names that one statement deletes: it locks each of them.
const BATCH: i32 = 500;

/// Deletes names that are neither locked nor leased and whose first use is longer ago than `keep`.
/// Returns the number of deleted names.
///
/// Without this call, the registry grows without a limit where callers use ever new names, such as one
/// for each customer or job. The next holder of a deleted name has a higher [`FencingToken`](super::FencingToken)
/// than every earlier holder, and [`check_fencing_token`](super::check_fencing_token) rejects
/// tokens of names that were deleted since.
///
/// # Errors
///
/// [`DatabaseError`]: the server's error, or the reason why no connection was available. Names that
/// were deleted before stay deleted.
pub async fn delete_names(database: &Database, keep: Duration) -> Result<u64, DatabaseError> {
    delete_in_batches(BATCH.unsigned_abs().into(), async || {
        let call = DeleteLockNames {
            keep_seconds: keep.as_secs_f64(),
            limit: BATCH,
        };
        let deleted: i64 = database.fetch_value(call.statement()).await?;
        Ok(deleted.unsigned_abs())
    })
    .await
}

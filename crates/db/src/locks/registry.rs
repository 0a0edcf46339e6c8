//! The names that were ever locked.

use std::time::Duration;

use neobank_entity::functions::concurrency::DeleteLockNames;

use crate::batches::delete_in_batches;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::executor::Executor;

/// Each statement deletes this many at most: it holds the lock of each.
const BATCH: i32 = 500;

/// Deletes names that nobody has locked or leased and that were first used longer than `keep` ago. Returns how many.
///
/// Where names come and go, such as one for each customer or job, their registry would grow for ever without it. The next
/// holder of a deleted name has a higher [`FencingToken`](super::FencingToken) than every holder before, and
/// [`check_fencing_token`](super::check_fencing_token) refuses tokens of names that were deleted since.
///
/// # Errors
///
/// [`DatabaseError`]: what the server refused, or why there was no connection. What was deleted before stays deleted.
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

//! Deletions in batches, so that no statement runs for long.

use crate::error::DatabaseError;

/// Repeats a deletion of at most `limit` rows until it deletes fewer. Returns the number of all
/// deleted rows.
///
/// # Errors
///
/// The first error of `delete`. The rows of the batches before it stay deleted.
pub(crate) async fn delete_in_batches<F>(
    limit: u64,
    delete: impl Fn() -> F,
) -> Result<u64, DatabaseError>
where
    F: Future<Output = Result<u64, DatabaseError>>,
{
    let mut deleted = 0;
    loop {
        let batch = delete().await?;
        deleted += batch;
        if batch < limit {
            return Ok(deleted);
        }
    }
}

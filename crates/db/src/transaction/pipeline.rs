//! Pipelined statements: sent one after the other without a wait for the answer in between.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::join;

use crate::error::DatabaseError;

/// Pipelines two statements of one transaction.
///
/// The client sends both before it waits for an answer, so together they cost one round trip. When
/// the first fails, the server rejects the second too.
///
/// # Errors
///
/// The first statement's error, otherwise the second's.
pub async fn pipeline<A, B>(
    first: impl Future<Output = Result<A, DatabaseError>>,
    second: impl Future<Output = Result<B, DatabaseError>>,
) -> Result<(A, B), DatabaseError> {
    // `join` polls the first future first, and the first poll of a future sends it.
    let (first, second) = join(first, second).await;
    Ok((first?, second?))
}

pub(super) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

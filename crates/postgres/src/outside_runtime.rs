//! Blocking calls into asynchronous libraries.

use std::thread;

/// Does the work in a thread of its own: the caller may be inside an asynchronous runtime, where
/// another one cannot be entered.
pub(crate) fn outside_runtime<T: Send, E: Send + From<String>>(
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .unwrap_or_else(|_| Err("its thread panicked".to_owned().into()))
    })
}

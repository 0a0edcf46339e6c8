//! Whether a transaction has begun, as the server told.

use tokio::sync::watch;

use crate::error::DatabaseError;

/// How far a transaction's `BEGIN` is.
///
/// A statement that is sent behind a `BEGIN` without waiting for it runs on its own when the `BEGIN` fails, and a
/// `BEGIN` can fail: a cancel request that was meant for something else can hit it. So only statements that change
/// nothing may travel with it; every other one waits until the server has answered.
#[derive(Debug)]
pub(crate) struct Begin {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    Sent,
    Begun,
    Failed,
}

/// What a statement has to do about the `BEGIN`.
pub(crate) enum Turn<'a> {
    /// Send it.
    Send(Beginning<'a>),
    /// Nothing: it was sent, and perhaps not answered yet.
    Follow,
}

/// A `BEGIN` under way. Unless it is told to have succeeded, the transaction is of no use any more.
pub(crate) struct Beginning<'a> {
    begin: &'a Begin,
    succeeded: bool,
}

impl Begin {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Unsent),
        }
    }

    pub(crate) fn is_unsent(&self) -> bool {
        *self.state.borrow() == State::Unsent
    }

    /// The turn of a statement that changes nothing. Never waits, so that statements keep their order.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::TransactionAborted`] when the `BEGIN` has failed.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, DatabaseError> {
        let mut is_first = false;
        self.state.send_if_modified(|state| {
            is_first = *state == State::Unsent;
            if is_first {
                *state = State::Sent;
            }
            is_first
        });
        if is_first {
            return Ok(Turn::Send(Beginning {
                begin: self,
                succeeded: false,
            }));
        }
        if *self.state.borrow() == State::Failed {
            return Err(DatabaseError::TransactionAborted);
        }
        Ok(Turn::Follow)
    }

    /// Whether the server has answered the `BEGIN`: then nobody needs to wait.
    pub(crate) fn is_begun(&self) -> bool {
        *self.state.borrow() == State::Begun
    }

    /// Whether it is known that the `BEGIN` failed.
    pub(crate) fn has_failed(&self) -> bool {
        *self.state.borrow() == State::Failed
    }

    /// Waits for the answer to a `BEGIN` that another statement has sent.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::TransactionAborted`] when it failed.
    pub(crate) async fn answered(&self) -> Result<(), DatabaseError> {
        let mut state = self.state.subscribe();
        match state
            .wait_for(|state| matches!(state, State::Begun | State::Failed))
            .await
            .as_deref()
        {
            Ok(State::Begun) => Ok(()),
            _ => Err(DatabaseError::TransactionAborted),
        }
    }
}

impl Beginning<'_> {
    /// The server has begun the transaction.
    pub(crate) fn succeed(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        let state = if self.succeeded {
            State::Begun
        } else {
            State::Failed
        };
        self.begin.state.send_replace(state);
    }
}

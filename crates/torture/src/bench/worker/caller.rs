//! A caller: one call after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::shared::Shared;
use super::{attempt, choice};
use crate::bench::clock;
use crate::history::{Answer, CallId, Event, Operation, Outcome};

/// The pause of a caller that has nothing to do, and after a call of unknown outcome.
const PAUSE: Duration = Duration::from_millis(50);

/// The most polls of a future that is dropped.
const POLLS: u32 = 12;

pub(crate) async fn run(shared: Arc<Shared>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    loop {
        let operation = {
            let mut state = shared.state();
            let resolves = !shared.is_loading() || random.random_range(0..4) == 0;
            let unresolved = if resolves {
                state.unresolved.pop_front()
            } else {
                None
            };
            match unresolved {
                Some((key, request)) => Some(Operation::Write { key, request }),
                None if shared.is_loading() => Some(choice::operation(
                    &mut state,
                    || shared.new_key(),
                    &mut random,
                )),
                None => None,
            }
            .inspect(|_| {
                shared.running.fetch_add(1, Ordering::SeqCst);
            })
        };
        let Some(operation) = operation else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let polls = shared.drops_calls.load(Ordering::SeqCst);
        let polls = (polls && random.random_range(0..3) > 0).then(|| random.random_range(1..POLLS));
        let failed = call(&shared, operation, polls).await;
        shared.running.fetch_sub(1, Ordering::SeqCst);
        let pause = if failed {
            PAUSE
        } else {
            Duration::from_micros(random.random_range(2_000..20_000))
        };
        tokio::time::sleep(pause).await;
    }
}

/// Makes a call, and returns whether it failed.
async fn call(shared: &Shared, operation: Operation, polls: Option<u32>) -> bool {
    let call = CallId {
        process: shared.process,
        number: shared.numbers.fetch_add(1, Ordering::Relaxed),
    };
    let sent = clock::now();
    shared.recorder.write(&Event::Sent {
        call,
        at: sent,
        operation: operation.clone(),
    });
    let answer = attempt::call(shared, &operation, polls).await;
    let ended = clock::now();
    shared.count_time(sent, ended);
    let failed = match (&operation, &answer) {
        (Operation::Write { key, request }, Answer::Outcome { outcome }) => {
            shared.note(sent, key, request, outcome);
            is_failure(outcome)
        }
        (Operation::Batch { requests }, Answer::Outcomes { outcomes }) => {
            for ((key, request), outcome) in requests.iter().zip(outcomes) {
                shared.note(sent, key, request, outcome);
            }
            outcomes.iter().any(is_failure)
        }
        (_, Answer::ReadFailed { .. }) => true,
        _ => {
            shared.count_read();
            false
        }
    };
    shared.recorder.write(&Event::Answered {
        call,
        at: ended,
        answer,
    });
    failed
}

const fn is_failure(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NotExecuted { .. } | Outcome::Unknown { .. }
    )
}

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

type Acquiring = Pin<Box<dyn Future<Output = Result<Permit, AcquireError>> + Send>>;

const LONG: Duration = Duration::from_secs(3600);

fn acquiring(semaphore: &Arc<Semaphore>, limit: Duration) -> Acquiring {
    let semaphore = Arc::clone(semaphore);
    Box::pin(async move { semaphore.acquire(limit).await })
}

fn poll(future: &mut Acquiring) -> Option<Result<Permit, AcquireError>> {
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    /// A caller arrives and is polled once.
    Come,
    /// A waiting caller is polled again.
    Poll(usize),
    /// A waiting caller stops waiting.
    Leave(usize),
    /// A permit is returned.
    Return(usize),
    /// A permit is returned with its connection.
    GiveBack(usize),
    Resize(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Come),
        3 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Return),
        2 => any::<usize>().prop_map(Step::GiveBack),
        1 => (0..9_usize).prop_map(Step::Resize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn permits_are_conserved_whatever_happens(
        size in 1..6_usize,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let runtime = runtime();
        let _entered = runtime.enter();
        let semaphore = Semaphore::new(size, 5);
        let mut size = size;
        let mut before = 0;
        let mut waiting: Vec<Acquiring> = Vec::new();
        let mut held: Vec<Permit> = Vec::new();
        for step in steps {
            match step {
                Step::Come => {
                    let mut caller = acquiring(&semaphore, LONG);
                    let free = semaphore.status();
                    match poll(&mut caller) {
                        Some(Ok(permit)) => held.push(permit),
                        Some(Err(rejection)) => {
                            prop_assert_eq!(rejection, AcquireError::Overloaded { waiting: 5 });
                            prop_assert_eq!(free.waiting, 5);
                        }
                        None => {
                            prop_assert!(free.in_use >= free.size || free.waiting > 0);
                            waiting.push(caller);
                        }
                    }
                }
                Step::Poll(which) if !waiting.is_empty() => {
                    let which = which % waiting.len();
                    if let Some(outcome) = poll(&mut waiting[which]) {
                        drop(waiting.remove(which));
                        held.push(outcome.unwrap());
                    }
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    drop(waiting.remove(which % waiting.len()));
                }
                Step::Return(which) if !held.is_empty() => {
                    drop(held.swap_remove(which % held.len()));
                }
                Step::GiveBack(which) if !held.is_empty() => {
                    let before = semaphore.status();
                    let permit = held.swap_remove(which % held.len());
                    let surplus = permit.give_back((), |()| ());
                    prop_assert_eq!(surplus.is_some(), before.in_use > before.size);
                }
                Step::Resize(new) => {
                    let idle = semaphore.resize(new, |idle| idle);
                    size = new;
                    prop_assert!(idle <= new);
                }
                _ => {}
            }
            let status = semaphore.status();
            prop_assert_eq!(status.size, size);
            // A lowered size keeps the granted permits, and grants no other.
            prop_assert!(status.in_use <= size.max(before), "{:?} {}", status, before);
            before = status.in_use;
            prop_assert!(status.in_use >= held.len());
            prop_assert!(status.in_use <= held.len() + waiting.len());
            // No caller waits while a permit is available.
            prop_assert!(status.waiting == 0 || status.in_use >= size);
        }
        drop((waiting, held));
        let status = semaphore.status();
        prop_assert_eq!((status.in_use, status.waiting), (0, 0));
        semaphore.resize(3, |_| ());
        let all: Vec<_> = (0..4).map(|_| poll(&mut acquiring(&semaphore, LONG))).collect();
        prop_assert_eq!(all.iter().filter(|one| matches!(one, Some(Ok(_)))).count(), 3);
    }

    #[test]
    fn callers_are_let_in_in_the_order_in_which_they_came(
        leaving in prop::collection::vec(any::<bool>(), 20),
    ) {
        let runtime = runtime();
        let _entered = runtime.enter();
        let semaphore = Semaphore::new(1, 100);
        let first = poll(&mut acquiring(&semaphore, LONG)).unwrap().unwrap();
        let mut callers: Vec<Option<Acquiring>> = Vec::new();
        for _ in &leaving {
            let mut caller = acquiring(&semaphore, LONG);
            prop_assert!(poll(&mut caller).is_none());
            callers.push(Some(caller));
        }
        for (caller, leaves) in callers.iter_mut().zip(&leaving) {
            if *leaves {
                *caller = None;
            }
        }
        drop(first);
        let mut order = Vec::new();
        while let Some(turn) = callers.iter_mut().enumerate().find_map(|(number, caller)| {
            let permit = poll(caller.as_mut()?)?;
            Some((number, permit.unwrap()))
        }) {
            order.push(turn.0);
            callers[turn.0] = None;
            drop(turn.1);
        }
        let expected: Vec<usize> = (0..leaving.len()).filter(|place| !leaving[*place]).collect();
        prop_assert_eq!(order, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_limit_and_takes_nothing_with_it() {
    let semaphore = Semaphore::new(1, 10);
    let held = semaphore.acquire(LONG).await.unwrap();
    let started = tokio::time::Instant::now();
    let rejected = semaphore
        .acquire(Duration::from_millis(250))
        .await
        .unwrap_err();
    assert_eq!(rejected, AcquireError::TimedOut);
    assert_eq!(started.elapsed().as_millis() / 10, 25);
    assert_eq!(semaphore.status().waiting, 0);
    drop(held);
    semaphore.acquire(LONG).await.unwrap();
}

#[tokio::test]
async fn closed_semaphore_rejects_waiting_and_later_callers() {
    let semaphore = Semaphore::new(1, 10);
    let held = semaphore.acquire(LONG).await.unwrap();
    let waiting = tokio::spawn(acquiring(&semaphore, LONG));
    while semaphore.status().waiting == 0 {
        tokio::task::yield_now().await;
    }
    semaphore.close();
    assert_eq!(waiting.await.unwrap().unwrap_err(), AcquireError::Closed);
    assert_eq!(
        semaphore.acquire(LONG).await.unwrap_err(),
        AcquireError::Closed
    );
    assert_eq!(held.give_back("connection", drop), Some("connection"));
    assert_eq!(semaphore.status().in_use, 0);
}

/// 100,000 operations on permits (acquire, wait, cancel, return, resize) by 16 tasks on several
/// threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn permits_are_conserved_in_a_hundred_thousand_operations() {
    const TASKS: usize = 16;
    const OPERATIONS: usize = 100_000;
    const MOST: usize = 8;
    let semaphore = Semaphore::new(4, 1000);
    let out = Arc::new(AtomicUsize::new(0));
    let taken = Arc::new(AtomicUsize::new(0));
    let mut running = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (semaphore, out, taken) =
            (Arc::clone(&semaphore), Arc::clone(&out), Arc::clone(&taken));
        running.spawn(async move {
            let mut random = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(task as u64 + 1);
            for operation in 0..OPERATIONS / TASKS {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if operation % 97 == 0 {
                    semaphore.resize(1 + usize::try_from(random % MOST as u64).unwrap(), |_| ());
                }
                let acquiring = semaphore.acquire(LONG);
                let outcome = match random % 4 {
                    // Cancelled after a few polls.
                    0 => {
                        let mut acquiring = Box::pin(acquiring);
                        let mut outcome = None;
                        for _ in 0..random % 3 {
                            let waker = Waker::noop();
                            if let Poll::Ready(permit) =
                                acquiring.as_mut().poll(&mut Context::from_waker(waker))
                            {
                                outcome = Some(permit);
                                break;
                            }
                            tokio::task::yield_now().await;
                        }
                        outcome
                    }
                    _ => Some(acquiring.await),
                };
                let Some(permit) = outcome else { continue };
                let permit = permit.unwrap();
                let now = out.fetch_add(1, Ordering::AcqRel) + 1;
                assert!(now <= MOST, "{now} permits are out");
                taken.fetch_add(1, Ordering::Relaxed);
                if random.is_multiple_of(3) {
                    tokio::task::yield_now().await;
                }
                out.fetch_sub(1, Ordering::AcqRel);
                if random.is_multiple_of(2) {
                    drop(permit);
                } else {
                    let _ = permit.give_back((), |()| ());
                }
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    let status = semaphore.status();
    assert_eq!((status.in_use, status.waiting), (0, 0));
    assert!(taken.load(Ordering::Relaxed) > OPERATIONS / 2);
    semaphore.resize(MOST, |idle| assert_eq!(idle, MOST));
    let mut all = Vec::new();
    for _ in 0..MOST {
        all.push(semaphore.acquire(Duration::ZERO).await.unwrap());
    }
    assert_eq!(
        semaphore.acquire(Duration::ZERO).await.unwrap_err(),
        AcquireError::TimedOut
    );
}

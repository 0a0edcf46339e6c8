//! Cycles of waits, before the server's deadlock search.

use std::time::Duration;

use super::Scene;
use crate::harness::TestBank;
use crate::ops::session::safe_snapshots;
use crate::ops::until;

on_both_versions!(
    deadlock_is_reported_before_the_server_detects_it,
    cycle_of_three_is_reported,
    cycle_with_an_outside_root_is_reported,
    cycle_through_a_queue_is_uncertain,
    cycle_through_a_safe_snapshot_is_not_ended_by_the_server,
);

async fn deadlock_is_reported_before_the_server_detects_it(bank: TestBank) {
    let scene = Scene::of(bank, "ABC").await;
    scene
        .run(
            'A',
            "BEGIN; UPDATE public.account SET balance = 1 WHERE id = 1",
        )
        .await;
    scene
        .run(
            'B',
            "BEGIN; UPDATE public.account SET balance = 1 WHERE id = 2",
        )
        .await;
    scene
        .wait('A', "UPDATE public.account SET balance = 1 WHERE id = 2")
        .await;
    scene
        .wait('B', "UPDATE public.account SET balance = 1 WHERE id = 1")
        .await;
    scene.expect("A<B B<A", "", &["AB"]).await;
    // C is behind the cycle, and not in it.
    scene
        .wait('C', "BEGIN; LOCK TABLE public.account IN EXCLUSIVE MODE")
        .await;
    scene.expect("A<B B<A C<A C<B", "", &["AB"]).await;
    assert!(scene.is_certain('A').await);
    scene.expect_the_same_with_bystanders().await;
}

async fn cycle_of_three_is_reported(bank: TestBank) {
    let scene = Scene::of(bank, "ABC").await;
    for (number, letter) in ["A", "B", "C"].iter().enumerate() {
        let letter = letter.chars().next().unwrap();
        scene
            .run(
                letter,
                &format!("BEGIN; SELECT pg_advisory_xact_lock({})", number + 1),
            )
            .await;
    }
    scene.wait('A', "SELECT pg_advisory_xact_lock(2)").await;
    scene.wait('B', "SELECT pg_advisory_xact_lock(3)").await;
    scene.expect("A<B B<C", "C", &[]).await;
    scene.wait('C', "SELECT pg_advisory_xact_lock(1)").await;
    scene.expect("A<B B<C C<A", "", &["ABC"]).await;
}

async fn cycle_with_an_outside_root_is_reported(bank: TestBank) {
    let scene = Scene::of(bank, "ABR").await;
    scene
        .run('R', "BEGIN; LOCK TABLE public.other IN ROW EXCLUSIVE MODE")
        .await;
    scene
        .run('A', "BEGIN; LOCK TABLE public.other IN ROW EXCLUSIVE MODE")
        .await;
    scene.run('B', "BEGIN; LOCK TABLE public.account").await;
    scene.wait('A', "SELECT * FROM public.account").await;
    scene
        .wait('B', "LOCK TABLE public.other IN SHARE MODE")
        .await;
    scene.expect("A<B B<A B<R", "R", &["AB"]).await;
    assert!(scene.is_certain('A').await);
    scene.expect_the_same_with_bystanders().await;
}

async fn cycle_through_a_queue_is_uncertain(bank: TestBank) {
    let scene = Scene::of(bank, "ABC").await;
    // B queues behind C, which waits for A's read; A waits for B. The server resolves it by another
    // order of the queue.
    scene.run('A', "BEGIN; SELECT * FROM public.account").await;
    scene.run('B', "BEGIN; LOCK TABLE public.other").await;
    scene.wait('C', "BEGIN; LOCK TABLE public.account").await;
    scene.wait('B', "SELECT * FROM public.account").await;
    scene.wait('A', "SELECT * FROM public.other").await;
    scene.expect("A<B B<~C C<A", "", &["ABC"]).await;
    assert!(!scene.is_certain('A').await);
}

async fn cycle_through_a_safe_snapshot_is_not_ended_by_the_server(bank: TestBank) {
    let _alone = safe_snapshots().await;
    let scene = Scene::of(bank, "ABC").await;
    for letter in ['A', 'B', 'C'] {
        scene.run(letter, "SET deadlock_timeout = '10ms'").await;
    }
    scene
        .run(
            'A',
            "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE public.account SET balance = 1 WHERE id = 1",
        )
        .await;
    scene.run('B', "SELECT pg_advisory_lock(42)").await;
    scene
        .wait(
            'B',
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT * FROM public.account",
        )
        .await;
    scene.wait('A', "SELECT pg_advisory_xact_lock(42)").await;
    scene
        .wait('C', "BEGIN; SELECT pg_advisory_xact_lock(42)")
        .await;
    // Each server process has searched for a deadlock many times, and has found none.
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.expect("A<B B<A C<B", "", &["AB"]).await;
    let cycle = scene.cycle('A').await;
    assert!(cycle.is_certain && !cycle.is_ended_by_server);
    scene.expect_the_same_with_bystanders().await;
    // The remedy is a statement that works.
    let (_, statement) = cycle.remedy.split_once(": ").unwrap();
    scene.observer.run(statement).await;
    until("A goes on, and C waits for it", async || {
        let edges = scene.edges().await;
        edges.into_iter().eq(["C<A".to_owned()]).then_some(())
    })
    .await;
}

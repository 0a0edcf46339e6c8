//! Sessions that wait for each other, before the server looks for that.

use super::Scene;
use crate::harness::TestBank;

on_both_versions!(
    a_deadlock_before_it_is_detected,
    a_cycle_of_three,
    a_cycle_that_also_waits_on_an_outside_root,
    a_cycle_through_a_queue,
);

async fn a_deadlock_before_it_is_detected(bank: TestBank) {
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

async fn a_cycle_of_three(bank: TestBank) {
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

async fn a_cycle_that_also_waits_on_an_outside_root(bank: TestBank) {
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

async fn a_cycle_through_a_queue(bank: TestBank) {
    let scene = Scene::of(bank, "ABC").await;
    // B queues behind C, who waits for A's reading; A waits for B. The server lets B pass by another order of the queue.
    scene.run('A', "BEGIN; SELECT * FROM public.account").await;
    scene.run('B', "BEGIN; LOCK TABLE public.other").await;
    scene.wait('C', "BEGIN; LOCK TABLE public.account").await;
    scene.wait('B', "SELECT * FROM public.account").await;
    scene.wait('A', "SELECT * FROM public.other").await;
    scene.expect("A<B B<~C C<A", "", &["ABC"]).await;
    assert!(!scene.is_certain('A').await);
}

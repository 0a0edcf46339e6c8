//! Workers that apply a subscription's changes.

use std::collections::BTreeSet;

use super::Scene;
use crate::harness::{EmptyDatabase, TestBank};
use crate::ops::session::Session;
use crate::ops::until;

/// The subscription's workers in the scenario's own database, each with its leader if it has one.
const WORKERS: &str = "SELECT activity.pid, activity.leader_pid
    FROM pg_catalog.pg_stat_activity AS activity
    WHERE activity.datname = current_database() AND activity.backend_type LIKE 'logical replication%'";

/// PostgreSQL 15 applies nothing in parallel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_apply_worker_waits_for_itself() {
    let source = EmptyDatabase::on(18).await;
    let publisher = Session::open(&source.url).await;
    let scene = Scene::of(TestBank::on(18).await, "A").await;
    let slot = format!("slot_of_{}", scene.observer.pid);
    publisher
        .run("CREATE TABLE public.account (id int PRIMARY KEY, balance int NOT NULL); CREATE PUBLICATION all_of_it FOR ALL TABLES")
        .await;
    publisher
        .run(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"
        ))
        .await;
    // Uncommitted changes are sent at once.
    let options = "options=-c%20debug_logical_replication_streaming%3Dimmediate";
    let separator = if source.url.contains('?') { '&' } else { '?' };
    scene
        .observer
        .run(&format!(
            "CREATE SUBSCRIPTION {slot} CONNECTION '{}{separator}{options}' PUBLICATION all_of_it
             WITH (create_slot = false, slot_name = '{slot}', copy_data = false, streaming = parallel)",
            source.url
        ))
        .await;
    scene
        .run('A', "BEGIN; LOCK TABLE public.account IN SHARE MODE")
        .await;
    publisher
        .run("BEGIN; INSERT INTO public.account VALUES (100, 1)")
        .await;
    let (worker, leader) = until("a worker with a leader", async || {
        let rows = scene.observer.rows(WORKERS).await;
        rows.iter()
            .find_map(|row| Some((row.get::<_, i32>(0), row.get::<_, Option<i32>>(1)?)))
    })
    .await;
    publisher.run("COMMIT").await;
    // The leader waits until the worker has applied the transaction, the worker for A.
    let root = scene.sessions[&'A'].pid;
    let expected = BTreeSet::from([(leader, worker), (worker, root)]);
    until("both wait", async || {
        let report = scene
            .monitor
            .blocking()
            .await
            .unwrap()
            .into_value()
            .unwrap();
        let edges = report.edges.iter().map(|edge| {
            let pid = |who: &neobank_ops::blocking::Who| who.to_string().parse().unwrap_or(0);
            (pid(&edge.waiter), pid(&edge.blocker))
        });
        let edges: BTreeSet<(i32, i32)> = edges.collect();
        expected.is_subset(&edges).then_some(())
    })
    .await;
    let sql = "SELECT blocked_pid, blocking_pid, root_pids FROM concurrency.v_lock_analysis";
    let view = scene.observer.rows(sql).await;
    let of_workers = view
        .iter()
        .filter(|row| [worker, leader].contains(&row.get(0)));
    let mut seen = BTreeSet::new();
    for row in of_workers {
        assert_eq!(row.get::<_, Vec<i32>>(2), [root]);
        seen.insert((row.get(0), row.get(1)));
    }
    assert_eq!(seen, expected);
    scene.run('A', "ROLLBACK").await;
    scene
        .observer
        .run(&format!("DROP SUBSCRIPTION {slot}"))
        .await;
}

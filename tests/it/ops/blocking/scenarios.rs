//! Waits without a cycle.

use neobank_ops::blocking::{Class, EdgeKind};

use super::Scene;
use crate::harness::TestBank;
use crate::ops::session::{Session, safe_snapshots};

on_both_versions!(
    server_without_waits_has_no_edges,
    chain_of_row_locks_has_one_root,
    queue_behind_a_table_change_is_shown_behind_its_front,
    holders_of_a_share_lock_block_and_readers_do_not,
    idle_holder_of_an_advisory_lock_is_a_root,
    prepared_transaction_is_a_root,
    concurrent_index_build_waits_for_transactions,
    safe_snapshot_waits_for_serializable_transactions,
    hot_row_with_a_hundred_waiters_has_a_hundred_edges,
);

async fn server_without_waits_has_no_edges(bank: TestBank) {
    let scene = Scene::of(bank, "A").await;
    scene
        .run('A', "BEGIN; UPDATE public.account SET balance = 1")
        .await;
    scene.expect("", "", &[]).await;
}

async fn chain_of_row_locks_has_one_root(bank: TestBank) {
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
            "BEGIN; UPDATE public.account SET balance = 2 WHERE id = 2",
        )
        .await;
    scene
        .wait('B', "UPDATE public.account SET balance = 2 WHERE id = 1")
        .await;
    scene
        .wait(
            'C',
            "BEGIN; UPDATE public.account SET balance = 3 WHERE id = 2",
        )
        .await;
    scene.expect("B<A C<B", "A", &[]).await;
    assert_eq!(scene.class('A').await, Class::IdleInTransaction);
    assert_eq!(scene.class('B').await, Class::Waiting);
    let report = scene.report().await;
    assert_eq!(
        (
            report.roots[0].waiters_directly,
            report.roots[0].waiters_in_all
        ),
        (1, 2)
    );
    let wait = |pid: i32| {
        let found = report
            .participants
            .iter()
            .find(|one| one.who.to_string() == pid.to_string());
        found.and_then(|one| one.wait.clone()).unwrap()
    };
    let (b, c) = (
        wait(scene.sessions[&'B'].pid),
        wait(scene.sessions[&'C'].pid),
    );
    assert_eq!((b.depth, c.depth), (1, 2));
    assert_eq!(
        b.lock.unwrap().to_string(),
        "row (0,1) of \"public\".\"account\""
    );
    // B has waited for longer than C has, and neither as long as since its transaction's start.
    assert!(b.seconds.unwrap() >= c.seconds.unwrap());
    scene.expect_the_same_with_bystanders().await;
}

async fn queue_behind_a_table_change_is_shown_behind_its_front(bank: TestBank) {
    let scene = Scene::of(bank, "ABCDE").await;
    scene.run('A', "BEGIN; SELECT * FROM public.account").await;
    scene
        .wait(
            'B',
            "BEGIN; ALTER TABLE public.account ADD COLUMN note text",
        )
        .await;
    scene.wait('C', "BEGIN; SELECT * FROM public.account").await;
    scene.expect("B<A C<~B", "A", &[]).await;
    // D wants the same lock as B, and E queues behind both: it is shown behind the front.
    scene.wait('D', "BEGIN; LOCK TABLE public.account").await;
    scene.wait('E', "BEGIN; SELECT * FROM public.account").await;
    scene.expect("B<A C<~B D<A E<~B", "A", &[]).await;
    let report = scene.report().await;
    let queued = report
        .edges
        .iter()
        .find(|edge| edge.kind == EdgeKind::Queues)
        .unwrap();
    assert_eq!(queued.wanted_mode.as_deref(), Some("AccessShareLock"));
    assert_eq!(queued.blocking_modes, ["AccessExclusiveLock"]);
    scene.expect_the_same_with_bystanders().await;
}

async fn holders_of_a_share_lock_block_and_readers_do_not(bank: TestBank) {
    let scene = Scene::of(bank, "ABD").await;
    scene.run('D', "BEGIN; SELECT * FROM public.account").await;
    scene
        .run('A', "BEGIN; LOCK TABLE public.account IN SHARE MODE")
        .await;
    scene.run('B', "BEGIN; SELECT * FROM public.account").await;
    scene
        .wait('B', "UPDATE public.account SET balance = 2 WHERE id = 1")
        .await;
    scene.expect("B<A", "A", &[]).await;
    let report = scene.report().await;
    assert_eq!(
        report.edges[0].wanted_mode.as_deref(),
        Some("RowExclusiveLock")
    );
    assert_eq!(report.edges[0].blocking_modes, ["ShareLock"]);
    // One more reader changes nothing.
    let reader = Session::open(scene.bank.url()).await;
    reader.run("BEGIN; SELECT * FROM public.account").await;
    scene.expect("B<A", "A", &[]).await;
    scene.expect_the_same_with_bystanders().await;
}

async fn idle_holder_of_an_advisory_lock_is_a_root(bank: TestBank) {
    let scene = Scene::of(bank, "AB").await;
    scene.run('A', "SELECT pg_advisory_lock(42)").await;
    scene
        .wait('B', "BEGIN; SELECT pg_advisory_xact_lock(42)")
        .await;
    scene.expect("B<A", "A", &[]).await;
    assert_eq!(scene.class('A').await, Class::IdleWithSessionLock);
    scene.expect_the_same_with_bystanders().await;
}

async fn prepared_transaction_is_a_root(bank: TestBank) {
    let scene = Scene::of(bank, "ABCD").await;
    let gid = scene.gid("it's \\ \"prepared\"\n🏦");
    let literal = gid.replace('\'', "''");
    // C's transaction holds another row of the same table, and blocks no session.
    let innocent = scene.gid("innocent").replace('\'', "''");
    scene
        .run('C', &format!("BEGIN; UPDATE public.account SET balance = 3 WHERE id = 3; PREPARE TRANSACTION '{innocent}'"))
        .await;
    // D's transaction has only read the table, and blocks only a change of the table.
    let reader = scene.gid("reader");
    scene
        .run(
            'D',
            &format!("BEGIN; SELECT * FROM public.account; PREPARE TRANSACTION '{reader}'"),
        )
        .await;
    scene
        .run('A', &format!("BEGIN; UPDATE public.account SET balance = 1 WHERE id = 1; PREPARE TRANSACTION '{literal}'"))
        .await;
    scene
        .wait(
            'B',
            "BEGIN; UPDATE public.account SET balance = 2 WHERE id = 1",
        )
        .await;
    let report = scene.report().await;
    let edges: Vec<_> = report
        .edges
        .iter()
        .map(|edge| (scene.letter(&edge.waiter), scene.letter(&edge.blocker)))
        .collect();
    assert_eq!(edges, [("B".to_owned(), gid.clone())]);
    assert_eq!(scene.letter(&report.roots[0].who), gid);
    let root = report.participant(&report.roots[0].who).unwrap();
    assert_eq!(
        (root.class, root.username.as_deref()),
        (Class::PreparedTransaction, Some("postgres"))
    );
    let database = root.database.clone().unwrap();
    scene.expect_the_view(&report).await;
    scene.expect_the_servers_blockers(&report).await;
    scene.expect_the_same_with_bystanders().await;
    // A table's lock that two prepared transactions share.
    scene
        .wait('A', "BEGIN; LOCK TABLE public.account IN SHARE MODE")
        .await;
    let report = scene.report().await;
    let mut edges: Vec<_> = report
        .edges
        .iter()
        .map(|edge| (scene.letter(&edge.waiter), scene.letter(&edge.blocker)))
        .collect();
    edges.sort();
    let edge = |waiter: &str, blocker: &str| (waiter.to_owned(), blocker.to_owned());
    let mut expected = [
        edge("A", "B"),
        edge("A", &gid),
        edge("A", &scene.gid("innocent")),
        edge("B", &gid),
    ];
    expected.sort();
    assert_eq!(edges, expected);
    scene.expect_the_view(&report).await;
    // The remedy is a statement that works.
    let remedy = &root.remedy;
    let rollback = remedy.split(" or ").nth(1).unwrap();
    assert!(rollback.starts_with("ROLLBACK PREPARED '"), "{remedy}");
    scene.observer.run(rollback).await;
    scene
        .observer
        .run(&format!("ROLLBACK PREPARED '{innocent}'"))
        .await;
    scene
        .observer
        .run(&format!("ROLLBACK PREPARED '{reader}'"))
        .await;
    let own = scene.observer.rows("SELECT current_database()::text").await[0].get::<_, String>(0);
    assert_eq!(database, own);
    crate::ops::until(
        "no session waits for the prepared transaction",
        async || {
            let report = scene.report().await;
            report
                .edges
                .iter()
                .all(|edge| scene.letter(&edge.blocker).len() == 1)
                .then_some(())
        },
    )
    .await;
}

async fn concurrent_index_build_waits_for_transactions(bank: TestBank) {
    let scene = Scene::of(bank, "AB").await;
    scene
        .run(
            'A',
            "BEGIN; UPDATE public.account SET balance = 1 WHERE id = 1",
        )
        .await;
    scene
        .wait(
            'B',
            "CREATE INDEX CONCURRENTLY account_balance ON public.account (balance)",
        )
        .await;
    scene.expect("B<A", "A", &[]).await;
    let report = scene.report().await;
    let waiter = report.participant(&report.edges[0].waiter).unwrap();
    let lock = waiter.wait.as_ref().unwrap().lock.as_ref().unwrap();
    assert_eq!(lock.lock_type, "virtualxid");
    scene.expect_the_same_with_bystanders().await;
}

async fn safe_snapshot_waits_for_serializable_transactions(bank: TestBank) {
    let _alone = safe_snapshots().await;
    let scene = Scene::of(bank, "ABC").await;
    scene.run('A', "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE public.account SET balance = 1 WHERE id = 1").await;
    // C is serializable too, but read only, and so blocks no session.
    scene
        .run(
            'C',
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; SELECT * FROM public.account",
        )
        .await;
    scene
        .wait(
            'B',
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT * FROM public.account",
        )
        .await;
    scene.expect("B<A", "A", &[]).await;
    let report = scene.report().await;
    assert_eq!(report.edges[0].kind, EdgeKind::SafeSnapshot);
    scene.expect_the_same_with_bystanders().await;
}

async fn hot_row_with_a_hundred_waiters_has_a_hundred_edges(bank: TestBank) {
    const WAITERS: usize = 100;
    let mut scene = Scene::of(bank, "AB").await;
    scene
        .run(
            'A',
            "BEGIN; UPDATE public.account SET balance = 1 WHERE id = 1",
        )
        .await;
    scene
        .wait('B', "UPDATE public.account SET balance = 1 WHERE id = 1")
        .await;
    for letter in ('一'..).take(WAITERS - 1) {
        let session = Session::open(scene.bank.url()).await;
        drop(session.send("UPDATE public.account SET balance = 1 WHERE id = 1"));
        scene.sessions.insert(letter, session);
    }
    let (root, first) = (scene.sessions[&'A'].pid, scene.sessions[&'B'].pid);
    let edges = crate::ops::until("a hundred waiters", async || {
        let report = scene
            .monitor
            .blocking()
            .await
            .unwrap()
            .into_value()
            .unwrap();
        let root = report
            .roots
            .iter()
            .find(|one| one.who.to_string() == root.to_string())?;
        (root.waiters_in_all == WAITERS).then_some(report)
    })
    .await;
    let ours: Vec<(String, String)> = edges
        .edges
        .iter()
        .map(|edge| (edge.waiter.to_string(), edge.blocker.to_string()))
        .filter(|(waiter, _)| {
            let mut sessions = scene.sessions.values();
            sessions.any(|session| session.pid.to_string() == *waiter)
        })
        .collect();
    // As many edges as waiters: the first waits for A, all others for the first.
    assert_eq!(ours.len(), WAITERS);
    for (waiter, blocker) in &ours {
        let expected = if *waiter == first.to_string() {
            root
        } else {
            first
        };
        assert_eq!(*blocker, expected.to_string());
    }
    let counted = edges
        .participants
        .iter()
        .filter_map(|one| one.wait.as_ref())
        .map(|wait| wait.blockers_total)
        .max();
    assert!(
        counted.unwrap() >= WAITERS - 1,
        "the server's own list has the whole queue"
    );
    let view = scene
        .observer
        .rows(&format!("SELECT blocked_pid, blocking_pid, root_pids FROM concurrency.v_lock_analysis WHERE {root} = ANY (root_pids)"))
        .await;
    assert_eq!(view.len(), WAITERS);
    for row in view {
        let expected = if row.get::<_, i32>(0) == first {
            root
        } else {
            first
        };
        assert_eq!(
            (row.get::<_, i32>(1), row.get::<_, Vec<i32>>(2)),
            (expected, vec![root])
        );
    }
    scene.expect_the_same_with_bystanders().await;
}

//! Past deadlocks, and risks of new ones.

use std::collections::BTreeSet;

use neobank_db::{
    Database, DatabaseError, Executor, RetryPolicy, Transaction, TransactionCommand, statement,
};
use neobank_ops::deadlocks::LockOrderHistory;
use neobank_ops::{Cause, OpsError};

use super::session::{Session, safe_snapshots};
use super::{monitor_of, until};
use crate::harness::{EmptyDatabase, TestBank};

on_both_versions!(
    own_deadlock_is_in_the_log_and_in_the_count,
    cycle_of_two_is_certain,
    cycle_of_three_is_certain,
    cycle_through_a_safe_snapshot_is_unending,
    hold_and_wait_is_a_risk,
    opposite_orders_of_two_tables_are_a_risk,
    opposite_orders_are_found_across_samples,
    window_out_of_range_is_rejected,
    total_counts_the_whole_log,
);

/// Locks one account and then, when the other side has its own, the other.
struct Cross {
    first: i32,
    second: i32,
    barrier: std::sync::Arc<tokio::sync::Barrier>,
}

impl TransactionCommand for Cross {
    type Output = ();
    type Error = DatabaseError;

    fn name(&self) -> &'static str {
        "cross"
    }

    async fn run(
        &mut self,
        transaction: &mut Transaction,
        attempt: u32,
    ) -> Result<(), DatabaseError> {
        let update = "UPDATE public.account SET balance = balance + 1 WHERE id = $1";
        transaction
            .execute(statement(update, [self.first.into()]))
            .await?;
        if attempt == 1 {
            self.barrier.wait().await;
        }
        transaction
            .execute(statement(update, [self.second.into()]))
            .await?;
        Ok(())
    }
}

async fn observer(bank: &TestBank) -> Session {
    let observer = Session::open(bank.url()).await;
    observer
        .run(
            "CREATE TABLE public.account (id int PRIMARY KEY, balance int NOT NULL);
              INSERT INTO public.account SELECT n, 100 FROM generate_series(1, 9) AS n;
              CREATE TABLE public.other (id int PRIMARY KEY, note text);
              INSERT INTO public.other SELECT n FROM generate_series(1, 9) AS n;
              GRANT ALL ON public.account TO neobank_app",
        )
        .await;
    observer
}

async fn own_deadlock_is_in_the_log_and_in_the_count(bank: TestBank) {
    let observer = observer(&bank).await;
    let monitor = monitor_of(bank.url()).await;
    assert_eq!(
        monitor.deadlocks(24).await.unwrap().into_value().unwrap(),
        []
    );
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let cross = |first, second| Cross {
        first,
        second,
        barrier: std::sync::Arc::clone(&barrier),
    };
    let run = async |database: &Database, mut command: Cross| {
        database
            .retry(&RetryPolicy::default(), &mut command)
            .await
            .unwrap();
    };
    tokio::join!(
        run(&bank.database, cross(1, 2)),
        run(&bank.database, cross(2, 1))
    );
    let logged = monitor.deadlocks(24).await.unwrap().into_value().unwrap();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged[0].query_text.as_deref(), Some("cross"));
    let waits = logged[0].lock_info.as_ref().unwrap()["waits"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(waits.len(), 2, "both sides are logged: {waits:?}");
    let own = observer.rows("SELECT current_database()::text").await[0].get::<_, String>(0);
    until("the server's count", async || {
        let counts = monitor
            .deadlock_counts()
            .await
            .unwrap()
            .into_value()
            .unwrap();
        counts
            .iter()
            .any(|row| row.database == own && row.deadlocks == 1)
            .then_some(())
    })
    .await;
    // Older ones are omitted.
    observer.run("UPDATE concurrency.deadlock_log SET deadlock_time = clock_timestamp() - interval '25 hours'").await;
    assert_eq!(
        monitor.deadlocks(24).await.unwrap().into_value().unwrap(),
        []
    );
    assert_eq!(
        monitor
            .deadlocks(26)
            .await
            .unwrap()
            .into_value()
            .unwrap()
            .len(),
        1
    );
}

type RiskRow = (String, String, String, String, String, String);

/// Returns the risks among these sessions, from Rust and from SQL, which must be the same: `1 2
/// CERTAIN cycle`.
async fn risks(bank: &TestBank, observer: &Session, sessions: &[&Session]) -> BTreeSet<String> {
    let number = |pid: &str| {
        sessions
            .iter()
            .position(|session| session.pid.to_string() == pid)
            .map_or("?".to_owned(), |place| (place + 1).to_string())
    };
    // Serializable transactions of other tests may hold back a safe snapshot.
    let is_own = |row: &RiskRow| row.0 != "?" && (row.2 != "?" || row.3 != "has a snapshot");
    let monitor = monitor_of(bank.url()).await;
    let ours: BTreeSet<RiskRow> = monitor
        .deadlock_risks()
        .await
        .unwrap()
        .into_value()
        .unwrap()
        .into_iter()
        .map(|risk| {
            let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
            (
                number(&risk.first.to_string()),
                risk.first_locks,
                number(&risk.second.to_string()),
                risk.second_locks,
                word(serde_json::to_value(risk.level).unwrap()),
                word(serde_json::to_value(risk.risk).unwrap()),
            )
        })
        .filter(is_own)
        .collect();
    let sql = "SELECT session1_pid::text, session1_locks, session2_pid::text, session2_locks, risk_level, risk
               FROM concurrency.detect_deadlock_risk()";
    let theirs: BTreeSet<_> = observer
        .rows(sql)
        .await
        .iter()
        .map(|row| {
            (
                number(row.get(0)),
                row.get(1),
                number(row.get(2)),
                row.get(3),
                row.get(4),
                row.get(5),
            )
        })
        .filter(is_own)
        .collect();
    assert_eq!(ours, theirs);
    ours.into_iter()
        .map(|(first, _, second, _, level, risk)| format!("{first} {second} {level} {risk}"))
        .collect()
}

fn expected<const N: usize>(rows: [&str; N]) -> BTreeSet<String> {
    rows.into_iter().map(str::to_owned).collect()
}

async fn cycle_of_two_is_certain(bank: TestBank) {
    let observer = observer(&bank).await;
    let (a, b) = (
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
    );
    a.run("BEGIN; UPDATE public.account SET balance = 1 WHERE id = 1")
        .await;
    b.run("BEGIN; UPDATE public.account SET balance = 1 WHERE id = 2")
        .await;
    assert_eq!(risks(&bank, &observer, &[&a, &b]).await, expected([]));
    a.wait(
        &observer,
        "UPDATE public.account SET balance = 1 WHERE id = 2",
    )
    .await;
    // One wait is no risk as long as no session waits for the waiter.
    assert_eq!(risks(&bank, &observer, &[&a, &b]).await, expected([]));
    b.wait(
        &observer,
        "UPDATE public.account SET balance = 1 WHERE id = 1",
    )
    .await;
    assert_eq!(
        risks(&bank, &observer, &[&a, &b]).await,
        expected(["1 2 CERTAIN cycle", "2 1 CERTAIN cycle"])
    );
}

async fn cycle_of_three_is_certain(bank: TestBank) {
    let observer = observer(&bank).await;
    let mut sessions = Vec::new();
    for key in 1..=3 {
        let session = Session::open(bank.url()).await;
        session
            .run(&format!("BEGIN; SELECT pg_advisory_xact_lock({key})"))
            .await;
        sessions.push(session);
    }
    let all: Vec<&Session> = sessions.iter().collect();
    sessions[0]
        .wait(&observer, "SELECT pg_advisory_xact_lock(2)")
        .await;
    sessions[1]
        .wait(&observer, "SELECT pg_advisory_xact_lock(3)")
        .await;
    assert_eq!(
        risks(&bank, &observer, &all).await,
        expected(["2 3 MEDIUM hold_and_wait"])
    );
    sessions[2]
        .wait(&observer, "SELECT pg_advisory_xact_lock(1)")
        .await;
    assert_eq!(
        risks(&bank, &observer, &all).await,
        expected([
            "1 2 CERTAIN cycle",
            "2 3 CERTAIN cycle",
            "3 1 CERTAIN cycle"
        ])
    );
}

async fn cycle_through_a_safe_snapshot_is_unending(bank: TestBank) {
    let _alone = safe_snapshots().await;
    let observer = observer(&bank).await;
    let (a, b, c) = (
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
    );
    a.run("BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE public.account SET balance = 1 WHERE id = 1")
        .await;
    b.run("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; LOCK TABLE public.other IN ACCESS SHARE MODE")
        .await;
    b.wait(&observer, "SELECT * FROM public.account").await;
    // A only queues, behind C: in a cycle among locks the server would change the queue.
    c.wait(&observer, "BEGIN; LOCK TABLE public.other").await;
    a.wait(&observer, "SELECT * FROM public.other").await;
    assert_eq!(
        risks(&bank, &observer, &[&a, &b, &c]).await,
        expected([
            "1 3 CERTAIN unending_cycle",
            "2 1 CERTAIN unending_cycle",
            "3 2 CERTAIN unending_cycle"
        ])
    );
}

async fn hold_and_wait_is_a_risk(bank: TestBank) {
    let observer = observer(&bank).await;
    let (a, b, c) = (
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
        Session::open(bank.url()).await,
    );
    a.run("BEGIN; UPDATE public.account SET balance = 1 WHERE id = 1")
        .await;
    b.run("BEGIN; UPDATE public.account SET balance = 1 WHERE id = 2")
        .await;
    b.wait(
        &observer,
        "UPDATE public.account SET balance = 1 WHERE id = 1",
    )
    .await;
    c.wait(
        &observer,
        "BEGIN; UPDATE public.account SET balance = 1 WHERE id = 2",
    )
    .await;
    assert_eq!(
        risks(&bank, &observer, &[&a, &b, &c]).await,
        expected(["2 1 MEDIUM hold_and_wait"])
    );
}

async fn opposite_orders_of_two_tables_are_a_risk(bank: TestBank) {
    let observer = observer(&bank).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(Session::open(bank.url()).await);
    }
    let all: Vec<&Session> = sessions.iter().collect();
    // 3 and 4 hold the rows for which 1 and 2 wait; 1 and 2 use both tables, in different orders,
    // and other rows.
    sessions[2]
        .run("BEGIN; UPDATE public.other SET note = 'x' WHERE id = 9")
        .await;
    sessions[3]
        .run("BEGIN; UPDATE public.account SET balance = 0 WHERE id = 9")
        .await;
    sessions[0]
        .run("BEGIN; UPDATE public.account SET balance = 0 WHERE id = 1")
        .await;
    sessions[1]
        .run("BEGIN; UPDATE public.other SET note = 'x' WHERE id = 1")
        .await;
    sessions[0]
        .wait(&observer, "UPDATE public.other SET note = 'y' WHERE id = 9")
        .await;
    assert_eq!(risks(&bank, &observer, &all).await, expected([]));
    sessions[1]
        .wait(
            &observer,
            "UPDATE public.account SET balance = 1 WHERE id = 9",
        )
        .await;
    let found = risks(&bank, &observer, &all).await;
    assert!(
        found == expected(["1 2 HIGH lock_order_inversion"])
            || found == expected(["2 1 HIGH lock_order_inversion"]),
        "{found:?}"
    );
}

async fn opposite_orders_are_found_across_samples(bank: TestBank) {
    let observer = observer(&bank).await;
    let monitor = monitor_of(bank.url()).await;
    let mut history = LockOrderHistory::default();
    for (first, second) in [("account", "other"), ("other", "account")] {
        let (holder, waiter) = (
            Session::open(bank.url()).await,
            Session::open(bank.url()).await,
        );
        holder
            .run(&format!(
                "BEGIN; SELECT FROM public.{second} WHERE id = 9 FOR UPDATE"
            ))
            .await;
        waiter
            .run(&format!(
                "BEGIN; SELECT FROM public.{first} WHERE id = 1 FOR UPDATE"
            ))
            .await;
        waiter
            .wait(
                &observer,
                &format!("SELECT FROM public.{second} WHERE id = 9 FOR UPDATE"),
            )
            .await;
        let orders = monitor.lock_orders().await.unwrap().into_value().unwrap();
        history.observe(&orders);
        holder.run("ROLLBACK").await;
        waiter.run("ROLLBACK").await;
    }
    let pairs = history.inversions();
    assert_eq!(pairs, [("public.account", "public.other")]);
}

async fn window_out_of_range_is_rejected(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    for hours in [0, 87_601] {
        let error = monitor.deadlocks(hours).await.unwrap_err();
        assert!(
            matches!(&error, OpsError::Invalid { field, .. } if field == "window_hours"),
            "{error}"
        );
    }
    let empty = EmptyDatabase::on(bank.version).await;
    let elsewhere = monitor_of(&empty.url).await;
    assert_eq!(
        elsewhere
            .deadlocks(1)
            .await
            .unwrap()
            .reason()
            .unwrap()
            .cause,
        Cause::Missing
    );
}

/// More deadlocks than a list contains.
async fn total_counts_the_whole_log(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    session
        .run("INSERT INTO concurrency.deadlock_log (query_text) SELECT 'q' FROM generate_series(1, 1234)")
        .await;
    let monitor = monitor_of(bank.url()).await;
    let listed = monitor.deadlocks(1).await.unwrap();
    assert_eq!(listed.value().unwrap().len(), 1_000);
    let total = monitor.deadlock_total(1).await.unwrap();
    assert_eq!(total.value().unwrap().logged, 1_234);
    let check = crate::cli::program::run(bank.url(), &["ops", "deadlocks", "--check"]).await;
    assert!(check.out.contains("log_logged=1234"), "{}", check.out);
}

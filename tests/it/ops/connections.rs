//! Connections: owners, idle ones, and limits.

use std::time::Duration;

use neobank_db::DatabaseConfig;

use super::session::Session;
use super::{monitor_of, until};
use crate::harness::TestBank;

on_both_versions!(
    connections_of_the_server_are_counted,
    limit_with_the_highest_use_is_reported,
    every_state_is_counted,
    view_returns_the_same_rows,
    idle_time_counts_from_the_change_of_state,
    view_of_idle_connections_starts_at_five_minutes,
);

async fn connections_of_the_server_are_counted(bank: TestBank) {
    let monitor = monitor_of(bank.url()).await;
    let limits = monitor
        .connection_limits()
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert_eq!(
        (limits.max_connections, limits.reserved_connections),
        (600, 3)
    );
    assert_eq!(limits.usable_connections, 597);
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(Session::open(bank.url()).await);
    }
    let now = monitor
        .connection_limits()
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(now.used_connections >= 6, "{now:?}");
    assert_eq!(now.tightest_scope, "server");
}

/// The limit of a database or a role counts where its use is higher than the server's.
async fn limit_with_the_highest_use_is_reported(bank: TestBank) {
    let superuser = Session::open(bank.url()).await;
    let database = DatabaseConfig::from_url(bank.url()).unwrap().database;
    let role = format!("tight_{database}");
    superuser
        .run(&format!(
            "ALTER DATABASE {database} CONNECTION LIMIT 8;
             CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 1"
        ))
        .await;
    let monitor = monitor_of(bank.url()).await;
    let limits = async || {
        let limits = monitor.connection_limits().await.unwrap();
        limits.into_value().unwrap()
    };
    let mut held = vec![Session::open(bank.url()).await];
    until("the database is nearest to its limit", async || {
        let now = limits().await;
        let is_it = now.tightest_scope == "database" && now.tightest_used >= 3;
        is_it.then(|| {
            assert_eq!(now.tightest_name.as_deref(), Some(database.as_str()));
            assert_eq!((now.tightest_usable, now.usable_connections), (8, 597));
        })
    })
    .await;
    let mut thresholds = neobank_ops::Thresholds::default();
    thresholds.connections.usage_warning_percent = 30;
    let checks = monitor.server_health(&thresholds).await.unwrap();
    let check = &checks.value().unwrap()[0];
    assert_eq!(
        check.status,
        neobank_ops::checks::Severity::Warning,
        "{check:?}"
    );
    assert!(check.current_value.contains(&database), "{check:?}");
    let check = ["ops", "connections", "--check", "--warning", "30"];
    let shown = crate::cli::program::run(bank.url(), &check).await;
    assert_eq!(shown.code, 1, "{}", shown.out);
    assert!(shown.out.contains(&database), "{}", shown.out);
    let mut config = DatabaseConfig::from_url(bank.url())
        .unwrap()
        .with_password("x");
    config.user.clone_from(&role);
    config.pool_max = 1;
    let own = neobank_db::Database::connect(config).await.unwrap();
    let one = neobank_db::statement("SELECT 1", []);
    neobank_db::Executor::execute(&own, one).await.unwrap();
    until("the role has reached its limit", async || {
        let now = limits().await;
        let is_it = now.tightest_scope == "role" && now.tightest_used == 1;
        is_it.then(|| assert_eq!(now.tightest_name.as_deref(), Some(role.as_str())))
    })
    .await;
    own.close();
    drop(own);
    held.clear();
    let drop_role = format!("DROP ROLE {role}");
    superuser.run(&drop_role).await;
}

/// Opens a session with this `application_name`.
async fn named(bank: &TestBank, name: &str) -> Session {
    let session = Session::open(bank.url()).await;
    session
        .run(&format!(
            "SET application_name = '{}'",
            name.replace('\'', "''")
        ))
        .await;
    session
}

async fn every_state_is_counted(bank: TestBank) {
    let name = "o'pool\"; -- 🏦";
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(named(&bank, name).await);
    }
    sessions[0].run("BEGIN; SELECT 1").await;
    drop(sessions[1].send("BEGIN; SELECT 1/0"));
    drop(sessions[2].send("SELECT pg_sleep(60)"));
    sessions[3].run("SELECT pg_advisory_lock(1)").await;
    sessions[4]
        .wait(&sessions[5], "BEGIN; SELECT pg_advisory_xact_lock(1)")
        .await;
    let monitor = monitor_of(bank.url()).await;
    let own = sessions[5].rows("SELECT current_database()::text").await[0].get::<_, String>(0);
    let row = until("every state", async || {
        let rows = monitor
            .connection_analysis()
            .await
            .unwrap()
            .into_value()
            .unwrap();
        let row = rows.into_iter().find(|row| {
            row.database.as_deref() == Some(&own)
                && row.username.as_deref() == Some("postgres")
                && row.total_connections == 6
        })?;
        (row.aborted == 1 && row.active == 2).then_some(row)
    })
    .await;
    // The server writes characters outside of ASCII as question marks.
    assert!(
        row.application_name
            .as_deref()
            .unwrap()
            .starts_with("o'pool\"; -- ")
    );
    assert_eq!((row.total_connections, row.active, row.idle), (6, 2, 2));
    assert_eq!(
        (row.idle_in_transaction, row.aborted, row.other, row.hidden),
        (1, 1, 0, 0)
    );
    assert_eq!(row.waiting_for_lock, 1);
    assert!(row.client_address.is_none() || row.client_address.as_deref() == Some("127.0.0.1"));
    assert!(
        row.oldest_transaction_seconds.unwrap()
            <= row.average_connection_age_seconds.unwrap() + 60.0
    );
    assert!(row.longest_in_state_seconds.unwrap() >= 0.0);
}

async fn view_returns_the_same_rows(bank: TestBank) {
    let held = named(&bank, "viewed").await;
    held.run("BEGIN").await;
    let other = named(&bank, "viewed").await;
    let monitor = monitor_of(bank.url()).await;
    let row = until("both sessions at rest", async || {
        let rows = monitor
            .connection_analysis()
            .await
            .unwrap()
            .into_value()
            .unwrap();
        let row = rows
            .into_iter()
            .find(|row| row.application_name.as_deref() == Some("viewed"))?;
        (row.idle == 1 && row.idle_in_transaction == 1).then_some(row)
    })
    .await;
    let asker = Session::open(bank.url()).await;
    let view = asker
        .rows(
            "SELECT username, database, client_address, total_connections, active, idle, idle_in_transaction, aborted, other, hidden,
                    waiting_for_lock, avg_connection_age_seconds, max_seconds_in_current_state, oldest_transaction_seconds
             FROM pooling.v_connection_analysis WHERE application_name = 'viewed'",
        )
        .await;
    assert_eq!(view.len(), 1);
    let view = &view[0];
    assert_eq!(
        (view.get(0), view.get(1), view.get(2)),
        (
            row.username.clone(),
            row.database.clone(),
            row.client_address.clone()
        )
    );
    let counts: Vec<i64> = (3..=10).map(|column| view.get(column)).collect();
    let ours = [
        row.total_connections,
        row.active,
        row.idle,
        row.idle_in_transaction,
        row.aborted,
        row.other,
        row.hidden,
        row.waiting_for_lock,
    ];
    assert_eq!(counts, ours);
    // The view was read later.
    assert!(view.get::<_, f64>(11) >= row.average_connection_age_seconds.unwrap());
    assert!(view.get::<_, f64>(12) >= row.longest_in_state_seconds.unwrap());
    assert!(view.get::<_, f64>(13) >= row.oldest_transaction_seconds.unwrap());
    drop(other);
}

async fn idle_time_counts_from_the_change_of_state(bank: TestBank) {
    let (open, aborted, idle, busy) = (
        named(&bank, "open").await,
        named(&bank, "aborted").await,
        named(&bank, "idle").await,
        named(&bank, "busy").await,
    );
    open.run("BEGIN; SELECT 1").await;
    drop(aborted.send("BEGIN; SELECT 1/0"));
    drop(busy.send("SELECT pg_sleep(60)"));
    tokio::time::sleep(Duration::from_millis(600)).await;
    // A statement in between: the transaction is older than its idle time.
    open.run("SELECT 'last'").await;
    let monitor = monitor_of(bank.url()).await;
    let pids = [open.pid, aborted.pid, idle.pid, busy.pid];
    let rows: Vec<_> = monitor
        .idle_connections(Duration::ZERO)
        .await
        .unwrap()
        .into_value()
        .unwrap()
        .into_iter()
        .filter(|row| pids.contains(&row.process_id))
        .collect();
    let of = |session: &Session| rows.iter().find(|row| row.process_id == session.pid);
    assert!(of(&busy).is_none());
    assert_eq!(of(&idle).unwrap().state, "idle");
    assert_eq!(of(&idle).unwrap().transaction_seconds, None);
    assert_eq!(of(&aborted).unwrap().state, "idle in transaction (aborted)");
    let open_row = of(&open).unwrap();
    assert_eq!(
        (&*open_row.state, open_row.query.as_deref()),
        ("idle in transaction", Some("SELECT 'last'"))
    );
    assert!(
        open_row.transaction_seconds.unwrap() >= open_row.idle_seconds.unwrap() + 0.5,
        "{open_row:?}"
    );
    assert!(
        rows.is_sorted_by(|one, next| one.state_change <= next.state_change),
        "the longest first"
    );
    let none = monitor
        .idle_connections(Duration::from_secs(3600))
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(none.iter().all(|row| !pids.contains(&row.process_id)));
}

async fn view_of_idle_connections_starts_at_five_minutes(bank: TestBank) {
    let session = Session::open(bank.url()).await;
    let rows = session
        .rows("SELECT idle_seconds FROM pooling.v_idle_connections")
        .await;
    assert!(rows.iter().all(|row| row.get::<_, f64>(0) >= 300.0));
    // The same rows as the monitor's query for five minutes: the view's definition with another
    // time shows more.
    let definition = session
        .rows("SELECT pg_get_viewdef('pooling.v_idle_connections')")
        .await[0]
        .get::<_, String>(0);
    let sooner = definition.replace("(300)::double precision", "(0)::double precision");
    assert_ne!(sooner, definition);
    let idle = named(&bank, "view of idle").await;
    let found = session.rows(sooner.trim_end_matches(';')).await;
    let pids: Vec<i32> = found.iter().map(|row| row.get("pid")).collect();
    assert!(pids.contains(&idle.pid));
    assert!(!pids.contains(&session.pid), "it is active");
    let role = DatabaseConfig::from_url(bank.url())
        .unwrap()
        .with_role("neobank_read");
    let reader = neobank_db::Database::connect(role).await.unwrap();
    let sql = "SELECT count(*) FROM pooling.v_idle_connections";
    let _: i64 = neobank_db::Executor::fetch_value(&reader, neobank_db::statement(sql, []))
        .await
        .unwrap();
}

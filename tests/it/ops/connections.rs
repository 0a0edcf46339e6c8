//! P1: who is connected, and how many more may be.

use neobank_db::{Executor, statement};

use super::monitor_of;
use crate::harness::EmptyDatabase;

on_empty_databases!(the_servers_places_are_counted);

async fn the_servers_places_are_counted(database: EmptyDatabase) {
    let monitor = monitor_of(&database.url).await;
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
    assert!(limits.used_connections >= 1);
    let superuser = database.superuser().await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let transaction = superuser.begin().await.unwrap();
        transaction
            .execute(statement("SELECT 1", []))
            .await
            .unwrap();
        held.push(transaction);
    }
    let now = monitor
        .connection_limits()
        .await
        .unwrap()
        .into_value()
        .unwrap();
    assert!(now.used_connections >= 6, "{now:?}");
}

//! The table of the faults.

use std::time::Duration;

use futures_util::FutureExt;
use nix::sys::signal::Signal;

use super::Holds::{Afterwards, DeclaredLoss, StaleReads, Throughout, ThroughoutDirect};
use super::{
    Fault, access, client, clock, ddl, limits, locks, network, pooler, replication, server,
    settings,
};
use crate::bench::proxy::{AtCommit, Cut, Flow, Weather};

/// Returns all faults, by family.
pub(crate) fn all() -> Vec<Fault> {
    [
        server_faults(),
        client_faults(),
        network_faults(),
        pooler_faults(),
        resources_faults(),
        locks_faults(),
        maintenance_faults(),
        settings_faults(),
        access_faults(),
        clock_faults(),
        replication_faults(),
    ]
    .concat()
}

fn server_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "server-killed",
            family: "server",
            what: "The server's first process is killed (SIGKILL); its children end by themselves.",
            holds: Afterwards,
            lasts: 200,
            inject: |stage| server::ended(stage, Signal::SIGKILL).boxed(),
        },
        Fault {
            name: "server-immediate-stop",
            family: "server",
            what: "The server is stopped at once, without a checkpoint (SIGQUIT).",
            holds: Afterwards,
            lasts: 200,
            inject: |stage| server::ended(stage, Signal::SIGQUIT).boxed(),
        },
        Fault {
            name: "server-fast-stop",
            family: "server",
            what: "The server is stopped, and ends all sessions (SIGINT).",
            holds: Afterwards,
            lasts: 300,
            inject: |stage| server::ended(stage, Signal::SIGINT).boxed(),
        },
        Fault {
            name: "server-killed-in-recovery",
            family: "server",
            what: "The server is killed, and killed again while it recovers.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| server::killed_in_recovery(stage).boxed(),
        },
        Fault {
            name: "server-restarted-often",
            family: "server",
            what: "The server is restarted three times in a row.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| server::restarted(stage).boxed(),
        },
        Fault {
            name: "server-frozen",
            family: "server",
            what: "All processes of the server are stopped (SIGSTOP).",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| server::frozen(stage).boxed(),
        },
        Fault {
            name: "backend-killed",
            family: "server",
            what: "A server process of the load is killed (SIGKILL); the server recovers.",
            holds: Afterwards,
            lasts: 500,
            inject: |stage| server::backend_killed(stage).boxed(),
        },
        Fault {
            name: "backend-stopped",
            family: "server",
            what: "A busy server process of the load is stopped (SIGSTOP).",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| server::backends_stopped(stage, 1).boxed(),
        },
        Fault {
            name: "backends-stopped",
            family: "server",
            what: "Four server processes of the load are stopped (SIGSTOP).",
            holds: Afterwards,
            lasts: 2_000,
            inject: |stage| server::backends_stopped(stage, 4).boxed(),
        },
        Fault {
            name: "sessions-terminated",
            family: "server",
            what: "All sessions of the load are terminated, eight times.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| server::sessions(stage, "pg_terminate_backend").boxed(),
        },
        Fault {
            name: "statements-cancelled",
            family: "server",
            what: "All statements of the load are cancelled, eight times.",
            holds: Throughout,
            lasts: 100,
            inject: |stage| server::sessions(stage, "pg_cancel_backend").boxed(),
        },
        Fault {
            name: "walwriter-stopped",
            family: "server",
            what: "The server's walwriter is stopped (SIGSTOP).",
            holds: Throughout,
            lasts: 1_500,
            inject: |stage| server::auxiliary_stopped(stage, "walwriter").boxed(),
        },
        Fault {
            name: "checkpointer-stopped",
            family: "server",
            what: "The server's checkpointer is stopped (SIGSTOP).",
            holds: Throughout,
            lasts: 1_500,
            inject: |stage| server::auxiliary_stopped(stage, "checkpointer").boxed(),
        },
        Fault {
            name: "background-writer-stopped",
            family: "server",
            what: "The server's background writer is stopped (SIGSTOP).",
            holds: Throughout,
            lasts: 1_500,
            inject: |stage| server::auxiliary_stopped(stage, "background writer").boxed(),
        },
    ]
}

fn client_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "client-killed",
            family: "client",
            what: "A process of the load is killed (SIGKILL); a successor takes over.",
            holds: Afterwards,
            lasts: 300,
            inject: |stage| client::killed(stage, 1).boxed(),
        },
        Fault {
            name: "clients-killed",
            family: "client",
            what: "Every process of the load is killed (SIGKILL); successors take over.",
            holds: Afterwards,
            lasts: 300,
            inject: |stage| client::killed(stage, usize::MAX).boxed(),
        },
        Fault {
            name: "client-stopped",
            family: "client",
            what: "The process with direct connections is stopped (SIGSTOP), with its locks.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| client::stopped(stage, 0).boxed(),
        },
        Fault {
            name: "pooled-client-stopped",
            family: "client",
            what: "The process behind the pooler is stopped (SIGSTOP), with its locks.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| client::stopped(stage, 1).boxed(),
        },
        Fault {
            name: "calls-dropped",
            family: "client",
            what: "Callers drop their calls at any of their await points.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| client::dropped(stage).boxed(),
        },
    ]
}

fn network_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "network-cut",
            family: "network",
            what: "All connections are closed, five times.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| network::cut(stage, Cut::Close, 5).boxed(),
        },
        Fault {
            name: "network-reset",
            family: "network",
            what: "All connections are reset (RST), five times.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| network::cut(stage, Cut::Reset, 5).boxed(),
        },
        Fault {
            name: "network-half-closed",
            family: "network",
            what: "The server sees the end of each connection's stream, the client none.",
            holds: Afterwards,
            lasts: 500,
            inject: |stage| network::cut(stage, Cut::HalfClose, 2).boxed(),
        },
        Fault {
            name: "network-silent",
            family: "network",
            what: "No byte of any open connection arrives any more; new ones are sound.",
            holds: Afterwards,
            lasts: 3_000,
            inject: |stage| network::cut(stage, Cut::Silence, 1).boxed(),
        },
        Fault {
            name: "network-refused",
            family: "network",
            what: "All connections are reset, and new ones are closed at once.",
            holds: Afterwards,
            lasts: 1_200,
            inject: |stage| network::refused(stage).boxed(),
        },
        Fault {
            name: "network-stalled",
            family: "network",
            what: "No byte arrives in either direction for a while.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| network::weather(stage, network::stalled(true, true)).boxed(),
        },
        Fault {
            name: "network-stalled-to-server",
            family: "network",
            what: "What the clients send arrives late.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| network::weather(stage, network::stalled(true, false)).boxed(),
        },
        Fault {
            name: "network-stalled-to-client",
            family: "network",
            what: "What the server answers arrives late.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| network::weather(stage, network::stalled(false, true)).boxed(),
        },
        Fault {
            name: "network-slow",
            family: "network",
            what: "Each connection has 20,000 bytes a second.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| {
                network::weather(
                    stage,
                    network::both(Flow {
                        bytes_per_second: 20_000,
                        ..Flow::default()
                    }),
                )
                .boxed()
            },
        },
        Fault {
            name: "network-delayed",
            family: "network",
            what: "Each message is delayed by 10 to 40 ms.",
            holds: Throughout,
            lasts: 2_500,
            inject: |stage| {
                network::weather(
                    stage,
                    network::both(Flow {
                        delay: Duration::from_millis(10),
                        jitter: Duration::from_millis(30),
                        ..Flow::default()
                    }),
                )
                .boxed()
            },
        },
        Fault {
            name: "network-in-pieces",
            family: "network",
            what: "Messages arrive in pieces of 7 bytes.",
            holds: Throughout,
            lasts: 1_000,
            inject: |stage| {
                network::weather(
                    stage,
                    network::both(Flow {
                        chunk: 7,
                        ..Flow::default()
                    }),
                )
                .boxed()
            },
        },
        Fault {
            name: "network-corrupted",
            family: "network",
            what: "The type of every 150th message of the server is corrupted.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| {
                network::weather(
                    stage,
                    Weather {
                        to_client: Flow {
                            corrupts: 150,
                            ..Flow::default()
                        },
                        ..Weather::default()
                    },
                )
                .boxed()
            },
        },
        Fault {
            name: "commit-never-arrives",
            family: "network",
            what: "Every tenth commit is cut off before the server gets it.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| network::at_commit(stage, AtCommit::Before).boxed(),
        },
        Fault {
            name: "commit-cut-off",
            family: "network",
            what: "The connection is cut while every tenth commit is executed.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| network::at_commit(stage, AtCommit::During).boxed(),
        },
        Fault {
            name: "commit-answer-lost",
            family: "network",
            what: "The answer to every tenth commit is lost.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| network::at_commit(stage, AtCommit::After).boxed(),
        },
        Fault {
            name: "commit-late",
            family: "network",
            what: "Every tenth commit arrives 300 ms after its connection was cut.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| network::at_commit(stage, AtCommit::Late).boxed(),
        },
    ]
}

fn pooler_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "pooler-killed",
            family: "pooler",
            what: "PgBouncer is killed (SIGKILL).",
            holds: ThroughoutDirect,
            lasts: 800,
            inject: |stage| pooler::killed(stage).boxed(),
        },
        Fault {
            name: "pooler-stopped",
            family: "pooler",
            what: "PgBouncer's process is stopped (SIGSTOP), with its locks.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| pooler::stopped(stage).boxed(),
        },
        Fault {
            name: "pooler-paused",
            family: "pooler",
            what: "PgBouncer is paused: it waits for transactions, and lets none begin.",
            holds: ThroughoutDirect,
            lasts: 1_500,
            inject: |stage| pooler::command(stage, "PAUSE", "RESUME").boxed(),
        },
        Fault {
            name: "pooler-reconnects",
            family: "pooler",
            what: "PgBouncer replaces its connections to the server.",
            holds: Throughout,
            lasts: 500,
            inject: |stage| pooler::command(stage, "RECONNECT", "").boxed(),
        },
        Fault {
            name: "pooler-kills",
            family: "pooler",
            what: "PgBouncer drops all connections of the database, and takes no new ones.",
            holds: ThroughoutDirect,
            lasts: 800,
            inject: |stage| pooler::command(stage, "KILL bank", "RESUME bank").boxed(),
        },
        Fault {
            name: "pooler-of-one",
            family: "pooler",
            what: "PgBouncer has one connection to the server.",
            holds: ThroughoutDirect,
            lasts: 1_500,
            inject: |stage| {
                pooler::command(
                    stage,
                    "SET default_pool_size = 1",
                    "SET default_pool_size = 10",
                )
                .boxed()
            },
        },
    ]
}

fn resources_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "connections-exhausted",
            family: "resources",
            what: "All connections of the server are taken, those of the load too.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| limits::connections_exhausted(stage).boxed(),
        },
        Fault {
            name: "locks-exhausted",
            family: "resources",
            what: "The server's table of locks is full.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| limits::locks_exhausted(stage).boxed(),
        },
        Fault {
            name: "disk-full",
            family: "resources",
            what: "The file system of the server's data and log is full.",
            holds: Afterwards,
            lasts: 2_000,
            inject: |stage| limits::disk_full(stage).boxed(),
        },
        Fault {
            name: "prepared-transaction-left",
            family: "resources",
            what: "A prepared transaction of another program holds the hot account.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| limits::prepared_transaction(stage).boxed(),
        },
    ]
}

fn locks_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "account-locked",
            family: "locks",
            what: "An open transaction holds the row lock of the hot account.",
            holds: Throughout,
            lasts: 2_500,
            inject: |stage| {
                locks::held(
                    stage,
                    "SELECT 1 FROM banking.accounts WHERE account_id = $hot FOR UPDATE",
                )
                .boxed()
            },
        },
        Fault {
            name: "accounts-table-locked",
            family: "locks",
            what: "An open transaction holds the table of accounts.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| {
                locks::held(
                    stage,
                    "LOCK TABLE banking.accounts IN ACCESS EXCLUSIVE MODE",
                )
                .boxed()
            },
        },
        Fault {
            name: "journal-locked",
            family: "locks",
            what: "An open transaction locks the table of transfers against writes.",
            holds: Afterwards,
            lasts: 1_500,
            inject: |stage| {
                locks::held(stage, "LOCK TABLE banking.transfers IN SHARE MODE").boxed()
            },
        },
        Fault {
            name: "lock-holder-stopped",
            family: "locks",
            what: "A stopped server process holds the row lock of the hot account.",
            holds: Throughout,
            lasts: 2_500,
            inject: |stage| locks::held_by_stopped(stage).boxed(),
        },
        Fault {
            name: "advisory-locks-taken",
            family: "locks",
            what: "A stranger takes every advisory lock that it sees.",
            holds: Throughout,
            lasts: 1_500,
            inject: |stage| locks::advisory_taken(stage).boxed(),
        },
        Fault {
            name: "keys-held",
            family: "locks",
            what: "An open transaction has used every tenth of the load's next keys.",
            holds: Throughout,
            lasts: 2_500,
            inject: |stage| locks::keys_held(stage).boxed(),
        },
        Fault {
            name: "snapshot-held",
            family: "locks",
            what: "An open transaction holds an old snapshot.",
            holds: Throughout,
            lasts: 1_500,
            inject: |stage| {
                locks::held(stage, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM banking.transfers").boxed()
            },
        },
    ]
}

fn maintenance_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "column-added",
            family: "maintenance",
            what: "A column is added to the accounts, and dropped again.",
            holds: Afterwards,
            lasts: 600,
            inject: |stage| {
                ddl::run(
                    stage,
                    &["ALTER TABLE banking.accounts ADD COLUMN torture integer"],
                    "ALTER TABLE banking.accounts DROP COLUMN torture",
                )
                .boxed()
            },
        },
        Fault {
            name: "vacuum-full",
            family: "maintenance",
            what: "The accounts and the transfers are rewritten (VACUUM FULL).",
            holds: Afterwards,
            lasts: 200,
            inject: |stage| {
                ddl::run(
                    stage,
                    &[
                        "VACUUM FULL banking.accounts",
                        "VACUUM FULL banking.transfers",
                    ],
                    "",
                )
                .boxed()
            },
        },
        Fault {
            name: "reindexed",
            family: "maintenance",
            what: "The indexes of the journal are rebuilt (REINDEX), then without locks.",
            holds: Afterwards,
            lasts: 200,
            inject: |stage| {
                ddl::run(
                    stage,
                    &[
                        "REINDEX TABLE banking.transactions",
                        "REINDEX TABLE CONCURRENTLY banking.transfers",
                    ],
                    "",
                )
                .boxed()
            },
        },
        Fault {
            name: "index-created",
            family: "maintenance",
            what: "An index is created on the transfers, and dropped again.",
            holds: Afterwards,
            lasts: 300,
            inject: |stage| {
                ddl::run(
                    stage,
                    &["CREATE INDEX torture ON banking.transfers (amount)"],
                    "DROP INDEX banking.torture",
                )
                .boxed()
            },
        },
        Fault {
            name: "statistics-gathered",
            family: "maintenance",
            what: "Statistics are gathered, and all plans become invalid (ANALYZE).",
            holds: Throughout,
            lasts: 300,
            inject: |stage| ddl::run(stage, &["ANALYZE", "ANALYZE banking.accounts"], "").boxed(),
        },
        Fault {
            name: "schema-rolled-out",
            family: "maintenance",
            what: "The schema is rolled out again by its owner.",
            holds: Throughout,
            lasts: 300,
            inject: |stage| ddl::rolled_out(stage).boxed(),
        },
    ]
}

fn settings_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "setting-isolation",
            family: "settings",
            what: "The load's role defaults to serializable transactions.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| {
                settings::of_role(stage, "default_transaction_isolation = 'serializable'").boxed()
            },
        },
        Fault {
            name: "setting-read-only",
            family: "settings",
            what: "The load's role defaults to read-only transactions.",
            holds: Afterwards,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "default_transaction_read_only = on").boxed(),
        },
        Fault {
            name: "setting-statement-timeout",
            family: "settings",
            what: "The load's role has a statement timeout of 20 ms.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "statement_timeout = '20ms'").boxed(),
        },
        Fault {
            name: "setting-lock-timeout",
            family: "settings",
            what: "The load's role has a lock timeout of 1 ms.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "lock_timeout = '1ms'").boxed(),
        },
        Fault {
            name: "setting-idle-timeout",
            family: "settings",
            what: "The load's role has an idle timeout of 10 ms.",
            holds: Afterwards,
            lasts: 900,
            inject: |stage| {
                settings::of_role(stage, "idle_in_transaction_session_timeout = '10ms'").boxed()
            },
        },
        Fault {
            name: "setting-date-style",
            family: "settings",
            what: "The load's role reads and writes dates in another form.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "DateStyle = 'SQL, DMY'").boxed(),
        },
        Fault {
            name: "setting-search-path",
            family: "settings",
            what: "The load's role has another search path.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "search_path = 'evil', 'pg_catalog'").boxed(),
        },
        Fault {
            name: "setting-jit",
            family: "settings",
            what: "Every statement of the load's role is worth compiling.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "jit_above_cost = 0").boxed(),
        },
        Fault {
            name: "setting-work-mem",
            family: "settings",
            what: "The load's role has 64 kB of working memory.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "work_mem = '64kB'").boxed(),
        },
        Fault {
            name: "setting-messages",
            family: "settings",
            what: "The load's role gets no warnings.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| {
                settings::of_role(
                    stage,
                    "lc_messages = 'C'; ALTER ROLE teller SET client_min_messages = 'error'",
                )
                .boxed()
            },
        },
        Fault {
            name: "setting-time-zone",
            family: "settings",
            what: "The load's role is in another time zone.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| settings::of_role(stage, "TimeZone = 'Asia/Kathmandu'").boxed(),
        },
        Fault {
            name: "setting-plans",
            family: "settings",
            what: "The load's role has no nested loops and no index scans.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| {
                settings::of_role(
                    stage,
                    "enable_nestloop = off; ALTER ROLE teller SET enable_indexscan = off",
                )
                .boxed()
            },
        },
        Fault {
            name: "setting-strings",
            family: "settings",
            what: "The load's role reads and writes strings in an old form.",
            holds: Throughout,
            lasts: 900,
            inject: |stage| {
                settings::of_role(stage, "standard_conforming_strings = off; ALTER ROLE teller SET bytea_output = 'escape'").boxed()
            },
        },
        Fault {
            name: "setting-durability",
            family: "settings",
            what: "The load's role does not wait for the disk, and the server is killed.",
            holds: Afterwards,
            lasts: 300,
            inject: |stage| settings::of_role_and_crash(stage, "synchronous_commit = off").boxed(),
        },
    ]
}

fn access_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "password-rotated",
            family: "access",
            what: "The load's password is changed, and its sessions are ended.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| access::password_rotated(stage).boxed(),
        },
        Fault {
            name: "privileges-revoked",
            family: "access",
            what: "The load's role is no member of neobank_app for a while.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| {
                access::withdrawn(
                    stage,
                    "REVOKE neobank_app FROM teller",
                    "GRANT neobank_app TO teller",
                )
                .boxed()
            },
        },
        Fault {
            name: "login-revoked",
            family: "access",
            what: "The load's role may not log in for a while.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| {
                access::withdrawn(
                    stage,
                    "ALTER ROLE teller NOLOGIN",
                    "ALTER ROLE teller LOGIN",
                )
                .boxed()
            },
        },
        Fault {
            name: "database-closed",
            family: "access",
            what: "The database takes one connection for a while.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| {
                access::withdrawn(
                    stage,
                    "ALTER DATABASE bank CONNECTION LIMIT 1",
                    "ALTER DATABASE bank CONNECTION LIMIT -1",
                )
                .boxed()
            },
        },
    ]
}

fn replication_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "standby-lost",
            family: "replication",
            what: "The synchronous standby is stopped: commits wait.",
            holds: Afterwards,
            lasts: 2_500,
            inject: |stage| replication::standby_lost(stage).boxed(),
        },
        Fault {
            name: "standby-instead",
            family: "replication",
            what: "All connections lead to a standby for a while.",
            holds: StaleReads,
            lasts: 1_000,
            inject: |stage| replication::connected_to_standby(stage).boxed(),
        },
        Fault {
            name: "standby-wait-cancelled",
            family: "replication",
            what: "The synchronous standby is stopped, and the waits for it are cancelled.",
            holds: Afterwards,
            lasts: 500,
            inject: |stage| replication::wait_cancelled(stage).boxed(),
        },
        Fault {
            name: "failover-after-loss",
            family: "replication",
            what: "As standby-lost; waiting sessions end, the primary dies, the standby is promoted.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| replication::failover_after_loss(stage).boxed(),
        },
        Fault {
            name: "failover",
            family: "replication",
            what: "The primary is killed, and its synchronous standby promoted.",
            holds: Afterwards,
            lasts: 100,
            inject: |stage| replication::failover(stage).boxed(),
        },
        Fault {
            name: "failover-with-loss",
            family: "replication",
            what: "The primary is killed, and a standby that lags is promoted.",
            holds: DeclaredLoss,
            lasts: 100,
            inject: |stage| replication::lossy_failover(stage).boxed(),
        },
    ]
}

fn clock_faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "clock-forward",
            family: "clock",
            what: "The server's clock is an hour ahead, over a restart, and goes back.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| clock::shifted(stage, "+3600s").boxed(),
        },
        Fault {
            name: "clock-back",
            family: "clock",
            what: "The server's clock is an hour behind, over a restart, and goes forward.",
            holds: Afterwards,
            lasts: 1_000,
            inject: |stage| clock::shifted(stage, "-3600s").boxed(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_explained_in_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/torture.md");
        let page = std::fs::read_to_string(path).unwrap();
        let faults = super::all();
        let names: BTreeSet<_> = faults.iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), faults.len());
        for fault in &faults {
            let line = format!(
                "| `{}` | {} | {} |",
                fault.name,
                fault.what,
                fault.holds.text()
            );
            assert!(page.contains(&line), "not in docs/torture.md: {line}");
        }
        let count = format!("each of its {} faults", faults.len());
        assert!(page.contains(&count), "not in docs/torture.md: {count}");
    }
}

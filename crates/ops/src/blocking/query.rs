//! The query for sessions that wait for a lock, and for their blockers.
//!
//! The schema's `concurrency.analyse_locks()` shares its CTEs, from the lock tables to the waiting
//! sessions.

use neobank_entity::pg_catalog::{
    PgClass, PgDatabase, PgLocks, PgNamespace, PgPreparedXacts, PgStatActivity,
};
use sea_query::{
    Asterisk, BinOper, CommonTableExpression, Expr, ExprTrait, Func, JoinType, Order, Query,
    SelectStatement, UnionType, WithClause,
};

use super::participants::WAITERS_MAX;
use crate::sql::{
    coalesce, current_database, is_namespace_of, materialized, null, number, seconds_since, text,
};

/// The columns of `lock` that equal those of `pg_locks`.
const LOCK_COLUMNS: [PgLocks; 11] = [
    PgLocks::Locktype,
    PgLocks::Database,
    PgLocks::Relation,
    PgLocks::Page,
    PgLocks::Tuple,
    PgLocks::Classid,
    PgLocks::Objid,
    PgLocks::Objsubid,
    PgLocks::Mode,
    PgLocks::Granted,
    PgLocks::Waitstart,
];

/// Selects a row for each session that waits or blocks, and for each prepared transaction that
/// blocks.
pub(super) fn select() -> SelectStatement {
    let mut clause = WithClause::new();
    for part in shared_parts() {
        clause.cte(part);
    }
    clause.cte(materialized("hold", holds())).cte(involved());
    let mut query = Query::select();
    query.with_cte(clause);
    select_participant(&mut query);
    select_lock(&mut query);
    join_parts(&mut query);
    query
        .order_by(("involved", "pid"), Order::Asc)
        .order_by(("involved", "prepared"), Order::Asc)
        .take()
}

/// The CTEs that `concurrency.analyse_locks()` also contains.
pub(crate) fn shared_parts() -> [CommonTableExpression; 7] {
    [
        materialized("session", sessions()),
        materialized("all_locks", all_locks()),
        materialized("prepared_transaction", prepared_transactions()),
        materialized("lock", locks()),
        materialized("waiter", waiters()),
        materialized("snapshot_waiter", snapshot_waiters()),
        materialized("row_lock", row_locks()),
    ]
}

fn sessions() -> SelectStatement {
    let columns = [
        PgStatActivity::Pid,
        PgStatActivity::LeaderPid,
        PgStatActivity::Datname,
        PgStatActivity::Usename,
        PgStatActivity::ApplicationName,
        PgStatActivity::ClientAddr,
        PgStatActivity::BackendType,
        PgStatActivity::State,
        PgStatActivity::StateChange,
        PgStatActivity::XactStart,
        PgStatActivity::QueryStart,
        PgStatActivity::WaitEvent,
        PgStatActivity::Query,
    ];
    Query::select()
        .exprs(columns.map(|column| column.of("activity")))
        .from_as(PgStatActivity::TABLE, "activity")
        .take()
}

fn all_locks() -> SelectStatement {
    let held = |column: PgLocks| column.of("held");
    let others = [
        PgLocks::Pid,
        PgLocks::Virtualtransaction,
        PgLocks::Virtualxid,
        PgLocks::Transactionid,
    ];
    Query::select()
        .exprs(others.map(held))
        .exprs(LOCK_COLUMNS.map(held))
        .from_as(PgLocks::TABLE, "held")
        .and_where(held(PgLocks::Mode).ne(text("SIReadLock")))
        .take()
}

/// Selects prepared transactions. They have no process; their locks are found by the virtual
/// transaction that holds their transaction's own lock.
fn prepared_transactions() -> SelectStatement {
    let known = |column: PgPreparedXacts| column.of("known");
    let held = |column: PgLocks| column.of("held");
    let is_its_own_lock = held(PgLocks::Transactionid)
        .eq(known(PgPreparedXacts::Transaction))
        .and(held(PgLocks::Pid).is_null())
        .and(held(PgLocks::Locktype).eq(text("transactionid")));
    Query::select()
        .expr(held(PgLocks::Virtualtransaction))
        .expr_as(
            known(PgPreparedXacts::Transaction).cast_as("text"),
            "transaction_id",
        )
        .expr(known(PgPreparedXacts::Gid))
        .expr(known(PgPreparedXacts::Prepared))
        .expr(known(PgPreparedXacts::Owner))
        .expr(known(PgPreparedXacts::Database))
        .from_as(PgPreparedXacts::TABLE, "known")
        .join_as(JoinType::InnerJoin, "all_locks", "held", is_its_own_lock)
        .take()
}

/// Selects every lock with its process and its object. A parallel query's worker has its leader's
/// locks, as `pg_blocking_pids` counts them. Workers that apply changes in parallel also have a
/// leader, but lock on their own.
fn locks() -> SelectStatement {
    let held = |column: PgLocks| column.of("held");
    let leader = Expr::case(
        PgStatActivity::BackendType
            .of("session")
            .eq(text("parallel worker")),
        PgStatActivity::LeaderPid.of("session"),
    );
    let object = [
        PgLocks::Locktype,
        PgLocks::Database,
        PgLocks::Relation,
        PgLocks::Page,
        PgLocks::Tuple,
        PgLocks::Virtualxid,
        PgLocks::Transactionid,
        PgLocks::Classid,
        PgLocks::Objid,
        PgLocks::Objsubid,
    ];
    let is_of_prepared = held(PgLocks::Pid).is_null().and(
        Expr::col(("prepared_transaction", PgLocks::Virtualtransaction))
            .eq(held(PgLocks::Virtualtransaction)),
    );
    Query::select()
        .expr_as(
            Func::coalesce([leader.into(), held(PgLocks::Pid), number(0)]),
            "pid",
        )
        .expr_as(
            Expr::col(("prepared_transaction", "transaction_id")),
            "prepared",
        )
        .expr_as(
            object.map(held).into_iter().fold(
                Func::cust("pg_catalog.concat_ws").arg(text(":")),
                |call, part| call.arg(part),
            ),
            "object",
        )
        .exprs(LOCK_COLUMNS.map(held))
        .from_as("all_locks", "held")
        .left_join(
            "session",
            PgStatActivity::Pid.of("session").eq(held(PgLocks::Pid)),
        )
        .left_join("prepared_transaction", is_of_prepared)
        .take()
}

/// Selects sessions that wait for a lock, each with its blockers. `pg_blocking_pids` locks the
/// server's lock table for a moment, so the query calls it only for the [`WAITERS_MAX`] sessions
/// with the longest waits.
fn waiters() -> SelectStatement {
    let first = Query::select()
        .distinct_on([("lock", "pid")])
        .column(("lock", Asterisk))
        .from("lock")
        .and_where(PgLocks::Granted.of("lock").not())
        .order_by(("lock", "pid"), Order::Asc)
        .order_by(("lock", PgLocks::Waitstart), Order::Asc)
        .take();
    Query::select()
        .column(("oldest", Asterisk))
        .expr_as(
            Func::cust("pg_catalog.pg_blocking_pids").arg(Expr::col(("oldest", "pid"))),
            "blockers",
        )
        .from_subquery(first, "oldest")
        .order_by(("oldest", PgLocks::Waitstart), Order::Asc)
        .order_by(("oldest", "pid"), Order::Asc)
        .limit(WAITERS_MAX)
        .take()
}

/// Selects sessions that wait for a safe snapshot. The server hides the wait from a role without
/// the privilege, but the function returns the blockers.
fn snapshot_waiters() -> SelectStatement {
    let session = |column: PgStatActivity| column.of("session");
    let candidate = Query::select()
        .expr(session(PgStatActivity::Pid))
        .expr(session(PgStatActivity::QueryStart))
        .expr_as(
            Func::cust("pg_catalog.pg_safe_snapshot_blocking_pids")
                .arg(session(PgStatActivity::Pid)),
            "blockers",
        )
        .from("session")
        .and_where(
            session(PgStatActivity::WaitEvent)
                .eq(text("SafeSnapshot"))
                .or(session(PgStatActivity::WaitEvent)
                    .is_null()
                    .and(session(PgStatActivity::State).is_null())),
        )
        .limit(WAITERS_MAX)
        .take();
    Query::select()
        .columns([
            ("candidate", "pid"),
            ("candidate", "query_start"),
            ("candidate", "blockers"),
        ])
        .from_subquery(candidate, "candidate")
        .and_where(
            Expr::from(
                Func::cust("pg_catalog.cardinality").arg(Expr::col(("candidate", "blockers"))),
            )
            .gt(number(0)),
        )
        .take()
}

/// Selects the rows that sessions wait for: a session that waits for a row waits for the
/// transaction that wrote it, and holds the row's own lock during the wait.
fn row_locks() -> SelectStatement {
    let lock = |column: PgLocks| column.of("lock");
    let waiting = Query::select()
        .expr(PgLocks::Pid.of("waiter"))
        .from("waiter")
        .and_where(PgLocks::Locktype.of("waiter").eq(text("transactionid")))
        .take();
    let columns = [
        PgLocks::Pid,
        PgLocks::Database,
        PgLocks::Relation,
        PgLocks::Page,
        PgLocks::Tuple,
    ];
    let mut query = Query::select();
    query
        .distinct_on([("lock", PgLocks::Pid)])
        .exprs(columns.map(lock))
        .from("lock")
        .and_where(lock(PgLocks::Granted))
        .and_where(lock(PgLocks::Locktype).eq(text("tuple")))
        .and_where(lock(PgLocks::Pid).in_subquery(waiting));
    for column in [
        PgLocks::Pid,
        PgLocks::Relation,
        PgLocks::Page,
        PgLocks::Tuple,
    ] {
        query.order_by(("lock", column), Order::Asc);
    }
    query
}

/// Selects the held locks on objects that sessions wait for.
fn holds() -> SelectStatement {
    let awaited = Query::select()
        .column(("waiter", "object"))
        .from("waiter")
        .take();
    Query::select()
        .columns([("lock", "pid"), ("lock", "prepared")])
        .expr_as(
            Expr::cust_with_exprs(
                "pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('object', $1, 'mode', $2) ORDER BY $3, $4)",
                [
                    Expr::col(("lock", "object")),
                    PgLocks::Mode.of("lock"),
                    Expr::col(("lock", "object")),
                    PgLocks::Mode.of("lock"),
                ],
            ),
            "held",
        )
        .from("lock")
        .and_where(PgLocks::Granted.of("lock"))
        .and_where(Expr::col(("lock", "object")).in_subquery(awaited))
        .group_by_columns([("lock", "pid"), ("lock", "prepared")])
        .take()
}

/// Lists every session and prepared transaction in the result. A prepared transaction has no
/// process: its number is 0.
fn involved() -> CommonTableExpression {
    let waiting = |name: &'static str| {
        Query::select()
            .column((name, "pid"))
            .expr_as(null(), "prepared")
            .from(name)
            .take()
    };
    let unnested = |name: &'static str| {
        Query::select()
            .expr_as(
                Func::cust("pg_catalog.unnest").arg(Expr::col((name, "blockers"))),
                "pid",
            )
            .from(name)
            .take()
    };
    let blockers = unnested("waiter")
        .union(UnionType::All, unnested("snapshot_waiter"))
        .take();
    let blocking = Query::select()
        .column(("blocker", "pid"))
        .expr(null())
        .from_subquery(blockers, "blocker")
        .and_where(Expr::col(("blocker", "pid")).ne(number(0)))
        .take();
    let prepared = Query::select()
        .expr(number(0))
        .column(("hold", "prepared"))
        .from("hold")
        .and_where(Expr::col(("hold", "prepared")).is_not_null())
        .take();
    CommonTableExpression::new()
        .table_name("involved")
        .query(
            waiting("waiter")
                .union(UnionType::Distinct, waiting("snapshot_waiter"))
                .union(UnionType::Distinct, blocking)
                .union(UnionType::Distinct, prepared)
                .take(),
        )
        .to_owned()
}

/// Selects the participant's identity and times.
fn select_participant(query: &mut SelectStatement) {
    let session = |column: PgStatActivity| column.of("session");
    let prepared = |column: PgPreparedXacts| Expr::col(("prepared", column));
    let wait = Expr::case(waiter("pid").is_not_null(), text("lock")).case(
        Expr::col(("snapshot_waiter", "pid")).is_not_null(),
        text("safe_snapshot"),
    );
    query
        .column(("involved", "pid"))
        .expr_as(
            Expr::col(("involved", "prepared")),
            "prepared_transaction_id",
        )
        .expr_as(
            prepared(PgPreparedXacts::Gid).cast_as("text"),
            "prepared_name",
        )
        .expr_as(
            coalesce(
                session(PgStatActivity::Datname),
                prepared(PgPreparedXacts::Database),
            )
            .cast_as("text"),
            "database",
        )
        .expr_as(
            coalesce(
                session(PgStatActivity::Usename),
                prepared(PgPreparedXacts::Owner),
            )
            .cast_as("text"),
            "username",
        )
        .expr(session(PgStatActivity::ApplicationName))
        .expr_as(
            Func::cust("pg_catalog.host").arg(session(PgStatActivity::ClientAddr)),
            "client_address",
        )
        .expr(session(PgStatActivity::BackendType))
        .expr(session(PgStatActivity::State))
        .expr(session(PgStatActivity::Query))
        .expr_as(
            coalesce(
                session(PgStatActivity::XactStart),
                prepared(PgPreparedXacts::Prepared),
            ),
            "transaction_started_at",
        )
        .expr_as(wait, "wait")
        .expr_as(waiting_since(), "waiting_since")
        .expr_as(seconds_since(waiting_since()), "waiting_seconds");
}

/// Selects the participant's awaited lock, held locks and blockers.
fn select_lock(query: &mut SelectStatement) {
    let database = Expr::case(
        awaited(PgLocks::Database).ne(number(0)),
        PgDatabase::Datname.of("lock_database").cast_as("text"),
    );
    let waiting_processes = Query::select()
        .expr(Expr::col(("lock", "pid")).count_distinct())
        .from("lock")
        .and_where(PgLocks::Granted.of("lock").not())
        .take();
    query
        .expr_as(waiter("object"), "lock_object")
        .expr_as(waiter("locktype"), "lock_type")
        .expr_as(waiter("mode"), "lock_mode")
        .expr_as(database, "lock_database")
        .expr_as(
            PgNamespace::Nspname.of("namespace").cast_as("text"),
            "relation_schema",
        )
        .expr_as(
            PgClass::Relname.of("class").cast_as("text"),
            "relation_name",
        )
        .expr_as(awaited(PgLocks::Relation).cast_as("int8"), "relation_id")
        .expr_as(awaited(PgLocks::Page), "page")
        .expr_as(awaited(PgLocks::Tuple), "tuple")
        .expr_as(advisory_key(), "advisory_key")
        .expr_as(advisory_pair(), "advisory_pair")
        .expr_as(
            Func::coalesce([
                waiter("blockers"),
                Expr::col(("snapshot_waiter", "blockers")),
                text("{}"),
            ]),
            "blockers",
        )
        .expr_as(coalesce(Expr::col(("hold", "held")), text("[]")), "held")
        .expr_as(waiting_processes, "lock_waiters_total");
}

fn waiter(column: &'static str) -> Expr {
    Expr::col(("waiter", column))
}

/// Returns the start of a participant's wait: of the wait for a lock, or of the statement that
/// waits for a safe snapshot.
fn waiting_since() -> Expr {
    coalesce(
        waiter("waitstart"),
        Expr::col(("snapshot_waiter", "query_start")),
    )
}

/// Returns a column of the awaited lock, or of the row's own lock behind it.
fn awaited(column: PgLocks) -> Expr {
    coalesce(column.of("waiter"), column.of("row_lock"))
}

/// Returns the key of an advisory lock with one number of 64 bits.
fn advisory_key() -> Expr {
    let half = |column: PgLocks| column.of("waiter").cast_as("int8");
    let key = half(PgLocks::Classid)
        .left_shift(number(32))
        .bit_or(half(PgLocks::Objid));
    Expr::case(is_advisory(1), key).into()
}

/// Returns the key of an advisory lock with two signed numbers of 32 bits.
fn advisory_pair() -> Expr {
    let signed = |column: PgLocks| {
        Expr::cust_with_expr(
            "$1::pg_catalog.int8::bit(32)::pg_catalog.int4",
            column.of("waiter"),
        )
    };
    let pair = Func::cust("pg_catalog.format")
        .arg(text("(%s, %s)"))
        .arg(signed(PgLocks::Classid))
        .arg(signed(PgLocks::Objid));
    Expr::case(is_advisory(2), pair).into()
}

fn is_advisory(keys: i32) -> Expr {
    waiter("locktype")
        .eq(text("advisory"))
        .and(waiter("objsubid").eq(number(keys)))
}

/// Joins the CTEs, and the names of databases and relations. Names are known only for relations of
/// the monitor's own database, and for relations that all databases share.
fn join_parts(query: &mut SelectStatement) {
    let involved = |column: &'static str| Expr::col(("involved", column));
    let is_process = |name: &'static str| {
        Expr::col((name, "pid"))
            .eq(involved("pid"))
            .and(involved("prepared").is_null())
    };
    let same_prepared = is_distinct_not(Expr::col(("hold", "prepared")), involved("prepared"));
    let is_known = PgClass::Oid.of("class").eq(awaited(PgLocks::Relation)).and(
        awaited(PgLocks::Database)
            .eq(number(0))
            .or(PgDatabase::Datname
                .of("lock_database")
                .eq(current_database())),
    );
    query
        .from("involved")
        .left_join(
            "session",
            PgStatActivity::Pid.of("session").eq(involved("pid")),
        )
        .join_as(
            JoinType::LeftJoin,
            "prepared_transaction",
            "prepared",
            Expr::col(("prepared", "transaction_id")).eq(involved("prepared")),
        )
        .left_join("waiter", is_process("waiter"))
        .left_join("snapshot_waiter", is_process("snapshot_waiter"))
        .left_join(
            "hold",
            Expr::col(("hold", "pid"))
                .eq(involved("pid"))
                .and(same_prepared),
        )
        .left_join(
            "row_lock",
            Expr::col(("row_lock", "pid")).eq(involved("pid")),
        )
        .join_as(
            JoinType::LeftJoin,
            PgDatabase::TABLE,
            "lock_database",
            PgDatabase::Oid
                .of("lock_database")
                .eq(awaited(PgLocks::Database)),
        )
        .join_as(JoinType::LeftJoin, PgClass::TABLE, "class", is_known)
        .join_as(
            JoinType::LeftJoin,
            PgNamespace::TABLE,
            "namespace",
            is_namespace_of("namespace", "class"),
        );
}

/// `left IS NOT DISTINCT FROM right`.
fn is_distinct_not(left: Expr, right: Expr) -> Expr {
    left.binary(BinOper::Custom("IS NOT DISTINCT FROM"), right)
}

//! The query for the facts about each index from the catalog and the counters.

use neobank_entity::pg_catalog::{
    PgAm, PgAttribute, PgClass, PgConstraint, PgDatabase, PgIndex, PgLocks, PgNamespace,
    PgReplicationSlots, PgStatProgressCreateIndex, PgStatReplication,
};
use sea_query::extension::postgres::PgFunc;
use sea_query::{
    BinOper, Expr, ExprTrait, Func, FunctionCall, JoinType, Order, Query, SelectStatement,
    TableRef, WithClause,
};

use crate::arrays::texts;
use crate::server_version::ServerVersion;
use crate::sql::{
    always, any_row, clock, coalesce, current_database, is_distinct, is_namespace_of, materialized,
    null, number, own_database, own_process, seconds, text,
};

/// Selects a row for each index of an ordinary table or a materialized view.
pub(super) fn select(version: ServerVersion, schemas: Option<&[String]>) -> SelectStatement {
    let parts = WithClause::new()
        .cte(materialized("taken", taken()))
        .to_owned();
    let mut query = Query::select();
    query.with_cte(parts);
    select_index(&mut query);
    select_purpose(&mut query);
    select_definition(&mut query);
    select_use(&mut query, version);
    join_catalogs(&mut query);
    query
        .and_where(is_in(schemas))
        .order_by("schema_name", Order::Asc)
        .order_by("table_name", Order::Asc)
        .order_by("index_name", Order::Asc)
        .take()
}

fn entry(column: PgIndex) -> Expr {
    column.of("entry")
}

fn class(column: PgClass) -> Expr {
    column.of("class")
}

fn owner(column: PgClass) -> Expr {
    column.of("owner")
}

fn is_locked() -> Expr {
    Expr::col(("held", "is_locked"))
}

/// Selects the relations of this database that other sessions have locked: exclusively, or to build
/// an index. `VACUUM`, `ANALYZE` and others take the same lock as a build does, but only building
/// sessions are in this progress view, whatever else of it is hidden.
fn taken() -> SelectStatement {
    let lock = |column: PgLocks| column.of("lock");
    let builds = Query::select()
        .expr(PgStatProgressCreateIndex::Pid.of("build"))
        .from_as(PgStatProgressCreateIndex::TABLE, "build")
        .take();
    let modes = [
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "AccessExclusiveLock",
    ];
    let to_build = lock(PgLocks::Granted)
        .and(lock(PgLocks::Mode).is_in(modes.map(text)))
        .and(lock(PgLocks::Pid).in_subquery(builds));
    let any = |condition: Expr| Func::cust("pg_catalog.bool_or").arg(condition);
    Query::select()
        .expr(lock(PgLocks::Relation))
        .expr_as(
            any(lock(PgLocks::Mode).eq(text("AccessExclusiveLock"))),
            "wholly",
        )
        .expr_as(any(to_build), "to_build")
        .from_as(PgLocks::TABLE, "lock")
        .and_where(lock(PgLocks::Locktype).eq(text("relation")))
        .and_where(is_distinct(lock(PgLocks::Pid), own_process()))
        .and_where(lock(PgLocks::Database).eq(own_database()))
        .group_by_col(("lock", PgLocks::Relation))
        .take()
}

fn select_index(query: &mut SelectStatement) {
    let size = Expr::case(
        is_locked().not(),
        Func::cust("pg_catalog.pg_relation_size").arg(class(PgClass::Oid)),
    );
    query
        .expr_as(
            PgNamespace::Nspname.of("space").cast_as("text"),
            "schema_name",
        )
        .expr_as(owner(PgClass::Relname).cast_as("text"), "table_name")
        .expr_as(class(PgClass::Relname).cast_as("text"), "index_name")
        .expr_as(PgAm::Amname.of("method").cast_as("text"), "method")
        .expr_as(size, "size_bytes")
        .expr_as(entry(PgIndex::Indisvalid), "is_valid")
        .expr_as(entry(PgIndex::Indisready), "is_ready")
        .expr_as(is_being_built(), "is_being_built");
}

/// Returns the condition that an index of the table is being built. `REINDEX` builds indexes that
/// the progress view does not name, and the server hides from a role the table of others' progress;
/// every building session also holds a lock on the table.
fn is_being_built() -> Expr {
    let build = |column: PgStatProgressCreateIndex| column.of("build");
    let of_table = Query::select()
        .expr(any_row())
        .from_as(PgStatProgressCreateIndex::TABLE, "build")
        .and_where(build(PgStatProgressCreateIndex::Relid).eq(owner(PgClass::Oid)))
        .and_where(build(PgStatProgressCreateIndex::Datname).eq(current_database()))
        .take();
    coalesce(Expr::col(("of_table", "to_build")), Expr::cust("false")).or(Expr::exists(of_table))
}

/// Selects the purposes of the index beside queries.
fn select_purpose(query: &mut SelectStatement) {
    query
        .expr_as(entry(PgIndex::Indisunique), "is_unique")
        .expr_as(constraint_name(), "constraint_name")
        .expr_as(foreign_key_name(), "foreign_key_name")
        .expr_as(entry(PgIndex::Indisreplident), "is_replica_identity")
        .expr_as(entry(PgIndex::Indisclustered), "is_clustered")
        .expr_as(class(PgClass::Relispartition), "is_of_partition");
}

/// Returns the constraint that the index enforces. It is found by the table, on which the catalog
/// has an index; a foreign key names the other table's index too.
fn constraint_name() -> Expr {
    let rule = |column: PgConstraint| column.of("rule");
    let name = Query::select()
        .expr(rule(PgConstraint::Conname).cast_as("text"))
        .from_as(PgConstraint::TABLE, "rule")
        .and_where(rule(PgConstraint::Conrelid).eq(owner(PgClass::Oid)))
        .and_where(rule(PgConstraint::Conindid).eq(class(PgClass::Oid)))
        .and_where(rule(PgConstraint::Contype).is_in(["p", "u", "x"].map(text)))
        .limit(1)
        .take();
    let can_enforce = entry(PgIndex::Indisunique).or(entry(PgIndex::Indisexclusion));
    Expr::case(can_enforce, name).into()
}

/// Returns the foreign key whose rows the index finds when the referenced table changes; no counter
/// shows how slow such changes are without it. A table with a foreign key has triggers, and this
/// flag spares all other tables the search.
fn foreign_key_name() -> Expr {
    let rule = |column: PgConstraint| column.of("rule");
    let count = || Func::cust("pg_catalog.cardinality").arg(rule(PgConstraint::Conkey));
    let first_keys = Expr::cust_with_exprs(
        "($1::pg_catalog.int2[]) $2",
        [
            entry(PgIndex::Indkey),
            Expr::cust("[0:pg_catalog.cardinality(rule.conkey) - 1]"),
        ],
    );
    let name = Query::select()
        .expr(rule(PgConstraint::Conname).cast_as("text"))
        .from_as(PgConstraint::TABLE, "rule")
        .and_where(rule(PgConstraint::Conrelid).eq(owner(PgClass::Oid)))
        .and_where(rule(PgConstraint::Contype).eq(text("f")))
        .and_where(Expr::from(count()).lte(entry(PgIndex::Indnkeyatts)))
        .and_where(
            rule(PgConstraint::Conkey)
                .binary(BinOper::Custom("OPERATOR(pg_catalog.<@)"), first_keys),
        )
        .order_by(("rule", PgConstraint::Conname), Order::Asc)
        .limit(1)
        .take();
    let can_find = owner(PgClass::Relhastriggers).and(entry(PgIndex::Indpred).is_null());
    Expr::case(can_find, name).into()
}

fn select_definition(query: &mut SelectStatement) {
    let predicate = Func::cust("pg_catalog.pg_get_expr")
        .arg(entry(PgIndex::Indpred))
        .arg(entry(PgIndex::Indrelid));
    let predicate = Expr::case(entry(PgIndex::Indpred).is_null(), null())
        .case(is_locked().not(), predicate)
        .finally(unknown());
    query
        .expr_as(keys(), "keys")
        .expr_as(included(), "included")
        .expr_as(predicate, "predicate");
}

/// A placeholder for an expression that is not read, because the wait for a lock would be long; it
/// is different for each index.
fn unknown() -> FunctionCall {
    Func::cust("pg_catalog.concat")
        .arg(text("unknown:"))
        .arg(class(PgClass::Oid))
}

/// Returns the positions of an index's columns, counted from 0.
fn places(first: Expr, end: Expr) -> TableRef {
    let series = Func::cust("pg_catalog.generate_series")
        .arg(first)
        .arg(end.sub(number(1)));
    TableRef::FunctionCall(series, "place".into())
}

fn place() -> Expr {
    Expr::col(("place", "place"))
}

/// Returns the element of a vector of the index at a position. The brackets are an expression of
/// their own, because sea-query takes text in brackets for a quoted name.
fn at_place(vector: PgIndex) -> Expr {
    Expr::cust_with_exprs("$1 $2", [entry(vector), Expr::cust("[place.place]")])
}

fn is_field_of_place() -> Expr {
    PgAttribute::Attrelid
        .of("field")
        .eq(owner(PgClass::Oid))
        .and(
            PgAttribute::Attnum
                .of("field")
                .eq(at_place(PgIndex::Indkey)),
        )
}

fn field_name() -> FunctionCall {
    Func::cust("pg_catalog.quote_ident").arg(PgAttribute::Attname.of("field"))
}

fn array(query: SelectStatement) -> Expr {
    Expr::cust_with_expr("ARRAY $1", query)
}

/// Returns each key as a text: its column or expression, operator class, collation and order.
fn keys() -> Expr {
    let name = Query::select()
        .expr(field_name())
        .from_as(PgAttribute::TABLE, "field")
        .and_where(is_field_of_place())
        .take();
    let expression = Func::cust("pg_catalog.pg_get_indexdef")
        .arg(class(PgClass::Oid))
        .arg(place().add(number(1)))
        .arg(Expr::cust("false"));
    let key = Expr::case(at_place(PgIndex::Indkey).ne(number(0)), name)
        .case(is_locked().not(), expression)
        .finally(unknown());
    let described = Func::cust("pg_catalog.concat")
        .arg(key)
        .arg(text(" "))
        .arg(at_place(PgIndex::Indclass))
        .arg(text(" "))
        .arg(at_place(PgIndex::Indcollation))
        .arg(text(" "))
        .arg(at_place(PgIndex::Indoption));
    array(
        Query::select()
            .expr(described)
            .from(places(number(0), entry(PgIndex::Indnkeyatts)))
            .order_by(("place", "place"), Order::Asc)
            .take(),
    )
}

/// Returns the columns of the index that are no keys.
fn included() -> Expr {
    let names = Query::select()
        .expr(field_name())
        .from(places(
            entry(PgIndex::Indnkeyatts),
            entry(PgIndex::Indnatts),
        ))
        .join_as(
            JoinType::InnerJoin,
            PgAttribute::TABLE,
            "field",
            is_field_of_place(),
        )
        .order_by(("place", "place"), Order::Asc)
        .take();
    let has_some = entry(PgIndex::Indnatts).gt(entry(PgIndex::Indnkeyatts));
    Expr::case(has_some, array(names))
        .finally(Expr::cust("ARRAY[]::pg_catalog.text[]"))
        .into()
}

fn select_use(query: &mut SelectStatement, version: ServerVersion) {
    let last_scan = if version.major() >= 16 {
        Func::cust("pg_catalog.pg_stat_get_lastscan")
            .arg(class(PgClass::Oid))
            .into()
    } else {
        Expr::cust("NULL::pg_catalog.timestamptz")
    };
    // The counters are at least as old as the server's start, unless they were reset since.
    let counted_since = Func::greatest([
        Func::cust("pg_catalog.pg_postmaster_start_time").into(),
        reset_at(),
    ]);
    query
        .expr_as(
            Func::cust("pg_catalog.pg_stat_get_numscans").arg(class(PgClass::Oid)),
            "scans",
        )
        .expr_as(last_scan, "last_scan")
        .expr_as(reset_at(), "counted_since")
        .expr_as(seconds(clock().sub(counted_since)), "counted_seconds")
        .expr_as(has_standbys(), "has_standbys");
}

/// Returns the time when the counters of this database were reset.
fn reset_at() -> Expr {
    let reset =
        Func::cust("pg_catalog.pg_stat_get_db_stat_reset_time").arg(PgDatabase::Oid.of("own"));
    Query::select()
        .expr(reset)
        .from_as(PgDatabase::TABLE, "own")
        .and_where(PgDatabase::Datname.of("own").eq(current_database()))
        .take()
        .into()
}

fn has_standbys() -> Expr {
    let slots = Query::select()
        .expr(any_row())
        .from_as(PgReplicationSlots::TABLE, "slot")
        .and_where(PgReplicationSlots::SlotType.of("slot").eq(text("physical")))
        .take();
    let senders = Query::select()
        .expr(any_row())
        .from(PgStatReplication::TABLE)
        .take();
    Expr::from(Func::cust("pg_catalog.pg_is_in_recovery"))
        .or(Expr::exists(slots))
        .or(Expr::exists(senders))
}

/// Joins the catalogs, and the locks of other sessions. Reading the size and the expressions of a
/// relation would wait for a session that has locked it exclusively, or that waits for such a lock.
fn join_catalogs(query: &mut SelectStatement) {
    let is_index = class(PgClass::Oid)
        .eq(entry(PgIndex::Indexrelid))
        .and(class(PgClass::Relkind).eq(text("i")));
    let is_table = owner(PgClass::Oid)
        .eq(entry(PgIndex::Indrelid))
        .and(owner(PgClass::Relkind).is_in([text("r"), text("m")]))
        .and(owner(PgClass::Relpersistence).ne(text("t")));
    let wholly = |name: &'static str| coalesce(Expr::col((name, "wholly")), Expr::cust("false"));
    let held = Query::select()
        .expr_as(wholly("of_table").or(wholly("of_index")), "is_locked")
        .take();
    query
        .from_as(PgIndex::TABLE, "entry")
        .join_as(JoinType::InnerJoin, PgClass::TABLE, "class", is_index)
        .join_as(JoinType::InnerJoin, PgClass::TABLE, "owner", is_table)
        .join_as(
            JoinType::InnerJoin,
            PgAm::TABLE,
            "method",
            PgAm::Oid.of("method").eq(class(PgClass::Relam)),
        )
        .join_as(
            JoinType::InnerJoin,
            PgNamespace::TABLE,
            "space",
            is_namespace_of("space", "owner"),
        )
        .join_as(
            JoinType::LeftJoin,
            "taken",
            "of_table",
            PgLocks::Relation.of("of_table").eq(owner(PgClass::Oid)),
        )
        .join_as(
            JoinType::LeftJoin,
            "taken",
            "of_index",
            PgLocks::Relation.of("of_index").eq(class(PgClass::Oid)),
        )
        .join_lateral(JoinType::InnerJoin, held, "held", always());
}

/// Returns the condition that a table is in one of the schemas; without schemas, in any but the
/// system's.
fn is_in(schemas: Option<&[String]>) -> Expr {
    let schema = || PgNamespace::Nspname.of("space");
    if schemas.is_some() {
        return schema().eq(PgFunc::any(Expr::val(texts(schemas))));
    }
    let is_system = Func::cust("pg_catalog.starts_with")
        .arg(schema())
        .arg(text("pg_"));
    Expr::from(is_system)
        .not()
        .and(schema().ne(text("information_schema")))
}

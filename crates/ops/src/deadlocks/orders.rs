//! The order in which sessions take their locks.

use std::collections::BTreeMap;

use neobank_db::{FromRow, Statement};
use neobank_entity::pg_catalog::{PgClass, PgLocks, PgNamespace};
use sea_query::{
    Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, UnionType, WithClause,
};
use serde::Serialize;

use crate::error::OpsError;
use crate::monitor::{Monitor, build};
use crate::section::Section;
use crate::sql::{is_namespace_of, materialized, own_database, text};

/// The greatest number of different pairs of locks in a history; it ignores further pairs, so that
/// its memory is bounded.
pub const PAIRS_MAX: usize = 10_000;

/// An order of two locks: the session holds one and waits for the other. The locks are tables
/// (whatever rows of them) and advisory locks of the monitor's own database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct LockOrder {
    /// The session's process identifier.
    pub process_id: i32,
    /// The held lock, in a mode stronger than reading.
    pub held: String,
    /// The awaited lock, or the table of the awaited row.
    pub wanted: String,
}

/// Returns the SQL for the orders of all sessions that wait now.
#[must_use]
pub fn statement() -> Statement {
    build(&select())
}

/// Builds the query, which the schema's `concurrency.detect_deadlock_risk()` also contains.
pub(crate) fn select() -> SelectStatement {
    let parts = WithClause::new()
        .cte(materialized("held", held()))
        .cte(materialized("thing", things()))
        .cte(materialized("wanted", wanted()))
        .to_owned();
    let is_held = Expr::col(("thing", PgLocks::Pid))
        .equals(("wanted", PgLocks::Pid))
        .and(PgLocks::Granted.of("thing"))
        .and(PgLocks::Mode.of("thing").ne(text("AccessShareLock")))
        .and(
            PgLocks::Locktype
                .of("thing")
                .is_in([text("relation"), text("advisory")]),
        );
    Query::select()
        .with_cte(parts)
        .distinct()
        .expr_as(PgLocks::Pid.of("wanted"), "process_id")
        .expr_as(Expr::col(("thing", "name")), "held")
        .expr_as(Expr::col(("wanted", "name")), "wanted")
        .from("wanted")
        .inner_join("thing", is_held)
        .and_where(Expr::col(("thing", "name")).not_equals(("wanted", "name")))
        .order_by("process_id", Order::Asc)
        .order_by("held", Order::Asc)
        .order_by("wanted", Order::Asc)
        .take()
}

/// Selects the locks in this database of all sessions that wait.
fn held() -> SelectStatement {
    let lock = |column: PgLocks| column.of("lock");
    let waiting = Query::select()
        .expr(PgLocks::Pid.of("waiting"))
        .from_as(PgLocks::TABLE, "waiting")
        .and_where(PgLocks::Granted.of("waiting").not())
        .take();
    let kinds = ["relation", "tuple", "transactionid", "advisory"];
    let columns = [
        PgLocks::Pid,
        PgLocks::Locktype,
        PgLocks::Relation,
        PgLocks::Classid,
        PgLocks::Objid,
        PgLocks::Objsubid,
        PgLocks::Mode,
        PgLocks::Granted,
    ];
    Query::select()
        .exprs(columns.map(lock))
        .from_as(PgLocks::TABLE, "lock")
        .and_where(lock(PgLocks::Pid).in_subquery(waiting))
        .and_where(lock(PgLocks::Locktype).is_in(kinds.map(text)))
        .and_where(
            lock(PgLocks::Locktype)
                .eq(text("transactionid"))
                .or(lock(PgLocks::Database).eq(own_database())),
        )
        .take()
}

/// Selects those locks with the names of their tables, or of their advisory keys.
fn things() -> SelectStatement {
    let held = |column: PgLocks| column.of("held");
    let is_advisory = || held(PgLocks::Locktype).eq(text("advisory"));
    let advisory_name = Func::cust("pg_catalog.format")
        .arg(text("advisory %s %s %s"))
        .arg(held(PgLocks::Classid))
        .arg(held(PgLocks::Objid))
        .arg(held(PgLocks::Objsubid));
    let table_name = Func::cust("pg_catalog.format")
        .arg(text("%I.%I"))
        .arg(PgNamespace::Nspname.of("namespace"))
        .arg(PgClass::Relname.of("class"));
    let is_table = PgClass::Oid
        .of("class")
        .eq(held(PgLocks::Relation))
        .and(PgClass::Relkind.of("class").is_in([text("r"), text("p")]));
    let columns = [
        PgLocks::Pid,
        PgLocks::Locktype,
        PgLocks::Mode,
        PgLocks::Granted,
    ];
    Query::select()
        .exprs(columns.map(held))
        .expr_as(
            Expr::case(is_advisory(), advisory_name).finally(table_name),
            "name",
        )
        .from("held")
        .join_as(JoinType::LeftJoin, PgClass::TABLE, "class", is_table)
        .join_as(
            JoinType::LeftJoin,
            PgNamespace::TABLE,
            "namespace",
            is_namespace_of("namespace", "class"),
        )
        .and_where(is_advisory().or(PgClass::Oid.of("class").is_not_null()))
        .take()
}

/// Selects the awaited locks. A session that waits for a row waits for the transaction that wrote
/// it, and holds the row's own lock during the wait.
fn wanted() -> SelectStatement {
    let named = || {
        Query::select()
            .expr(PgLocks::Pid.of("thing"))
            .expr(Expr::col(("thing", "name")))
            .from("thing")
            .take()
    };
    let waits_for_transaction = PgLocks::Pid
        .of("waiting")
        .eq(PgLocks::Pid.of("thing"))
        .and(PgLocks::Granted.of("waiting").not())
        .and(PgLocks::Locktype.of("waiting").eq(text("transactionid")));
    let rows = named()
        .join_as(
            JoinType::InnerJoin,
            "held",
            "waiting",
            waits_for_transaction,
        )
        .and_where(PgLocks::Granted.of("thing"))
        .and_where(PgLocks::Locktype.of("thing").eq(text("tuple")))
        .take();
    named()
        .and_where(PgLocks::Granted.of("thing").not())
        .union(UnionType::Distinct, rows)
        .take()
}

/// The orders in several samples: two sessions are a risk to each other also when they do not wait
/// at the same time.
///
/// # Example
///
/// ```
/// use neobank_ops::deadlocks::LockOrderHistory;
///
/// let mut history = LockOrderHistory::default();
/// history.observe_pair("banking.accounts", "banking.customers");
/// assert!(history.inversions().is_empty());
/// history.observe_pair("banking.customers", "banking.accounts");
/// assert_eq!(history.inversions(), [("banking.accounts", "banking.customers")]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct LockOrderHistory {
    /// The number of samples with each order.
    seen: BTreeMap<(String, String), u64>,
}

impl LockOrderHistory {
    /// Adds a sample.
    pub fn observe(&mut self, sample: &[LockOrder]) {
        for order in sample {
            self.observe_pair(&order.held, &order.wanted);
        }
    }

    /// Adds one order: a session held `held` when it requested `wanted`.
    pub fn observe_pair(&mut self, held: &str, wanted: &str) {
        let pair = (held.to_owned(), wanted.to_owned());
        if held != wanted && (self.seen.len() < PAIRS_MAX || self.seen.contains_key(&pair)) {
            *self.seen.entry(pair).or_default() += 1;
        }
    }

    /// Returns the pairs that were seen in both orders, each once, in alphabetical order.
    #[must_use]
    pub fn inversions(&self) -> Vec<(&str, &str)> {
        self.seen
            .keys()
            .filter(|(held, wanted)| {
                held < wanted && self.seen.contains_key(&(wanted.clone(), held.clone()))
            })
            .map(|(held, wanted)| (held.as_str(), wanted.as_str()))
            .collect()
    }
}

impl Monitor {
    /// Reads the orders of all sessions that wait now, for a [`LockOrderHistory`].
    ///
    /// # Errors
    ///
    /// As [`Monitor::section`].
    pub async fn lock_orders(&self) -> Result<Section<Vec<LockOrder>>, OpsError> {
        self.section(statement()).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("lock_orders", readable(&statement()));
    }

    #[test]
    fn history_has_a_limit() {
        let mut history = LockOrderHistory::default();
        for number in 0..PAIRS_MAX + 10 {
            history.observe_pair("a", &number.to_string());
        }
        assert_eq!(history.seen.len(), PAIRS_MAX);
        history.observe_pair("a", "0");
        assert_eq!(history.seen[&("a".to_owned(), "0".to_owned())], 2);
    }

    proptest! {
        /// Transactions that take any set of locks in one order have no inversion.
        #[test]
        fn one_order_has_no_inversion(needs in proptest::collection::vec(proptest::collection::btree_set(0_u8..20, 2..5), 0..40)) {
            let mut history = LockOrderHistory::default();
            for need in needs {
                let names: Vec<String> = need.iter().map(|number| format!("{number:02}")).collect();
                for pair in names.windows(2) {
                    history.observe_pair(&pair[0], &pair[1]);
                }
            }
            prop_assert!(history.inversions().is_empty());
        }

        #[test]
        fn both_orders_are_found_among_other_orders(between in proptest::collection::vec(("[a-d]", "[a-d]"), 0..20)) {
            let mut history = LockOrderHistory::default();
            history.observe_pair("x", "y");
            for (held, wanted) in between {
                history.observe_pair(&held, &wanted);
            }
            history.observe_pair("y", "x");
            prop_assert!(history.inversions().contains(&("x", "y")));
        }
    }
}

//! The texts of the ledger's statements on tables, built once from the generated entities.
//!
//! Every function and operator has the name of its schema, so that no `search_path` finds another
//! one. The parameter `$1` is the list of accounts, keys or transfers.

use std::sync::LazyLock;

use neobank_db::Statement;
use neobank_entity::banking::{accounts, hold_events, holds, transactions, transfers};
use neobank_entity::enums::{AccountStatus, HoldStatus};
use sea_query::{
    Asterisk, BinOper, Condition, Expr, ExprTrait, Func, IntoColumnRef, JoinType, LockBehavior,
    LockType, Order, PostgresQueryBuilder, Query, SelectStatement, TableRef, UnionType,
};

/// The server's time, in the rows of [`LOCK_ACCOUNTS`].
pub(super) const NOW: &str = "now";
/// Columns of [`COMPLETED_TRANSFERS`]: the identifiers of both entries, and the balances after them.
pub(super) const DEBIT_ID: &str = "debit_id";
pub(super) const CREDIT_ID: &str = "credit_id";
pub(super) const FROM_BALANCE: &str = "from_balance";
pub(super) const TO_BALANCE: &str = "to_balance";
/// The sum of a transfer's reversals, in the rows of [`ORIGINAL_TRANSFERS`].
pub(super) const REVERSED: &str = "reversed";

/// The elements of the list, one row for each.
const WANTED: &str = "wanted";
const ACCOUNT: &str = "account";
const TRANSFER: &str = "transfer";
const DEBIT: &str = "debit";
const CREDIT: &str = "credit";
/// An account that no other session has locked.
const FREE: &str = "free";
const HOLD: &str = "hold";
const EVENT: &str = "event";
const REVERSAL: &str = "reversal";

const EQUAL: &str = "OPERATOR(pg_catalog.=)";
const UNEQUAL: &str = "OPERATOR(pg_catalog.<>)";

/// The columns of an account that a decision reads.
const ACCOUNT_COLUMNS: [accounts::Column; 12] = {
    use accounts::Column as C;
    [
        C::AccountId,
        C::AccountNumber,
        C::CurrencyCode,
        C::AccountStatus,
        C::CurrentBalance,
        C::HeldBalance,
        C::OverdraftLimit,
        C::LastEntryNumber,
        C::LastEntryAt,
        C::OpenedAt,
        C::Version,
        C::HasLimits,
    ]
};

/// The server's clock.
const CLOCK: &str = "pg_catalog.clock_timestamp";

/// Reads the server's clock.
pub(super) fn server_time() -> Statement {
    Statement::from_query(Query::select().expr_as(Func::cust(CLOCK), NOW))
}

/// Locks accounts in the order of their identifiers, and reads them.
pub(super) static LOCK_ACCOUNTS: LazyLock<String> = LazyLock::new(|| {
    let mut query = account_columns(accounts::Entity.table_ref(), accounts::Entity::NAME);
    query
        .expr_as(Func::cust(CLOCK), NOW)
        .and_where(is_one_of(accounts::Column::AccountId))
        .order_by(accounts::Column::AccountId, Order::Asc)
        .lock(LockType::NoKeyUpdate);
    query.to_string(PostgresQueryBuilder)
});

/// Reads accounts without a lock, by a plan that fits one account and many, as in
/// [`COMPLETED_TRANSFERS`].
///
/// Inside a sub-select the server cannot see the length of the list; where it sees it, it plans
/// each short list again.
pub(super) static READ_ACCOUNTS: LazyLock<String> = LazyLock::new(|| {
    let list = Query::select()
        .expr(Expr::cust("$1::pg_catalog.uuid[]"))
        .to_owned();
    let account = looked_up(accounts::Entity.table_ref(), |query| {
        let own = (accounts::Entity, accounts::Column::AccountId);
        query.and_where(equal(own, (WANTED, WANTED)));
    });
    let mut query = account_columns(wanted(Expr::SubQuery(None, Box::new(list.into()))), ACCOUNT);
    query.join_lateral(JoinType::InnerJoin, account, ACCOUNT, Condition::all());
    query.to_string(PostgresQueryBuilder)
});

/// Reads the completed transfers with these idempotency keys, each with both of its entries.
///
/// A connection keeps the plan of a prepared statement while the tables grow. On nearly empty
/// tables the cheapest plan reads them whole; `LATERAL` with `OFFSET 0` forces a look-up of each
/// row.
pub(super) static COMPLETED_TRANSFERS: LazyLock<String> =
    LazyLock::new(|| receipts(transfers::Column::IdempotencyKey, "$1::pg_catalog.text[]"));

/// Reads the transfers of these groups, each with both of its entries, in the order of their
/// steps.
pub(super) static GROUP_TRANSFERS: LazyLock<String> =
    LazyLock::new(|| receipts(transfers::Column::GroupId, "$1::pg_catalog.uuid[]"));

/// Reads transfers with the sums of their reversals.
pub(super) static ORIGINAL_TRANSFERS: LazyLock<String> = LazyLock::new(|| {
    use transfers::Column;
    let original = looked_up(transfers::Entity.table_ref(), |query| {
        let own = (transfers::Entity, Column::TransferId);
        query.and_where(equal(own, (WANTED, WANTED)));
    });
    let sum = Func::cust("pg_catalog.sum").arg(decimal((REVERSAL, Column::Amount)));
    let zero = Expr::cust("0");
    let reversals = Query::select()
        .expr_as(Func::coalesce([Expr::from(sum), zero]), REVERSED)
        .from_as(transfers::Entity.table_ref(), REVERSAL)
        .and_where(equal(
            (REVERSAL, Column::ReversesTransferId),
            (TRANSFER, Column::TransferId),
        ))
        .to_owned();
    Query::select()
        .columns(
            [
                Column::TransferId,
                Column::TransferType,
                Column::FromAccountId,
                Column::ToAccountId,
                Column::CurrencyCode,
            ]
            .map(|column| (TRANSFER, column)),
        )
        .expr_as(decimal((TRANSFER, Column::Amount)), Column::Amount.as_str())
        .column((REVERSED, REVERSED))
        .from(wanted(Expr::cust("$1::pg_catalog.uuid[]")))
        .join_lateral(JoinType::InnerJoin, original, TRANSFER, Condition::all())
        .join_lateral(JoinType::InnerJoin, reversals, REVERSED, Condition::all())
        .to_string(PostgresQueryBuilder)
});

/// Returns the query of transfers with a value of `column` in a list, each with both of its
/// entries.
fn receipts(column: transfers::Column, list: &'static str) -> String {
    use transactions::Column as Entry;
    use transfers::Column as Transfer;
    let transfer = looked_up(transfers::Entity.table_ref(), |query| {
        let own = (transfers::Entity, column);
        query.and_where(equal(own, (WANTED, WANTED)));
    });
    let entry = |account: Transfer, number: Transfer| {
        looked_up(transactions::Entity.table_ref(), |query| {
            for (own, of_transfer) in [
                (Entry::AccountId, account),
                (Entry::TransactionDate, Transfer::PostedAt),
                (Entry::EntryNumber, number),
                (Entry::TransferId, Transfer::TransferId),
            ] {
                let own = (transactions::Entity, own);
                query.and_where(equal(own, (TRANSFER, of_transfer)));
            }
        })
    };
    Query::select()
        .columns(
            [
                Transfer::IdempotencyKey,
                Transfer::RequestHash,
                Transfer::TransferId,
                Transfer::TransferType,
                Transfer::GroupId,
                Transfer::ReversesTransferId,
                Transfer::HoldId,
            ]
            .map(|column| (TRANSFER, column)),
        )
        .expr_as(
            decimal((TRANSFER, Transfer::Amount)),
            Transfer::Amount.as_str(),
        )
        .columns([Transfer::CurrencyCode, Transfer::PostedAt].map(|column| (TRANSFER, column)))
        .expr_as(Expr::col((DEBIT, Entry::TransactionId)), DEBIT_ID)
        .columns([Transfer::FromAccountId, Transfer::FromEntryNumber].map(|c| (TRANSFER, c)))
        .expr_as(decimal((DEBIT, Entry::RunningBalance)), FROM_BALANCE)
        .expr_as(Expr::col((CREDIT, Entry::TransactionId)), CREDIT_ID)
        .columns([Transfer::ToAccountId, Transfer::ToEntryNumber].map(|c| (TRANSFER, c)))
        .expr_as(decimal((CREDIT, Entry::RunningBalance)), TO_BALANCE)
        .from(wanted(Expr::cust(list)))
        .join_lateral(JoinType::InnerJoin, transfer, TRANSFER, Condition::all())
        .join_lateral(
            JoinType::InnerJoin,
            entry(Transfer::FromAccountId, Transfer::FromEntryNumber),
            DEBIT,
            Condition::all(),
        )
        .join_lateral(
            JoinType::InnerJoin,
            entry(Transfer::ToAccountId, Transfer::ToEntryNumber),
            CREDIT,
            Condition::all(),
        )
        // The steps of a group have ascending identifiers.
        .order_by((TRANSFER, Transfer::TransferId), Order::Asc)
        .to_string(PostgresQueryBuilder)
}

/// Locks the accounts that no other session has locked, and returns the others.
pub(super) static LOCKED_BY_OTHERS: LazyLock<String> = LazyLock::new(|| {
    use accounts::Column::AccountId;
    let free = Query::select()
        .column((FREE, AccountId))
        .from_as(accounts::Entity.table_ref(), FREE)
        .and_where(is_one_of((FREE, AccountId)))
        .order_by((FREE, AccountId), Order::Asc)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .to_owned();
    let free = Func::cust("ARRAY").arg(Expr::SubQuery(None, Box::new(free.into())));
    let is_locked = operation((ACCOUNT, AccountId), UNEQUAL, Func::cust("ALL").arg(free));
    Query::select()
        .column((ACCOUNT, AccountId))
        .from_as(accounts::Entity.table_ref(), ACCOUNT)
        .and_where(is_one_of((ACCOUNT, AccountId)))
        .and_where(is_locked)
        .to_string(PostgresQueryBuilder)
});

/// Finds transfers, with their times.
pub(super) static FIND_TRANSFERS: LazyLock<String> = LazyLock::new(|| {
    Query::select()
        .columns([transfers::Column::TransferId, transfers::Column::PostedAt])
        .from(transfers::Entity.table_ref())
        .and_where(is_one_of(transfers::Column::TransferId))
        .to_string(PostgresQueryBuilder)
});

/// Reads the holds with the identifiers `$1`, and the open holds on the accounts `$2` whose time is
/// over at `$3`.
pub(super) static HOLDS: LazyLock<String> = LazyLock::new(|| {
    use holds::Column;
    let named = looked_up(holds::Entity.table_ref(), |query| {
        let own = (holds::Entity, Column::HoldId);
        query.and_where(equal(own, (WANTED, WANTED)));
    });
    let due = looked_up(holds::Entity.table_ref(), |query| {
        let own = (holds::Entity, Column::AccountId);
        query
            .and_where(equal(own, (WANTED, WANTED)))
            .and_where(operation(
                (holds::Entity, Column::HoldStatus),
                EQUAL,
                Expr::cust(format!("'{}'", HoldStatus::Open.as_str())),
            ))
            .and_where(operation(
                (holds::Entity, Column::ExpiresAt),
                "OPERATOR(pg_catalog.<=)",
                Expr::cust("$3::pg_catalog.timestamptz"),
            ));
    });
    let columns = |list: &'static str, lookup| {
        let mut query = Query::select();
        query
            .columns(
                [
                    Column::HoldId,
                    Column::AccountId,
                    Column::ToAccountId,
                    Column::CurrencyCode,
                ]
                .map(|column| (HOLD, column)),
            )
            .expr_as(
                decimal((HOLD, Column::Remaining)),
                Column::Remaining.as_str(),
            )
            .columns([Column::HoldStatus, Column::ExpiresAt].map(|column| (HOLD, column)))
            .from(wanted(Expr::cust(list)))
            .join_lateral(JoinType::InnerJoin, lookup, HOLD, Condition::all());
        query
    };
    columns("$1::pg_catalog.uuid[]", named)
        .union(UnionType::Distinct, columns("$2::pg_catalog.uuid[]", due))
        .to_string(PostgresQueryBuilder)
});

/// Reads the holds and releases with these idempotency keys.
pub(super) static COMPLETED_HOLDS: LazyLock<String> =
    LazyLock::new(|| hold_receipts(hold_events::Column::IdempotencyKey, "$1::pg_catalog.text[]"));

/// Reads the holds and releases with these identifiers, in their order, which is that of the steps
/// of a group.
pub(super) static GROUP_HOLDS: LazyLock<String> =
    LazyLock::new(|| hold_receipts(hold_events::Column::EventId, "$1::pg_catalog.uuid[]"));

/// Returns the query of changes of holds with a value of `column` in a list, each with what its
/// hold never changes.
fn hold_receipts(column: hold_events::Column, list: &'static str) -> String {
    use hold_events::Column;
    let event = looked_up(hold_events::Entity.table_ref(), |query| {
        let own = (hold_events::Entity, column);
        query.and_where(equal(own, (WANTED, WANTED)));
    });
    let hold = looked_up(holds::Entity.table_ref(), |query| {
        let own = (holds::Entity, holds::Column::HoldId);
        query.and_where(equal(own, (EVENT, Column::HoldId)));
    });
    let mut query = Query::select();
    query
        .columns(
            [
                Column::IdempotencyKey,
                Column::RequestHash,
                Column::HoldId,
                Column::EventId,
                Column::EventType,
                Column::AccountId,
                Column::CurrencyCode,
                Column::OccurredAt,
                Column::TransferId,
            ]
            .map(|column| (EVENT, column)),
        )
        .columns([holds::Column::ToAccountId, holds::Column::ExpiresAt].map(|c| (HOLD, c)));
    for column in [Column::Amount, Column::Remaining, Column::HeldBalance] {
        query.expr_as(decimal((EVENT, column)), column.as_str());
    }
    query
        .from(wanted(Expr::cust(list)))
        .join_lateral(JoinType::InnerJoin, event, EVENT, Condition::all())
        .join_lateral(JoinType::InnerJoin, hold, HOLD, Condition::all());
    if column == Column::EventId {
        query.order_by((EVENT, Column::EventId), Order::Asc);
    }
    query.to_string(PostgresQueryBuilder)
}

/// Finds changes of holds.
pub(super) static FIND_HOLD_EVENTS: LazyLock<String> = LazyLock::new(|| {
    Query::select()
        .columns([
            hold_events::Column::EventId,
            hold_events::Column::OccurredAt,
        ])
        .from(hold_events::Entity.table_ref())
        .and_where(is_one_of(hold_events::Column::EventId))
        .to_string(PostgresQueryBuilder)
});

/// Increments an account's version and changes nothing else. A closed account has had its last
/// entry and rejects every change.
pub(super) static INCREMENT_VERSION: LazyLock<String> = LazyLock::new(|| {
    use accounts::Column;
    Query::update()
        .table(accounts::Entity.table_ref())
        .value(Column::OverdraftLimit, Expr::col(Column::OverdraftLimit))
        .and_where(operation(Column::AccountId, EQUAL, Expr::cust("$1")))
        .and_where(operation(
            Column::AccountStatus,
            UNEQUAL,
            Expr::val(AccountStatus::Closed.as_str()),
        ))
        .to_string(PostgresQueryBuilder)
});

/// Returns the query of an account's columns, which are those of the relation `from` with the name
/// `name`.
fn account_columns(from: TableRef, name: &'static str) -> SelectStatement {
    use accounts::Column as C;
    let mut query = Query::select();
    query.from(from);
    for column in ACCOUNT_COLUMNS {
        match column {
            C::CurrentBalance | C::HeldBalance | C::OverdraftLimit => {
                query.expr_as(decimal((name, column)), column.as_str())
            }
            _ => query.column((name, column)),
        };
    }
    query
}

/// Returns the rows of a list.
fn wanted(list: Expr) -> TableRef {
    TableRef::FunctionCall(Func::cust("pg_catalog.unnest").arg(list), WANTED.into())
}

/// Returns the look-up of rows that the server cannot turn into a join.
fn looked_up(table: TableRef, conditions: impl FnOnce(&mut SelectStatement)) -> SelectStatement {
    let mut query = Query::select();
    query.column(Asterisk).from(table);
    conditions(&mut query);
    query.offset(0);
    query
}

/// Returns a column whose domain over `numeric` is left out.
fn decimal(column: impl IntoColumnRef) -> Expr {
    Expr::col(column).cast_as("numeric")
}

fn is_one_of(column: impl IntoColumnRef) -> Expr {
    operation(column, EQUAL, Func::cust("ANY").arg(Expr::cust("$1")))
}

fn equal(left: impl IntoColumnRef, right: impl IntoColumnRef) -> Expr {
    operation(left, EQUAL, Expr::col(right))
}

fn operation(left: impl IntoColumnRef, operator: &'static str, right: impl Into<Expr>) -> Expr {
    Expr::col(left).binary(BinOper::Custom(operator), right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_match_their_snapshots() {
        insta::assert_snapshot!("lock_accounts", *LOCK_ACCOUNTS);
        insta::assert_snapshot!("read_accounts", *READ_ACCOUNTS);
        insta::assert_snapshot!("completed_transfers", *COMPLETED_TRANSFERS);
        insta::assert_snapshot!("locked_by_others", *LOCKED_BY_OTHERS);
        insta::assert_snapshot!("group_transfers", *GROUP_TRANSFERS);
        insta::assert_snapshot!("original_transfers", *ORIGINAL_TRANSFERS);
        insta::assert_snapshot!("holds", *HOLDS);
        insta::assert_snapshot!("completed_holds", *COMPLETED_HOLDS);
        insta::assert_snapshot!("group_holds", *GROUP_HOLDS);
        insta::assert_snapshot!("find_hold_events", *FIND_HOLD_EVENTS);
        insta::assert_snapshot!("find_transfers", *FIND_TRANSFERS);
        insta::assert_snapshot!("increment_version", *INCREMENT_VERSION);
    }
}

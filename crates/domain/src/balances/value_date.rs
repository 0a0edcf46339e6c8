//! The query of balances by value date.

use chrono::NaiveDate;
use neobank_entity::banking::transfers::{self, Column};
use neobank_entity::banking::{accounts, transactions};
use neobank_entity::enums::AccountType;
use neobank_entity::functions::banking::StartOfDay;
use sea_query::{Condition, Expr, ExprTrait, Func, JoinType, Query, SelectStatement, UnionType};

use crate::AccountId;

use super::query::{ENTRY, account, computed, last_entry};

/// The end of the day in the account's zone.
const DAY: &str = "day";
/// The entries on another side of the day's end by value date than by booking time.
const MOVED: &str = "moved";
const CORRECTION: &str = "correction";
/// The signed amount of such an entry, and the sum of them.
const MOVEMENT: &str = "movement";
/// 1 for an entry that is added, -1 for one that is taken away, and the sum of them.
const COUNTED: &str = "counted";

/// Returns the accounts with their balance by value date and the number of entries in it, without
/// further columns yet.
pub(super) fn balances(day: NaiveDate) -> SelectStatement {
    let next = Expr::val(day).cast_as("date").add(1);
    let end = Func::cust(StartOfDay::NAME).args([next, account(accounts::Column::TimeZone)]);
    let ends = Query::select().expr_as(end, computed::ENDS_AT).to_owned();
    let zero = || Expr::cust("0");
    let or_zero = |of: (&'static str, &'static str)| -> Expr {
        Func::coalesce([Expr::col(of), zero()]).into()
    };
    let balance = Expr::col((ENTRY, transactions::Column::RunningBalance)).cast_as("numeric");
    let balance: Expr = Func::coalesce([balance, zero()]).into();
    let entries = Expr::col((ENTRY, transactions::Column::EntryNumber));
    let entries: Expr = Func::coalesce([entries, zero()]).into();
    let mut query = Query::select();
    query
        .from(accounts::Entity.table_ref())
        .expr_as(
            balance.add(or_zero((CORRECTION, MOVEMENT))),
            computed::BALANCE_THEN,
        )
        .expr_as(
            entries.add(or_zero((CORRECTION, COUNTED))),
            computed::ENTRIES_THEN,
        )
        .join_lateral(JoinType::InnerJoin, ends, DAY, always())
        .join_lateral(
            JoinType::LeftJoin,
            last_entry(|booked_at| booked_at.lt(ends_at())),
            ENTRY,
            always(),
        )
        .join_lateral(JoinType::LeftJoin, correction(day), CORRECTION, always());
    query
}

/// Returns the balance of one account by value date at the end of a day, in [`opening_column`].
pub(crate) fn opening_by_value_date(of: AccountId, day: NaiveDate) -> SelectStatement {
    balances(day)
        .and_where(account(accounts::Column::AccountId).eq(of.as_uuid()))
        .to_owned()
}

/// Returns the name of the column with the balance.
pub(crate) const fn opening_column() -> &'static str {
    computed::BALANCE_THEN
}

/// Returns the end of the day in the account's zone.
pub(super) fn ends_at() -> Expr {
    Expr::col((DAY, computed::ENDS_AT))
}

/// Returns the condition of an account that a list without named accounts shows: it was opened
/// before the end of the day, or has an entry with an earlier value date.
pub(super) fn is_listed() -> Condition {
    Condition::any()
        .add(account(accounts::Column::OpenedAt).lt(ends_at()))
        .add(account(accounts::Column::AccountType).eq(AccountType::System.as_str()))
        .add(Expr::col((CORRECTION, COUNTED)).gt(Expr::cust("0")))
}

/// Returns the sums of the entries that are on another side of the day's end by value date.
fn correction(day: NaiveDate) -> SelectStatement {
    let mut moved = side(Column::ToAccountId, true, day);
    moved.union(UnionType::All, side(Column::FromAccountId, false, day));
    let sum = |column: &'static str, kind: &'static str| {
        Expr::from(Func::sum(Expr::col((MOVED, column)))).cast_as(kind)
    };
    Query::select()
        .expr_as(sum(MOVEMENT, "numeric"), MOVEMENT)
        .expr_as(sum(COUNTED, "bigint"), COUNTED)
        .from_subquery(moved, MOVED)
        .to_owned()
}

/// Returns such entries of one side of the transfers, each with its sign.
fn side(own: Column, is_credit: bool, day: NaiveDate) -> SelectStatement {
    let of_transfer = |column: Column| Expr::col((transfers::Entity, column));
    let is_due = || of_transfer(Column::ValueDate).lte(Expr::val(day).cast_as("date"));
    let amount = || of_transfer(Column::Amount).cast_as("numeric");
    let negated = || amount().mul(Expr::cust("-1"));
    let (added, taken) = if is_credit {
        (amount(), negated())
    } else {
        (negated(), amount())
    };
    Query::select()
        .expr_as(Expr::case(is_due(), added).finally(taken), MOVEMENT)
        .expr_as(
            Expr::case(is_due(), Expr::cust("1")).finally(Expr::cust("-1")),
            COUNTED,
        )
        .from(transfers::Entity.table_ref())
        .and_where(of_transfer(own).eq(account(accounts::Column::AccountId)))
        .and_where(of_transfer(Column::ValueDate).is_not_null())
        .and_where(is_due().eq(of_transfer(Column::PostedAt).gte(ends_at())))
        .to_owned()
}

/// Returns the condition of a lateral join, whose query itself selects the rows.
fn always() -> Condition {
    Condition::all().add(Expr::Constant(true.into()))
}

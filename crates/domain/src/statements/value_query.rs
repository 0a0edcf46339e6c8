//! The queries of statements by value date.

use chrono::NaiveDate;
use neobank_db::Statement;
use neobank_entity::banking::transactions::Column;
use neobank_entity::banking::transfers::{self, Column as Transfer};
use neobank_entity::banking::{accounts, transactions};
use neobank_entity::enums::EntryType;
use sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, TableRef,
    UnionType, WindowStatement,
};

use super::Days;
use super::query::{
    COUNT, DAY, ENTRY, ENTRY_COLUMNS, OPENING, RANGE, TIME_ZONE, TOTALS, ZONE_NAME, always,
    computed, range,
};
use super::value_date::ValueDateRequest;
use crate::AccountId;
use crate::balances::{opening_by_value_date, opening_column};

/// The entries of the range by value date.
const VALUED: &str = "valued";
/// The same, each with the sum up to it.
const SUMMED: &str = "summed";

/// The names of the columns that are computed and stand in no table.
pub(super) mod value_computed {
    /// The balance by value date after an entry.
    pub(in super::super) const BALANCE: &str = "balance";
}

/// The sum of the range's entries up to an entry.
const SUM: &str = "sum_until";

/// Returns the query of a page: the balances at both ends, and the entries.
pub(super) fn page(account: AccountId, request: &ValueDateRequest) -> Statement {
    let place = || {
        Expr::tuple([
            Expr::col((SUMMED, Transfer::ValueDate)),
            Expr::col((SUMMED, Column::EntryNumber)),
        ])
    };
    let mut entries = Query::select();
    entries
        .columns(ENTRY_COLUMNS.map(|column| (SUMMED, column)))
        .column((SUMMED, Transfer::ValueDate))
        .column((SUMMED, SUM))
        .from_subquery(summed(request.from, request.to), SUMMED)
        .order_by((SUMMED, Transfer::ValueDate), Order::Desc)
        .order_by((SUMMED, Column::EntryNumber), Order::Desc)
        .limit(u64::from(request.limit).saturating_add(1));
    if let Some(after) = request.after {
        entries.and_where(place().lt(Expr::tuple([
            Expr::val(after.value_date).cast_as("date"),
            Expr::val(after.entry_number),
        ])));
    }
    let local_time = Func::cust(TIME_ZONE).args([
        Expr::col((RANGE, ZONE_NAME)),
        Expr::col((ENTRY, Column::TransactionDate)),
    ]);
    let closing = opening()
        .add(or_zero((TOTALS, computed::TOTAL_CREDITS)))
        .sub(or_zero((TOTALS, computed::TOTAL_DEBITS)));
    let mut page = with_opening(account, request.from, request.to);
    page.join_lateral(
        JoinType::LeftJoin,
        totals(request.from, request.to),
        TOTALS,
        always(),
    )
    .join_lateral(JoinType::LeftJoin, entries, ENTRY, always())
    .expr_as(closing, computed::CLOSING_BALANCE)
    .columns(ENTRY_COLUMNS.map(|column| (ENTRY, column)))
    .column((ENTRY, Transfer::ValueDate))
    .expr_as(
        opening().add(Expr::col((ENTRY, SUM))),
        value_computed::BALANCE,
    )
    .expr_as(local_time, computed::LOCAL_TIME)
    .order_by((ENTRY, Transfer::ValueDate), Order::Desc)
    .order_by((ENTRY, Column::EntryNumber), Order::Desc);
    Statement::from_query(&page)
}

/// Returns the query of the totals of `count` days, the first one first, each with the balance
/// before the first day.
pub(super) fn daily_summaries(
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
    count: i32,
) -> Statement {
    let numbers = Func::cust(COUNT).args([
        Expr::val(0_i32).cast_as("integer"),
        Expr::val(count.saturating_sub(1)).cast_as("integer"),
    ]);
    let date = || Expr::val(from).cast_as("date").add(Expr::col((DAY, DAY)));
    let mut of_days = totals(from, to);
    of_days
        .column((VALUED, Transfer::ValueDate))
        .group_by_col((VALUED, Transfer::ValueDate));
    let mut days = with_opening(account, from, to);
    days.join(
        JoinType::CrossJoin,
        TableRef::FunctionCall(numbers, DAY.into()),
        Condition::all(),
    )
    .join_lateral(
        JoinType::LeftJoin,
        of_days,
        TOTALS,
        Expr::col((TOTALS, Transfer::ValueDate)).eq(date()),
    )
    .expr_as(date(), computed::DATE)
    .columns(
        [
            computed::TRANSACTION_COUNT,
            computed::TOTAL_CREDITS,
            computed::TOTAL_DEBITS,
        ]
        .map(|column| (TOTALS, column)),
    )
    .order_by((DAY, DAY), Order::Asc);
    Statement::from_query(&days)
}

/// Returns a query of the account's currency and of its balance by value date before the range.
fn with_opening(account: AccountId, from: NaiveDate, to: NaiveDate) -> SelectStatement {
    let before = from.pred_opt().unwrap_or(from);
    let opened = opening_by_value_date(account, before);
    Query::select()
        .column((RANGE, accounts::Column::CurrencyCode))
        .expr_as(opening(), computed::OPENING_BALANCE)
        .from_subquery(range(account, from, to, Days::OfAccount), RANGE)
        .join_lateral(JoinType::InnerJoin, opened, OPENING, always())
        .to_owned()
}

fn opening() -> Expr {
    Expr::col((OPENING, opening_column()))
}

/// Returns the count and the sums of the range's entries.
fn totals(from: NaiveDate, to: NaiveDate) -> SelectStatement {
    let of = |entry_type: EntryType| {
        let is_of_type = Expr::col((VALUED, Column::TransactionType)).eq(entry_type.as_str());
        let amount = Expr::col((VALUED, Column::Amount)).cast_as("numeric");
        Func::sum(amount).filter(Condition::all().add(is_of_type))
    };
    Query::select()
        .expr_as(
            Func::count(Expr::col(Asterisk)),
            computed::TRANSACTION_COUNT,
        )
        .expr_as(of(EntryType::Credit), computed::TOTAL_CREDITS)
        .expr_as(of(EntryType::Debit), computed::TOTAL_DEBITS)
        .from_subquery(valued(from, to), VALUED)
        .to_owned()
}

/// Returns the range's entries, each with the sum up to it.
fn summed(from: NaiveDate, to: NaiveDate) -> SelectStatement {
    let amount = || Expr::col((VALUED, Column::Amount)).cast_as("numeric");
    let is_credit = Expr::col((VALUED, Column::TransactionType)).eq(EntryType::Credit.as_str());
    let movement = Expr::case(is_credit, amount()).finally(amount().mul(Expr::cust("-1")));
    let window = WindowStatement::new()
        .order_by((VALUED, Transfer::ValueDate), Order::Asc)
        .order_by((VALUED, Column::EntryNumber), Order::Asc)
        .take();
    Query::select()
        .columns(ENTRY_COLUMNS.map(|column| (VALUED, column)))
        .column((VALUED, Transfer::ValueDate))
        .expr_window_as(Func::sum(movement), window, SUM)
        .from_subquery(valued(from, to), VALUED)
        .to_owned()
}

/// Returns the entries whose value date lies in the range: those that are booked in it, and those
/// that are booked outside and have a value date of their own.
fn valued(from: NaiveDate, to: NaiveDate) -> SelectStatement {
    let mut all = booked_in_range(from, to);
    for (account, number) in [
        (Transfer::FromAccountId, Transfer::FromEntryNumber),
        (Transfer::ToAccountId, Transfer::ToEntryNumber),
    ] {
        all.union(UnionType::All, moved_into_range(account, number, from, to));
    }
    all
}

fn booked_in_range(from: NaiveDate, to: NaiveDate) -> SelectStatement {
    let booking_day = Func::cust(TIME_ZONE)
        .args([
            Expr::col((RANGE, ZONE_NAME)),
            entry_column(Column::TransactionDate),
        ])
        .cast_as("date");
    let value_date = Func::coalesce([transfer(Transfer::ValueDate), booking_day]);
    let is_valued = Condition::any()
        .add(transfer(Transfer::ValueDate).is_null())
        .add(has_value_date(from, to));
    Query::select()
        .columns(ENTRY_COLUMNS.map(|column| (transactions::Entity, column)))
        .expr_as(value_date, Transfer::ValueDate)
        .from(transactions::Entity.table_ref())
        .join(
            JoinType::InnerJoin,
            transfers::Entity.table_ref(),
            transfer(Transfer::TransferId).eq(entry_column(Column::TransferId)),
        )
        .and_where(entry_column(Column::AccountId).eq(account_of_range()))
        .cond_where(is_booked(entry_column(Column::TransactionDate)))
        .cond_where(is_valued)
        .to_owned()
}

/// Returns the entries of one side of the transfers.
fn moved_into_range(
    account: Transfer,
    number: Transfer,
    from: NaiveDate,
    to: NaiveDate,
) -> SelectStatement {
    let is_of_side = Condition::all()
        .add(entry_column(Column::AccountId).eq(transfer(account)))
        .add(entry_column(Column::TransactionDate).eq(transfer(Transfer::PostedAt)))
        .add(entry_column(Column::EntryNumber).eq(transfer(number)));
    Query::select()
        .columns(ENTRY_COLUMNS.map(|column| (transactions::Entity, column)))
        .expr_as(transfer(Transfer::ValueDate), Transfer::ValueDate)
        .from(transfers::Entity.table_ref())
        .join(
            JoinType::InnerJoin,
            transactions::Entity.table_ref(),
            is_of_side,
        )
        .and_where(transfer(account).eq(account_of_range()))
        .cond_where(has_value_date(from, to))
        .cond_where(is_booked(transfer(Transfer::PostedAt)).not())
        .to_owned()
}

fn has_value_date(from: NaiveDate, to: NaiveDate) -> Condition {
    let day = |day: NaiveDate| Expr::val(day).cast_as("date");
    Condition::all()
        .add(transfer(Transfer::ValueDate).gte(day(from)))
        .add(transfer(Transfer::ValueDate).lt(day(to)))
}

fn is_booked(moment: Expr) -> Condition {
    Condition::all()
        .add(moment.clone().gte(Expr::col((RANGE, computed::STARTS_AT))))
        .add(moment.lt(Expr::col((RANGE, computed::ENDS_AT))))
}

fn account_of_range() -> Expr {
    Expr::col((RANGE, accounts::Column::AccountId))
}

fn entry_column(column: Column) -> Expr {
    Expr::col((transactions::Entity, column))
}

fn transfer(column: Transfer) -> Expr {
    Expr::col((transfers::Entity, column))
}

fn or_zero(of: (&'static str, &'static str)) -> Expr {
    Func::coalesce([Expr::col(of), Expr::cust("0")]).into()
}

//! The queries of statements, as builders on the generated entities.

use chrono::NaiveDate;
use neobank_db::Statement;
use neobank_entity::banking::{accounts, transactions};
use neobank_entity::enums::EntryType;
use neobank_entity::functions::banking::StartOfDay;
use sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, FunctionCall, JoinType, Order, Query,
    SelectStatement, TableRef,
};
use transactions::Column;

use super::{Days, StatementRequest};
use crate::AccountId;

/// The account, its currency, and the points in time at both ends of the range.
pub(super) const RANGE: &str = "range";
/// The last entry before the range.
pub(super) const OPENING: &str = "opening";
/// The last entry before the end of the range.
const CLOSING: &str = "closing";
/// The entries of the page.
pub(super) const ENTRY: &str = "entry";
/// The count and the sums of the range's entries.
pub(super) const TOTALS: &str = "totals";
/// The name of the time zone whose days the range counts.
pub(super) const ZONE_NAME: &str = "zone_name";
/// The numbers of the days of a history, from 0.
pub(super) const DAY: &str = "day";

/// The time zone function of the server: a point in time as the zone's clocks show it.
pub(super) const TIME_ZONE: &str = "pg_catalog.timezone";

/// The names of the columns that are computed and stand in no table.
pub(super) mod computed {
    /// The first moment of the range.
    pub(in super::super) const STARTS_AT: &str = "starts_at";
    /// The first moment after the range.
    pub(in super::super) const ENDS_AT: &str = "ends_at";
    /// The balance before the range; null without an earlier entry.
    pub(in super::super) const OPENING_BALANCE: &str = "opening_balance";
    /// The balance at the end of the range; null without an entry until then.
    pub(in super::super) const CLOSING_BALANCE: &str = "closing_balance";
    /// The entry's time as the zone's clocks show it.
    pub(in super::super) const LOCAL_TIME: &str = "local_time";
    /// The calendar day.
    pub(in super::super) const DATE: &str = "date";
    /// The number of entries in the range.
    pub(in super::super) const TRANSACTION_COUNT: &str = "transaction_count";
    /// The sum of the credits; null without any.
    pub(in super::super) const TOTAL_CREDITS: &str = "total_credits";
    /// The sum of the debits; null without any.
    pub(in super::super) const TOTAL_DEBITS: &str = "total_debits";
}

/// The server's function that counts.
pub(super) const COUNT: &str = "pg_catalog.generate_series";

use computed::{
    CLOSING_BALANCE, DATE, ENDS_AT, LOCAL_TIME, OPENING_BALANCE, STARTS_AT, TOTAL_CREDITS,
    TOTAL_DEBITS, TRANSACTION_COUNT,
};

/// The columns of an entry that a page shows, except its local time.
pub(super) const ENTRY_COLUMNS: [Column; 8] = [
    Column::TransactionId,
    Column::TransferId,
    Column::EntryNumber,
    Column::TransactionType,
    Column::Amount,
    Column::RunningBalance,
    Column::Description,
    Column::TransactionDate,
];

/// Returns the query of a page: the ends of the range, the balances there, and the entries.
///
/// An account without entries still gives one row, in which the entry is null. One statement reads
/// one snapshot. Each part of it walks the index `transactions_account_and_date_key`.
pub(super) fn page(account: AccountId, request: &StatementRequest) -> Statement {
    let mut entries = entries_in_range();
    entries.columns(ENTRY_COLUMNS.map(|column| (transactions::Entity, column)));
    if let Some(after) = request.after {
        entries.and_where(
            Expr::tuple([own(Column::TransactionDate), own(Column::EntryNumber)]).lt(Expr::tuple(
                [Expr::val(after.posted_at), Expr::val(after.entry_number)],
            )),
        );
    }
    newest_first(&mut entries).limit(u64::from(request.limit).saturating_add(1));
    if request.offset > 0 {
        entries.offset(u64::from(request.offset));
    }
    let local_time = Func::cust(TIME_ZONE).args([
        Expr::col((RANGE, ZONE_NAME)),
        Expr::col((ENTRY, Column::TransactionDate)),
    ]);
    let mut page = with_balances(range(account, request.from, request.to, request.days));
    page.column((RANGE, STARTS_AT))
        .column((RANGE, ENDS_AT))
        .columns(ENTRY_COLUMNS.map(|column| (ENTRY, column)))
        .expr_as(local_time, LOCAL_TIME)
        .join_lateral(JoinType::LeftJoin, entries, ENTRY, always())
        .order_by((ENTRY, Column::TransactionDate), Order::Desc)
        .order_by((ENTRY, Column::EntryNumber), Order::Desc);
    Statement::from_query(&page)
}

/// Returns the query of one day's totals and balances.
///
/// The totals walk the day's part of `transactions_account_and_date_key`; the balances are the
/// entries at both ends of it.
pub(super) fn daily_summary(
    account: AccountId,
    date: NaiveDate,
    next: NaiveDate,
    days: Days,
) -> Statement {
    Statement::from_query(&with_totals(range(account, date, next, days)))
}

/// Returns the query of the totals and balances of `count` days, the first one first.
///
/// Each day is read as [`daily_summary`] reads it.
pub(super) fn daily_summaries(
    account: AccountId,
    first: NaiveDate,
    count: i32,
    days: Days,
) -> Statement {
    let mut summaries = with_totals(ranges(account, first, count, days));
    summaries
        .column((RANGE, DATE))
        .order_by((RANGE, DATE), Order::Asc);
    Statement::from_query(&summaries)
}

/// Returns a query of the currency, the balances at both ends and the totals of each range.
fn with_totals(ranges: SelectStatement) -> SelectStatement {
    let mut totals = entries_in_range();
    totals
        .expr_as(Func::count(Expr::col(Asterisk)), TRANSACTION_COUNT)
        .expr_as(sum_of(EntryType::Credit), TOTAL_CREDITS)
        .expr_as(sum_of(EntryType::Debit), TOTAL_DEBITS);
    let mut summary = with_balances(ranges);
    summary
        .columns([TRANSACTION_COUNT, TOTAL_CREDITS, TOTAL_DEBITS].map(|column| (TOTALS, column)))
        .join_lateral(JoinType::LeftJoin, totals, TOTALS, always());
    summary
}

/// Returns the account with the points in time at which each of `count` days begins and ends.
fn ranges(account: AccountId, first: NaiveDate, count: i32, days: Days) -> SelectStatement {
    use accounts::{Column, Entity};
    let zone = || zone_of(days);
    let day = |offset: i32| {
        Expr::val(first)
            .cast_as("date")
            .add(Expr::col((DAY, DAY)))
            .add(Expr::val(offset).cast_as("integer"))
    };
    let start_of_day = |offset| Func::cust(StartOfDay::NAME).args([day(offset), zone()]);
    let numbers = Func::cust(COUNT).args([
        Expr::val(0_i32).cast_as("integer"),
        Expr::val(count.saturating_sub(1)).cast_as("integer"),
    ]);
    Query::select()
        .columns([Column::AccountId, Column::CurrencyCode].map(|column| (Entity, column)))
        .expr_as(zone(), ZONE_NAME)
        .expr_as(day(0), DATE)
        .expr_as(start_of_day(0), STARTS_AT)
        .expr_as(start_of_day(1), ENDS_AT)
        .from(Entity.table_ref())
        .join(
            JoinType::CrossJoin,
            TableRef::FunctionCall(numbers, DAY.into()),
            Condition::all(),
        )
        .and_where(Expr::col((Entity, Column::AccountId)).eq(account.as_uuid()))
        .to_owned()
}

fn zone_of(days: Days) -> Expr {
    match days {
        Days::OfAccount => Expr::col((accounts::Entity, accounts::Column::TimeZone)),
        Days::OfUtc => Expr::val("UTC"),
    }
}

/// Returns the account with the points in time at which its range of days begins and ends.
pub(super) fn range(
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
    days: Days,
) -> SelectStatement {
    use accounts::{Column, Entity};
    let zone = || zone_of(days);
    let start_of_day =
        |date: NaiveDate| Func::cust(StartOfDay::NAME).args([Expr::val(date), zone()]);
    Query::select()
        .columns([Column::AccountId, Column::CurrencyCode].map(|column| (Entity, column)))
        .expr_as(zone(), ZONE_NAME)
        .expr_as(start_of_day(from), STARTS_AT)
        .expr_as(start_of_day(to), ENDS_AT)
        .from(Entity.table_ref())
        .and_where(Expr::col((Entity, Column::AccountId)).eq(account.as_uuid()))
        .to_owned()
}

/// Returns a query of the range's currency and of the balances at both ends.
fn with_balances(range: SelectStatement) -> SelectStatement {
    Query::select()
        .column((RANGE, accounts::Column::CurrencyCode))
        .expr_as(
            Expr::col((OPENING, Column::RunningBalance)),
            OPENING_BALANCE,
        )
        .expr_as(
            Expr::col((CLOSING, Column::RunningBalance)),
            CLOSING_BALANCE,
        )
        .from_subquery(range, RANGE)
        .join_lateral(
            JoinType::LeftJoin,
            balance_before(STARTS_AT),
            OPENING,
            always(),
        )
        .join_lateral(
            JoinType::LeftJoin,
            balance_before(ENDS_AT),
            CLOSING,
            always(),
        )
        .to_owned()
}

/// Returns the running balance of the account's last entry before one end of the range.
fn balance_before(end: &'static str) -> SelectStatement {
    let mut entry = entries_of_account();
    entry
        .column((transactions::Entity, Column::RunningBalance))
        .and_where(own(Column::TransactionDate).lt(Expr::col((RANGE, end))));
    newest_first(&mut entry).limit(1);
    entry
}

/// Returns the account's entries, without columns yet.
fn entries_of_account() -> SelectStatement {
    Query::select()
        .from(transactions::Entity.table_ref())
        .and_where(own(Column::AccountId).eq(Expr::col((RANGE, accounts::Column::AccountId))))
        .to_owned()
}

/// Returns the account's entries within the range, without columns yet.
fn entries_in_range() -> SelectStatement {
    entries_of_account()
        .and_where(own(Column::TransactionDate).gte(Expr::col((RANGE, STARTS_AT))))
        .and_where(own(Column::TransactionDate).lt(Expr::col((RANGE, ENDS_AT))))
        .to_owned()
}

fn newest_first(entries: &mut SelectStatement) -> &mut SelectStatement {
    entries
        .order_by((transactions::Entity, Column::TransactionDate), Order::Desc)
        .order_by((transactions::Entity, Column::EntryNumber), Order::Desc)
}

fn sum_of(entry_type: EntryType) -> FunctionCall {
    let is_of_type = own(Column::TransactionType).eq(entry_type.as_str());
    Func::sum(own(Column::Amount)).filter(Condition::all().add(is_of_type))
}

fn own(column: Column) -> Expr {
    Expr::col((transactions::Entity, column))
}

/// Returns the condition of a lateral join, whose query itself selects the rows.
pub(super) fn always() -> Expr {
    Expr::Constant(true.into())
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::statements::StatementCursor;

    #[test]
    fn statements_match_their_snapshots() {
        let account = AccountId::from(Uuid::nil());
        let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        let request = StatementRequest::between(day(1), day(31));
        let later = StatementRequest {
            offset: 20,
            ..request
                .with_days(Days::OfUtc)
                .with_after(Some(StatementCursor {
                    posted_at: Utc.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap(),
                    entry_number: 7,
                }))
        };
        insta::assert_snapshot!("first_page", page(account, &request).sql);
        insta::assert_snapshot!("later_page_in_utc", page(account, &later).sql);
        insta::assert_snapshot!(
            "daily_summary",
            daily_summary(account, day(1), day(2), Days::OfAccount).sql
        );
        insta::assert_snapshot!(
            "daily_summaries",
            daily_summaries(account, day(1), 31, Days::OfUtc).sql
        );
    }
}

//! The queries of balances, as builders on the generated entities.

use chrono::{DateTime, Utc};
use neobank_db::Statement;
use neobank_entity::banking::{accounts, transactions};
use neobank_entity::enums::AccountType;
use rust_decimal::Decimal;
use sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, FunctionCall, JoinType, Order, Query,
    SelectStatement,
};

use super::{Balances, value_date};

/// The last entry of an account until the time.
pub(super) const ENTRY: &str = "entry";
/// The balances of accounts.
const BALANCE: &str = "balance";

/// The names of the columns that are computed and stand in no table.
pub(super) mod computed {
    /// The balance at the time; null without an entry until then.
    pub(in super::super) const BALANCE_THEN: &str = "balance_then";
    /// The number of entries until the time; null without any.
    pub(in super::super) const ENTRIES_THEN: &str = "entries_then";
    /// The end of the day by value date; null for balances by booking time.
    pub(in super::super) const ENDS_AT: &str = "ends_at";
    /// The number of one of the bank's own accounts; null for the customers' accounts.
    pub(in super::super) const OWN_NUMBER: &str = "own_number";
    /// True for an account that was open at the time.
    pub(in super::super) const WAS_OPEN: &str = "was_open";
    /// The number of accounts.
    pub(in super::super) const ACCOUNTS: &str = "accounts";
    /// The sum of the balances below zero; null without any.
    pub(in super::super) const DEBIT: &str = "debit";
    /// The sum of the balances above zero; null without any.
    pub(in super::super) const CREDIT: &str = "credit";
}

/// The columns of an account that a list of balances shows.
pub(super) const ACCOUNT_COLUMNS: [accounts::Column; 6] = {
    use accounts::Column as C;
    [
        C::AccountId,
        C::AccountNumber,
        C::CustomerId,
        C::AccountType,
        C::CurrencyCode,
        C::OpenedAt,
    ]
};

/// Returns the query of a page and of one account more, which shows that a next page exists.
pub(super) fn page(request: &Balances) -> Statement {
    let mut query = match request.value_day {
        Some(day) => value_date::balances(day),
        None => balances(request.time),
    };
    let ends_at = match request.value_day {
        Some(_) => value_date::ends_at(),
        None => Expr::cust("NULL::pg_catalog.timestamptz"),
    };
    query.expr_as(ends_at, computed::ENDS_AT);
    query.columns(ACCOUNT_COLUMNS.map(|column| (accounts::Entity, column)));
    if let Some(currency) = request.currency {
        query.and_where(account(accounts::Column::CurrencyCode).eq(currency.code()));
    }
    if request.accounts.is_empty() {
        // The bank's own accounts are opened with the first account in their currency, while an
        // import may book on them before.
        if request.value_day.is_some() {
            query.cond_where(value_date::is_listed());
        } else if let Some(time) = request.time {
            query.and_where(is_open_at(time));
        }
    } else {
        let accounts = request.accounts.iter().map(|account| account.as_uuid());
        query.and_where(account(accounts::Column::AccountId).is_in(accounts));
    }
    if let Some(after) = request.after {
        query.and_where(account(accounts::Column::AccountId).gt(after.0.as_uuid()));
    }
    query
        .order_by((accounts::Entity, accounts::Column::AccountId), Order::Asc)
        .limit(u64::from(request.limit).saturating_add(1));
    Statement::from_query(&query)
}

/// Returns the query of the sums of all balances: for each currency, each of the bank's own accounts
/// and the customers' accounts together.
pub(super) fn trial_balance(time: Option<DateTime<Utc>>) -> Statement {
    use accounts::Column::{AccountNumber, AccountType as Type, CurrencyCode};
    let mut each = balances(time);
    each.column((accounts::Entity, CurrencyCode)).expr_as(
        Expr::case(
            account(Type).eq(AccountType::System.as_str()),
            account(AccountNumber),
        ),
        computed::OWN_NUMBER,
    );
    if let Some(time) = time {
        each.expr_as(is_open_at(time), computed::WAS_OPEN);
    }
    let mut query = Query::select();
    query
        .columns([
            (BALANCE, CurrencyCode.as_str()),
            (BALANCE, computed::OWN_NUMBER),
        ])
        .expr_as(accounts_open(time), computed::ACCOUNTS)
        .expr_as(
            sum_where(|balance| balance.lt(Decimal::ZERO)),
            computed::DEBIT,
        )
        .expr_as(
            sum_where(|balance| balance.gt(Decimal::ZERO)),
            computed::CREDIT,
        )
        .from_subquery(each, BALANCE)
        .group_by_columns([
            (BALANCE, CurrencyCode.as_str()),
            (BALANCE, computed::OWN_NUMBER),
        ])
        .order_by((BALANCE, CurrencyCode.as_str()), Order::Asc)
        .order_by_with_nulls(
            (BALANCE, computed::OWN_NUMBER),
            Order::Asc,
            sea_query::NullOrdering::First,
        );
    Statement::from_query(&query)
}

/// Returns the accounts with their balance and the number of their entries, now or at a time,
/// without further columns yet.
fn balances(time: Option<DateTime<Utc>>) -> SelectStatement {
    use transactions::Column as Entry;
    let mut query = Query::select();
    query.from(accounts::Entity.table_ref());
    let Some(time) = time else {
        query
            .expr_as(
                account(accounts::Column::CurrentBalance),
                computed::BALANCE_THEN,
            )
            .expr_as(
                account(accounts::Column::LastEntryNumber),
                computed::ENTRIES_THEN,
            );
        return query;
    };
    let last = last_entry(|booked_at| booked_at.lte(time));
    query
        .expr_as(
            Expr::col((ENTRY, Entry::RunningBalance)),
            computed::BALANCE_THEN,
        )
        .expr_as(
            Expr::col((ENTRY, Entry::EntryNumber)),
            computed::ENTRIES_THEN,
        )
        .join_lateral(
            JoinType::LeftJoin,
            last,
            ENTRY,
            Condition::all().add(Expr::Constant(true.into())),
        );
    query
}

/// Returns the condition of an account that was open at a time, or is one of the bank's own.
fn is_open_at(time: DateTime<Utc>) -> Expr {
    let is_own = account(accounts::Column::AccountType).eq(AccountType::System.as_str());
    account(accounts::Column::OpenedAt).lte(time).or(is_own)
}

/// Returns the number of accounts; at a time, of those that were open.
fn accounts_open(time: Option<DateTime<Utc>>) -> FunctionCall {
    let count = Func::count(Expr::col(Asterisk));
    match time {
        None => count,
        Some(_) => count.filter(Condition::all().add(Expr::col((BALANCE, computed::WAS_OPEN)))),
    }
}

/// Returns an account's last entry whose booking time meets a condition.
pub(super) fn last_entry(condition: impl FnOnce(Expr) -> Expr) -> SelectStatement {
    use transactions::Column as Entry;
    let own = |column: Entry| Expr::col((transactions::Entity, column));
    Query::select()
        .columns([Entry::RunningBalance, Entry::EntryNumber])
        .from(transactions::Entity.table_ref())
        .and_where(own(Entry::AccountId).eq(account(accounts::Column::AccountId)))
        .and_where(condition(own(Entry::TransactionDate)))
        .order_by((transactions::Entity, Entry::TransactionDate), Order::Desc)
        .order_by((transactions::Entity, Entry::EntryNumber), Order::Desc)
        .limit(1)
        .to_owned()
}

fn sum_where(condition: impl FnOnce(Expr) -> Expr) -> FunctionCall {
    let balance = || Expr::col((BALANCE, computed::BALANCE_THEN));
    Func::sum(balance()).filter(Condition::all().add(condition(balance())))
}

pub(super) fn account(column: accounts::Column) -> Expr {
    Expr::col((accounts::Entity, column))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Currency;

    #[test]
    fn statements_match_their_snapshots() {
        let time = "2026-01-01T00:00:00Z".parse().ok();
        let czk = Currency::from_code("CZK").ok();
        let nil = Uuid::nil();
        let cursor = nil.simple().to_string().parse().ok();
        let later = time.map(Balances::at).unwrap();
        let named = later.clone().of([nil.into()]);
        let later = later.with_currency(czk).with_after(cursor);
        insta::assert_snapshot!("now", page(&Balances::now()).sql);
        insta::assert_snapshot!("later_page_at_a_time", page(&later).sql);
        insta::assert_snapshot!("of_named_accounts", page(&named).sql);
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        insta::assert_snapshot!("by_value_date", page(&Balances::by_value_date(day)).sql);
        insta::assert_snapshot!("trial_balance_now", trial_balance(None).sql);
        insta::assert_snapshot!("trial_balance_at_a_time", trial_balance(time).sql);
    }
}

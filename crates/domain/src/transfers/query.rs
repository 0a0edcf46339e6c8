//! The queries of transfers, as builders on the generated entities.

use neobank_db::Statement;
use neobank_entity::banking::{accounts, transactions, transfers};
use sea_query::extension::postgres::PgExpr;
use sea_query::{
    Asterisk, Condition, Expr, ExprTrait, JoinType, Order, Query, SelectStatement, TableRef,
};
use transfers::Column;

use super::TransferFilter;
use super::cursor::Position;
use crate::{AccountId, TransferId};

/// The transfers of the page.
const TRANSFER: &str = "transfer";
/// The account's entries, in whose order its transfers are listed.
const OWN: &str = "own";
/// The entries and the accounts of both sides.
const DEBIT: &str = "debit";
const CREDIT: &str = "credit";
const PAYER: &str = "payer";
const PAYEE: &str = "payee";

/// The names of the columns of both sides.
pub(super) mod side {
    pub(in super::super) const DEBIT_ID: &str = "debit_id";
    pub(in super::super) const DEBIT_BALANCE: &str = "debit_balance";
    pub(in super::super) const FROM_NUMBER: &str = "from_account_number";
    pub(in super::super) const CREDIT_ID: &str = "credit_id";
    pub(in super::super) const CREDIT_BALANCE: &str = "credit_balance";
    pub(in super::super) const TO_NUMBER: &str = "to_account_number";
}

/// The columns of a transfer that a caller sees.
const TRANSFER_COLUMNS: [Column; 17] = [
    Column::TransferId,
    Column::TransferType,
    Column::FromAccountId,
    Column::ToAccountId,
    Column::FromEntryNumber,
    Column::ToEntryNumber,
    Column::Amount,
    Column::CurrencyCode,
    Column::Description,
    Column::IdempotencyKey,
    Column::PostedAt,
    Column::GroupId,
    Column::ReversesTransferId,
    Column::HoldId,
    Column::Actor,
    Column::Metadata,
    Column::ValueDate,
];

/// Returns the query of one transfer.
pub(super) fn by_id(transfer: TransferId) -> Statement {
    let mut query = Query::select();
    query
        .columns(TRANSFER_COLUMNS)
        .from(transfers::Entity.table_ref())
        .and_where(Expr::col(Column::TransferId).eq(transfer.as_uuid()));
    Statement::from_query(&with_sides(query))
}

/// Returns the query of the transfer with an idempotency key.
pub(super) fn by_key(key: &str) -> Statement {
    let mut query = Query::select();
    query
        .columns(TRANSFER_COLUMNS)
        .from(transfers::Entity.table_ref())
        .and_where(Expr::col(Column::IdempotencyKey).eq(key));
    Statement::from_query(&with_sides(query))
}

/// Returns the query of a page and of one transfer more, which shows that a next page exists.
pub(super) fn page(filter: &TransferFilter) -> Statement {
    let page = match filter.account {
        // An identifier or a key names one transfer; a group and an original name few.
        _ if filter.transfer_id.is_some()
            || filter.idempotency_key.is_some()
            || filter.group_id.is_some()
            || filter.reverses.is_some() =>
        {
            of_named(filter)
        }
        Some(account) => of_account(filter, account),
        None => of_all(filter),
    };
    let mut query = with_sides(page);
    in_order_of(filter, &mut query);
    Statement::from_query(&query)
}

/// Adds the order of the list, newest first.
fn in_order_of(filter: &TransferFilter, query: &mut SelectStatement) {
    match filter.account {
        Some(account) => query
            .order_by((TRANSFER, Column::PostedAt), Order::Desc)
            .order_by_expr(entry_number_of(account), Order::Desc),
        None => query.order_by((TRANSFER, Column::TransferId), Order::Desc),
    };
}

/// Returns the transfers with an identifier, a key, a group or an original that meet the other
/// conditions.
///
/// `OFFSET 0` keeps the server from looking for the other conditions first.
fn of_named(filter: &TransferFilter) -> SelectStatement {
    let mut named = Query::select();
    named
        .column(Asterisk)
        .from(transfers::Entity.table_ref())
        .offset(0);
    if let Some(transfer) = filter.transfer_id {
        named.and_where(Expr::col(Column::TransferId).eq(transfer.as_uuid()));
    }
    if let Some(key) = &filter.idempotency_key {
        named.and_where(Expr::col(Column::IdempotencyKey).eq(key.as_str()));
    }
    if let Some(group) = filter.group_id {
        named.and_where(Expr::col(Column::GroupId).eq(group.as_uuid()));
    }
    if let Some(original) = filter.reverses {
        named.and_where(Expr::col(Column::ReversesTransferId).eq(original.as_uuid()));
    }
    let mut query = Query::select();
    query
        .columns(TRANSFER_COLUMNS.map(|column| (TRANSFER, column)))
        .from_subquery(named, TRANSFER)
        .cond_where(own_conditions(filter));
    if let Some(account) = filter.account {
        query.cond_where(
            Condition::any()
                .add(of_transfer(Column::FromAccountId).eq(account.as_uuid()))
                .add(of_transfer(Column::ToAccountId).eq(account.as_uuid())),
        );
    }
    match filter.after.map(|cursor| cursor.0) {
        Some(Position::OfAll(last)) => {
            query.and_where(of_transfer(Column::TransferId).lt(last.as_uuid()));
        }
        Some(Position::OfAccount {
            account,
            posted_at,
            entry_number,
        }) => {
            let place = [of_transfer(Column::PostedAt), entry_number_of(account)];
            let last = [Expr::val(posted_at), Expr::val(entry_number)];
            query.and_where(Expr::tuple(place).lt(Expr::tuple(last)));
        }
        None => {}
    }
    in_order_of(filter, &mut query);
    query.limit(u64::from(filter.limit).saturating_add(1));
    query
}

/// Returns the newest transfers of an account by its entries.
///
/// The look-up of each entry's transfer has `OFFSET 0`, so that the server cannot turn it into a
/// join that reads the whole account before it sorts.
fn of_account(filter: &TransferFilter, account: AccountId) -> SelectStatement {
    use transactions::Column as Entry;
    let own = |column: Entry| Expr::col((OWN, column));
    let mut query = Query::select();
    query
        .columns(TRANSFER_COLUMNS.map(|column| (TRANSFER, column)))
        .from_as(transactions::Entity.table_ref(), OWN)
        .join_lateral(
            JoinType::InnerJoin,
            looked_up(
                transfers::Entity.table_ref(),
                [(
                    Expr::col((transfers::Entity, Column::TransferId)),
                    own(Entry::TransferId),
                )],
            ),
            TRANSFER,
            Condition::all(),
        )
        .and_where(own(Entry::AccountId).eq(account.as_uuid()))
        .cond_where(own_conditions(filter));
    if let Some(from) = filter.from {
        query.and_where(own(Entry::TransactionDate).gte(from));
    }
    if let Some(until) = filter.until {
        query.and_where(own(Entry::TransactionDate).lt(until));
    }
    if let Some(Position::OfAccount {
        posted_at,
        entry_number,
        ..
    }) = filter.after.map(|cursor| cursor.0)
    {
        let place = [own(Entry::TransactionDate), own(Entry::EntryNumber)];
        let last = [Expr::val(posted_at), Expr::val(entry_number)];
        query.and_where(Expr::tuple(place).lt(Expr::tuple(last)));
    }
    query
        .order_by((OWN, Entry::TransactionDate), Order::Desc)
        .order_by((OWN, Entry::EntryNumber), Order::Desc)
        .limit(u64::from(filter.limit).saturating_add(1));
    query
}

/// Returns the newest transfers of the bank, by the primary key.
fn of_all(filter: &TransferFilter) -> SelectStatement {
    let mut query = Query::select();
    query
        .columns(TRANSFER_COLUMNS.map(|column| (TRANSFER, column)))
        .from_as(transfers::Entity.table_ref(), TRANSFER)
        .cond_where(own_conditions(filter));
    if let Some(Position::OfAll(last)) = filter.after.map(|cursor| cursor.0) {
        query.and_where(of_transfer(Column::TransferId).lt(last.as_uuid()));
    }
    query
        .order_by((TRANSFER, Column::TransferId), Order::Desc)
        .limit(u64::from(filter.limit).saturating_add(1));
    query
}

/// Returns the conditions on a transfer's own columns.
fn own_conditions(filter: &TransferFilter) -> Condition {
    let mut all = Condition::all();
    if let Some(kind) = filter.transfer_type {
        all = all.add(of_transfer(Column::TransferType).eq(kind.as_str()));
    }
    if let Some(amount) = filter.at_least.or(filter.at_most) {
        all = all.add(of_transfer(Column::CurrencyCode).eq(amount.currency().code()));
    }
    if let Some(amount) = filter.at_least {
        all = all.add(of_transfer(Column::Amount).gte(amount.amount()));
    }
    if let Some(amount) = filter.at_most {
        all = all.add(of_transfer(Column::Amount).lte(amount.amount()));
    }
    if let Some(from) = filter.from {
        all = all.add(of_transfer(Column::PostedAt).gte(from));
    }
    if let Some(until) = filter.until {
        all = all.add(of_transfer(Column::PostedAt).lt(until));
    }
    if let Some(actor) = &filter.actor {
        all = all.add(of_transfer(Column::Actor).eq(actor.as_str()));
    }
    if let Some(metadata) = &filter.metadata {
        all = all.add(of_transfer(Column::Metadata).contains(Expr::val(metadata.to_value())));
    }
    if let Some(account) = filter.account {
        all = all.add(pair(filter, account));
    }
    all
}

/// Returns the condition on both accounts of a transfer of one account: its side and the account on
/// the other side.
fn pair(filter: &TransferFilter, account: AccountId) -> Condition {
    use neobank_entity::enums::EntryType;
    let one_side = |own: Column, other: Column| {
        let other = filter
            .counterparty
            .map(|counterparty| of_transfer(other).eq(counterparty.as_uuid()));
        Condition::all()
            .add(of_transfer(own).eq(account.as_uuid()))
            .add_option(other)
    };
    let pays = || one_side(Column::FromAccountId, Column::ToAccountId);
    let is_paid = || one_side(Column::ToAccountId, Column::FromAccountId);
    match filter.side {
        Some(EntryType::Debit) => pays(),
        Some(EntryType::Credit) => is_paid(),
        _ => Condition::any().add(pays()).add(is_paid()),
    }
}

/// Returns the number of an account's entry of a transfer.
fn entry_number_of(account: AccountId) -> Expr {
    Expr::case(
        of_transfer(Column::FromAccountId).eq(account.as_uuid()),
        of_transfer(Column::FromEntryNumber),
    )
    .finally(of_transfer(Column::ToEntryNumber))
    .into()
}

/// Returns transfers with the entries and the accounts of both sides, each found by its index.
fn with_sides(transfers: SelectStatement) -> SelectStatement {
    use accounts::Column as Account;
    use transactions::Column as Entry;
    let entry = |account: Column, number: Column| {
        let own = |column: Entry| Expr::col((transactions::Entity, column));
        looked_up(
            transactions::Entity.table_ref(),
            [
                (own(Entry::AccountId), of_transfer(account)),
                (own(Entry::TransactionDate), of_transfer(Column::PostedAt)),
                (own(Entry::EntryNumber), of_transfer(number)),
            ],
        )
    };
    let account = |column: Column| {
        let own = Expr::col((accounts::Entity, Account::AccountId));
        looked_up(accounts::Entity.table_ref(), [(own, of_transfer(column))])
    };
    let mut query = Query::select();
    query
        .columns(TRANSFER_COLUMNS.map(|column| (TRANSFER, column)))
        .expr_as(Expr::col((DEBIT, Entry::TransactionId)), side::DEBIT_ID)
        .expr_as(
            Expr::col((DEBIT, Entry::RunningBalance)),
            side::DEBIT_BALANCE,
        )
        .expr_as(
            Expr::col((PAYER, Account::AccountNumber)),
            side::FROM_NUMBER,
        )
        .expr_as(Expr::col((CREDIT, Entry::TransactionId)), side::CREDIT_ID)
        .expr_as(
            Expr::col((CREDIT, Entry::RunningBalance)),
            side::CREDIT_BALANCE,
        )
        .expr_as(Expr::col((PAYEE, Account::AccountNumber)), side::TO_NUMBER)
        .from_subquery(transfers, TRANSFER);
    for (looked_up, name) in [
        (entry(Column::FromAccountId, Column::FromEntryNumber), DEBIT),
        (entry(Column::ToAccountId, Column::ToEntryNumber), CREDIT),
        (account(Column::FromAccountId), PAYER),
        (account(Column::ToAccountId), PAYEE),
    ] {
        query.join_lateral(JoinType::InnerJoin, looked_up, name, Condition::all());
    }
    query
}

/// Returns the look-up of a row that the server cannot turn into another join.
fn looked_up(table: TableRef, equal: impl IntoIterator<Item = (Expr, Expr)>) -> SelectStatement {
    let mut query = Query::select();
    query.column(Asterisk).from(table).offset(0);
    for (own, other) in equal {
        query.and_where(own.eq(other));
    }
    query
}

fn of_transfer(column: Column) -> Expr {
    Expr::col((TRANSFER, column))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::GroupId;
    use crate::ledger::{EntryType, TransferType};
    use crate::transfers::TransferCursor;

    #[test]
    fn statements_match_their_snapshots() {
        let nil = Uuid::nil();
        let all = TransferFilter::default();
        let later = all
            .clone()
            .with_transfer_type(TransferType::Fee)
            .with_at_least("1.00 CZK".parse().ok())
            .with_after(TransferCursor(Position::OfAll(nil.into())));
        let of_account = all
            .clone()
            .with_account(AccountId::from(nil))
            .with_counterparty(AccountId::from(nil))
            .with_side(EntryType::Debit)
            .with_from("2026-01-01T00:00:00Z".parse().ok())
            .with_after(format!("{}.7.8", nil.simple()).parse().ok());
        let of_key = all
            .clone()
            .with_account(AccountId::from(nil))
            .with_idempotency_key("k".to_owned());
        insta::assert_snapshot!("all", page(&all).sql);
        insta::assert_snapshot!("later_fees", page(&later).sql);
        insta::assert_snapshot!("of_account", page(&of_account).sql);
        insta::assert_snapshot!("of_key_and_account", page(&of_key).sql);
        let reversals = TransferFilter::default()
            .with_reverses(TransferId::from(nil))
            .with_group_id(GroupId::from(nil))
            .with_actor("teller:42".parse().ok())
            .with_metadata(r#"{"order": 1}"#.parse().ok());
        insta::assert_snapshot!("reversals", page(&reversals).sql);
        insta::assert_snapshot!("by_id", by_id(nil.into()).sql);
        insta::assert_snapshot!("by_key", by_key("k").sql);
    }
}

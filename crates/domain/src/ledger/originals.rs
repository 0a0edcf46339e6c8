//! The look-ups before a batch: the accounts of transfers to reverse, the holds to capture or
//! release, and the bank's own accounts that few requests need.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::holds;
use neobank_entity::banking::transfers::{self, Column};
use neobank_entity::functions::banking::OpenSystemAccounts;
use neobank_entity::{FromColumn, FromRow, RowError};
use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};
use uuid::Uuid;

use super::account_cache::AccountCache;
use super::decision::HoldState;
use super::request::{HeldBy, PostingKind, Request};
use crate::{AccountId, GroupId, HoldId, TransferId};

/// Looks up the accounts of reversals and of holds, and opens the bank's own accounts that journal
/// entries and exchanges need. Requests of other kinds cost nothing.
///
/// The accounts of a transfer and of a hold never change, so the look-up needs no lock. A request
/// that names one that does not exist stays without accounts. The account cache is left out where the
/// rows may never be committed.
pub(super) async fn resolve(
    on: &impl Executor,
    account_cache: Option<&AccountCache>,
    requests: &mut [Request],
) -> Result<(), DatabaseError> {
    for currency in currencies_of_rare_accounts(requests) {
        let currency_code = currency.to_owned();
        on.execute(OpenSystemAccounts { currency_code }.statement())
            .await?;
    }
    resolve_holds(on, account_cache, requests).await?;
    let wanted: BTreeSet<TransferId> = requests.iter().flat_map(Request::originals).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let found: Vec<Parties> = on.fetch_many(parties(&wanted)).await?;
    let found: HashMap<_, _> = found
        .into_iter()
        .map(|row| (row.transfer, row.accounts))
        .collect();
    for step in requests.iter_mut().flat_map(Request::steps_mut) {
        if let Request::Reversal(reversal) = step {
            reversal.parties = found.get(&reversal.transfer).copied();
        }
    }
    Ok(())
}

/// As [`resolve`], for requests that the caller keeps.
pub(super) async fn resolved<'a>(
    on: &impl Executor,
    account_cache: Option<&AccountCache>,
    requests: &'a [Request],
) -> Result<Cow<'a, [Request]>, DatabaseError> {
    let needs_nothing = requests.iter().all(|request| {
        request.originals().next().is_none()
            && request.holds().next().is_none()
            && currencies_of_rare_accounts(std::slice::from_ref(request)).is_empty()
    });
    if needs_nothing {
        return Ok(Cow::Borrowed(requests));
    }
    let mut requests = requests.to_vec();
    resolve(on, account_cache, &mut requests).await?;
    Ok(Cow::Owned(requests))
}

/// Looks up the holds of requests. The account cache keeps those that it does not know, so that a
/// decision without locks needs no other read.
async fn resolve_holds(
    on: &impl Executor,
    account_cache: Option<&AccountCache>,
    requests: &mut [Request],
) -> Result<(), DatabaseError> {
    let wanted: BTreeSet<HoldId> = requests.iter().flat_map(Request::holds).collect();
    let known = account_cache
        .map(|cache| cache.holds(&wanted))
        .unwrap_or_default();
    let mut found: HashMap<_, _> = known
        .iter()
        .map(|hold| (hold.hold_id, HeldBy::of(hold)))
        .collect();
    let unknown: Vec<Uuid> = wanted
        .iter()
        .filter(|hold| !found.contains_key(hold))
        .map(|hold| hold.as_uuid())
        .collect();
    if !unknown.is_empty() {
        let rows: Vec<holds::Model> = on.fetch_many(holds_where(unknown)).await?;
        let read = rows.into_iter().map(HoldState::try_from);
        let read = read.collect::<Result<Vec<_>, _>>()?;
        found.extend(read.iter().map(|hold| (hold.hold_id, HeldBy::of(hold))));
        if let Some(account_cache) = account_cache {
            account_cache.note_holds(read);
        }
    }
    for step in requests.iter_mut().flat_map(Request::steps_mut) {
        if let Some((hold, held_by)) = step.held_by_mut() {
            *held_by = found.get(&hold).copied();
        }
    }
    Ok(())
}

/// Returns the transfers of a group in the order of its steps.
pub(super) async fn of_group(
    on: &impl Executor,
    group: GroupId,
) -> Result<Vec<TransferId>, DatabaseError> {
    let rows: Vec<Parties> = on.fetch_many(members(group)).await?;
    Ok(rows.into_iter().map(|row| row.transfer).collect())
}

/// A transfer with its payer and payee.
struct Parties {
    transfer: TransferId,
    accounts: [AccountId; 2],
}

impl FromRow for Parties {
    fn from_row(row: &neobank_db::driver::Row) -> Result<Self, RowError> {
        let id = |column: Column| <Uuid as FromColumn>::from_column(row, column.as_str());
        Ok(Self {
            transfer: id(Column::TransferId)?.into(),
            accounts: [
                id(Column::FromAccountId)?.into(),
                id(Column::ToAccountId)?.into(),
            ],
        })
    }
}

impl HeldBy {
    const fn of(hold: &HoldState) -> Self {
        Self {
            account: hold.account,
            to: hold.to,
        }
    }
}

fn holds_where(wanted: Vec<Uuid>) -> Statement {
    let is_wanted = Expr::col((holds::Entity, holds::Column::HoldId));
    let mut query = holds::Entity::select();
    query.and_where(is_wanted.eq(Func::cust("ANY").arg(Expr::val(wanted))));
    Statement::from_query(&query)
}

fn parties(wanted: &BTreeSet<TransferId>) -> Statement {
    let wanted: Vec<Uuid> = wanted.iter().map(|transfer| transfer.as_uuid()).collect();
    let is_wanted = Expr::col(Column::TransferId).eq(Func::cust("ANY").arg(Expr::val(wanted)));
    Statement::from_query(&transfers_where(is_wanted))
}

fn members(group: GroupId) -> Statement {
    let is_member = Expr::col(Column::GroupId).eq(group.as_uuid());
    let mut query = transfers_where(is_member);
    Statement::from_query(query.order_by(Column::TransferId, Order::Asc))
}

fn transfers_where(condition: Expr) -> SelectStatement {
    let mut query = Query::select();
    query
        .columns([
            Column::TransferId,
            Column::FromAccountId,
            Column::ToAccountId,
        ])
        .from(transfers::Entity.table_ref())
        .and_where(condition);
    query
}

/// Returns the currencies in which requests need the clearing account or the exchange position,
/// which older databases lack until they are needed.
fn currencies_of_rare_accounts(requests: &[Request]) -> BTreeSet<&'static str> {
    let steps = requests.iter().flat_map(Request::steps);
    let currencies = steps.filter_map(|step| match step {
        Request::Posting(posting) => {
            let is_rare = matches!(posting.kind, PostingKind::Clearing | PostingKind::Exchange);
            is_rare.then(|| posting.amount.currency().code())
        }
        _ => None,
    });
    currencies.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_match_their_snapshots() {
        let one = BTreeSet::from([Uuid::nil().into()]);
        insta::assert_snapshot!("parties", parties(&one).sql);
        insta::assert_snapshot!("members", members(Uuid::nil().into()).sql);
        let one = vec![Uuid::nil()];
        insta::assert_snapshot!("holds_where", holds_where(one).sql);
    }
}

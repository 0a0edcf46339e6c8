//! The queries of changes, as builders on the generated entities.

use neobank_db::Statement;
use neobank_entity::banking::change_log::{Column, Entity};
use sea_query::{Expr, ExprTrait, Order, Query};

use super::ChangeFilter;

/// Names the actor of the rest of a transaction.
pub(super) const ACT_AS: &str = "SELECT pg_catalog.set_config('neobank.actor', $1, true)";
/// Makes the database reject changes without an actor in the rest of a transaction, or not.
pub(super) const REQUIRE_ACTOR: &str =
    "SELECT pg_catalog.set_config('neobank.require_actor', $1, true)";

/// The values before and after the change, as texts whose numbers nothing has rounded yet.
pub(super) const OLD: &str = "old_text";
pub(super) const NEW: &str = "new_text";

/// The columns of a change, without its values.
const COLUMNS: [Column; 8] = [
    Column::ChangeNumber,
    Column::TableName,
    Column::Operation,
    Column::CustomerId,
    Column::AccountId,
    Column::Actor,
    Column::DatabaseRole,
    Column::ChangedAt,
];

/// Returns the query of a page and of one change more, which shows that a next page exists.
pub(super) fn page(filter: &ChangeFilter) -> Statement {
    let mut query = Query::select();
    query
        .columns(COLUMNS)
        .expr_as(Expr::col(Column::OldValues).cast_as("text"), OLD)
        .expr_as(Expr::col(Column::NewValues).cast_as("text"), NEW)
        .from(Entity.table_ref())
        .order_by(Column::ChangeNumber, Order::Desc)
        .limit(u64::from(filter.limit).saturating_add(1));
    if let Some(account) = filter.account {
        query.and_where(Expr::col(Column::AccountId).eq(account.as_uuid()));
    }
    if let Some(customer) = filter.customer {
        query.and_where(Expr::col(Column::CustomerId).eq(customer.as_uuid()));
    }
    if let Some(actor) = &filter.actor {
        query.and_where(Expr::col(Column::Actor).eq(actor.as_str()));
    }
    if let Some(from) = filter.from {
        query.and_where(Expr::col(Column::ChangedAt).gte(from));
    }
    if let Some(until) = filter.until {
        query.and_where(Expr::col(Column::ChangedAt).lt(until));
    }
    if let Some(after) = filter.after {
        query.and_where(Expr::col(Column::ChangeNumber).lt(after.0));
    }
    Statement::from_query(&query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountId;

    #[test]
    fn statements_match_their_snapshots() {
        let later = ChangeFilter::default()
            .with_account(AccountId::from(uuid::Uuid::nil()))
            .with_actor("teller:42".parse::<crate::ledger::Actor>().ok())
            .with_from("2026-01-01T00:00:00Z".parse().ok())
            .with_after("7".parse().ok());
        insta::assert_snapshot!("all", page(&ChangeFilter::default()).sql);
        insta::assert_snapshot!("later_of_account", page(&later).sql);
    }
}

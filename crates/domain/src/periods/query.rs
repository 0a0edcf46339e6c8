//! The queries of closings, as builders on the generated entities.

use neobank_db::Statement;
use neobank_entity::banking::{currencies, period_closings};
use sea_query::{Expr, ExprTrait, Order};

use crate::Currency;

pub(super) fn currency(currency: Currency) -> Statement {
    use currencies::{Column, Entity};
    let mut query = Entity::select();
    query.and_where(Expr::col((Entity, Column::CurrencyCode)).eq(currency.code()));
    Statement::from_query(&query)
}

pub(super) fn list(currency: Option<Currency>, limit: u32) -> Statement {
    use period_closings::{Column, Entity};
    let mut query = Entity::select();
    if let Some(currency) = currency {
        query.and_where(Expr::col((Entity, Column::CurrencyCode)).eq(currency.code()));
    }
    query
        .order_by((Entity, Column::ClosingNumber), Order::Desc)
        .limit(u64::from(limit));
    Statement::from_query(&query)
}

//! The queries of keys, as builders on the generated entities.

use neobank_db::Statement;
use neobank_entity::banking::{api_key_bindings, api_keys};
use sea_query::{Expr, ExprTrait, Order};

use crate::ApiKeyId;

pub(super) fn by_id(api_key: ApiKeyId) -> Statement {
    use api_keys::{Column, Entity};
    let mut query = Entity::select();
    query.and_where(Expr::col((Entity, Column::ApiKeyId)).eq(api_key.as_uuid()));
    Statement::from_query(&query)
}

pub(super) fn by_prefix(prefix: &str) -> Statement {
    use api_keys::{Column, Entity};
    let mut query = Entity::select();
    query.and_where(Expr::col((Entity, Column::KeyPrefix)).eq(prefix));
    Statement::from_query(&query)
}

pub(super) fn list(limit: u32) -> Statement {
    use api_keys::{Column, Entity};
    let mut query = Entity::select();
    query
        .order_by((Entity, Column::CreatedAt), Order::Desc)
        .order_by((Entity, Column::ApiKeyId), Order::Desc)
        .limit(u64::from(limit));
    Statement::from_query(&query)
}

pub(super) fn bindings(api_key: ApiKeyId) -> Statement {
    use api_key_bindings::{Column, Entity};
    let mut query = Entity::select();
    query
        .and_where(Expr::col((Entity, Column::ApiKeyId)).eq(api_key.as_uuid()))
        .order_by((Entity, Column::BindingNumber), Order::Asc);
    Statement::from_query(&query)
}

pub(super) fn all_bindings() -> Statement {
    use api_key_bindings::{Column, Entity};
    let mut query = Entity::select();
    query
        .order_by((Entity, Column::ApiKeyId), Order::Asc)
        .order_by((Entity, Column::BindingNumber), Order::Asc);
    Statement::from_query(&query)
}

//! The search for customers, page by page.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use neobank_db::{Executor, Statement};
use neobank_entity::banking::customers::{self, Column};
use sea_query::extension::postgres::PgExpr;
use sea_query::{Expr, ExprTrait, LikeExpr, Order, Query, SelectStatement};
use uuid::Uuid;

use super::{Customer, CustomerError, CustomerStatus, CustomerType};
use crate::text;

/// The conditions and the page of a search for customers.
///
/// A customer is found when it meets every condition that is set; without conditions, all are
/// found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomerFilter {
    /// A part of the first name, a space and the last name, without regard to case. `%`, `_` and `\`
    /// stand for themselves.
    pub name: Option<String>,
    /// A part of the e-mail address, without regard to case. `%`, `_` and `\` stand for themselves.
    pub email: Option<String>,
    /// A part of either telephone number. `%`, `_` and `\` stand for themselves.
    pub phone: Option<String>,
    /// The status of the customer.
    pub status: Option<CustomerStatus>,
    /// The type of the customer.
    pub customer_type: Option<CustomerType>,
    /// The most customers on the page, from 1 to [`CustomerFilter::LIMIT_MAX`].
    pub limit: u32,
    /// The cursor that the previous page returned.
    pub after: Option<CustomerCursor>,
    /// The number of customers to skip. A cursor is faster and more stable, because an offset
    /// shifts when customers are added.
    pub offset: u32,
}

/// One page of customers, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomerPage {
    /// The customers of this page.
    pub customers: Vec<Customer>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<CustomerCursor>,
}

/// A position in the list of customers that stays the same when customers are added or changed.
///
/// `Display` writes it as a text, which `FromStr` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerCursor {
    created_at: DateTime<Utc>,
    customer_id: Uuid,
}

impl CustomerFilter {
    /// The most customers on one page.
    pub const LIMIT_MAX: u32 = 1_000;

    /// Sets the part of the name to find.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Option<String>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the part of the e-mail address to find.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<Option<String>>) -> Self {
        self.email = email.into();
        self
    }

    /// Sets the part of a telephone number to find.
    #[must_use]
    pub fn with_phone(mut self, phone: impl Into<Option<String>>) -> Self {
        self.phone = phone.into();
        self
    }

    /// Sets the status to find.
    #[must_use]
    pub fn with_status(mut self, status: impl Into<Option<CustomerStatus>>) -> Self {
        self.status = status.into();
        self
    }

    /// Sets the type of customers to find.
    #[must_use]
    pub fn with_customer_type(mut self, customer_type: impl Into<Option<CustomerType>>) -> Self {
        self.customer_type = customer_type.into();
        self
    }

    /// Sets the most customers on the page, from 1 to [`CustomerFilter::LIMIT_MAX`].
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the cursor that the previous page returned.
    #[must_use]
    pub fn with_after(mut self, after: impl Into<Option<CustomerCursor>>) -> Self {
        self.after = after.into();
        self
    }

    /// Sets the number of customers to skip.
    #[must_use]
    pub const fn with_offset(mut self, offset: u32) -> Self {
        self.offset = offset;
        self
    }
}

impl Default for CustomerFilter {
    fn default() -> Self {
        Self {
            name: None,
            email: None,
            phone: None,
            status: None,
            customer_type: None,
            limit: 100,
            after: None,
            offset: 0,
        }
    }
}

/// Finds one page of customers, newest first.
///
/// # Errors
///
/// [`CustomerError::Invalid`] for a limit out of range or a text with a NUL character, and
/// [`CustomerError::Database`].
pub async fn search(
    on: &impl Executor,
    filter: &CustomerFilter,
) -> Result<CustomerPage, CustomerError> {
    check(filter)?;
    let query = Statement::from_query(&search_query(filter));
    let rows: Vec<customers::Model> = on.fetch_many(query).await?;
    let mut customers: Vec<Customer> = rows.into_iter().map(Into::into).collect();
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    // The query read one customer more than the limit; that one shows that a next page exists.
    let next = (customers.len() > limit)
        .then(|| limit.checked_sub(1))
        .flatten()
        .and_then(|last| customers.get(last));
    let next = next.map(|last| CustomerCursor {
        created_at: last.created_at,
        customer_id: last.customer_id.as_uuid(),
    });
    customers.truncate(limit);
    Ok(CustomerPage { customers, next })
}

/// Returns the query of a search, for callers that explain or extend it.
///
/// The query reads one customer more than the limit; that one shows that a next page exists.
#[must_use]
pub fn search_query(filter: &CustomerFilter) -> SelectStatement {
    let mut query = Query::select();
    query
        .columns(Column::ALL)
        .from(customers::Entity.table_ref())
        .order_by(Column::CreatedAt, Order::Desc)
        .order_by(Column::CustomerId, Order::Desc)
        .limit(u64::from(filter.limit).saturating_add(1));
    if let Some(name) = &filter.name {
        let full_name = Expr::col(Column::FirstName)
            .concatenate(" ")
            .concatenate(Expr::col(Column::LastName));
        query.and_where(full_name.ilike(contains(name)));
    }
    if let Some(email) = &filter.email {
        query.and_where(Expr::col(Column::Email).ilike(contains(email)));
    }
    if let Some(phone) = &filter.phone {
        query.and_where(
            Expr::col(Column::PhonePrimary)
                .like(contains(phone))
                .or(Expr::col(Column::PhoneSecondary).like(contains(phone))),
        );
    }
    if let Some(status) = filter.status {
        query.and_where(Expr::col(Column::CustomerStatus).eq(status.as_str()));
    }
    if let Some(customer_type) = filter.customer_type {
        query.and_where(Expr::col(Column::CustomerType).eq(customer_type.as_str()));
    }
    if let Some(after) = filter.after {
        query.and_where(
            Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::CustomerId)]).lt(
                Expr::tuple([Expr::val(after.created_at), Expr::val(after.customer_id)]),
            ),
        );
    }
    if filter.offset > 0 {
        query.offset(u64::from(filter.offset));
    }
    query
}

/// Returns the `LIKE` pattern of texts that contain this one, with its special characters escaped.
fn contains(text: &str) -> LikeExpr {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    // No ESCAPE clause: the backslash is PostgreSQL's default, and sea-query writes the clause of
    // an ILIKE in parentheses, which the server cannot parse.
    LikeExpr::new(pattern)
}

fn check(filter: &CustomerFilter) -> Result<(), CustomerError> {
    if !(1..=CustomerFilter::LIMIT_MAX).contains(&filter.limit) {
        return Err(CustomerError::Invalid {
            field: "limit",
            value: filter.limit.to_string(),
            reason: format!("it must lie between 1 and {}", CustomerFilter::LIMIT_MAX),
        });
    }
    for (field, text) in [
        ("name", &filter.name),
        ("email", &filter.email),
        ("phone", &filter.phone),
    ] {
        if let Some(text) = text
            .as_ref()
            .filter(|text| text.as_str().find('\0').is_some())
        {
            return Err(CustomerError::Invalid {
                field,
                value: text.clone(),
                reason: "it has a NUL character".to_owned(),
            });
        }
    }
    Ok(())
}

impl fmt::Display for CustomerCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{}",
            self.created_at.timestamp_micros(),
            self.customer_id.simple()
        )
    }
}

impl FromStr for CustomerCursor {
    type Err = CustomerError;

    fn from_str(text: &str) -> Result<Self, CustomerError> {
        let parse = || {
            let (created_at, customer_id) = text.split_once('.')?;
            Some(Self {
                created_at: text::moment(created_at)?,
                customer_id: customer_id.parse().ok()?,
            })
        };
        parse().ok_or_else(|| CustomerError::Invalid {
            field: "cursor",
            value: text.to_owned(),
            reason: "it does not come from a page".to_owned(),
        })
    }
}

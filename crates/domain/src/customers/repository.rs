//! The statements on `banking.customers`.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use neobank_db::{DatabaseError, ErrorClass, Executor, FromQueryResult, Value, statement};
use sea_orm::sea_query::{Expr, ExprTrait, PostgresQueryBuilder, Query};
use uuid::Uuid;

use super::{
    Customer, CustomerError, CustomerStatus, CustomerType, CustomerUpdate, KycStatus, NewCustomer,
};
use crate::CustomerId;
use crate::text;

/// The most characters of a value that an error shows.
const VALUE_SHOWN_MAX: usize = 1_000;

/// The table.
pub(super) const CUSTOMERS: (&str, &str) = ("banking", "customers");

/// Every column that a [`Customer`] is made of.
pub(super) const COLUMNS: [&str; 13] = [
    "customer_id",
    "customer_number",
    "first_name",
    "last_name",
    "email",
    "phone_primary",
    "phone_secondary",
    "date_of_birth",
    "customer_type",
    "customer_status",
    "kyc_status",
    "created_at",
    "updated_at",
];

#[derive(FromQueryResult)]
pub(super) struct CustomerRow {
    customer_id: Uuid,
    customer_number: String,
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone_primary: Option<String>,
    phone_secondary: Option<String>,
    date_of_birth: Option<NaiveDate>,
    customer_type: String,
    customer_status: String,
    kyc_status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The customer with this identifier, or `None`.
///
/// # Errors
///
/// [`CustomerError::Database`].
pub async fn find(
    on: &impl Executor,
    customer: CustomerId,
) -> Result<Option<Customer>, CustomerError> {
    let condition = Expr::col("customer_id").eq(customer.as_uuid());
    find_where(on, condition).await
}

/// The customer with this number, or `None`.
///
/// # Errors
///
/// [`CustomerError::Database`].
pub async fn find_by_number(
    on: &impl Executor,
    number: &str,
) -> Result<Option<Customer>, CustomerError> {
    if number.contains('\0') {
        return Ok(None);
    }
    find_where(on, Expr::col("customer_number").eq(number)).await
}

/// The customer with this e-mail address, in whatever case, or `None`.
///
/// # Errors
///
/// [`CustomerError::Database`].
pub async fn find_by_email(
    on: &impl Executor,
    email: &str,
) -> Result<Option<Customer>, CustomerError> {
    if email.contains('\0') {
        return Ok(None);
    }
    // Both sides by the database's rule, since its unique index is by that rule.
    let condition = Expr::cust("lower(\"email\")").eq(Expr::cust_with_values("lower($1)", [email]));
    find_where(on, condition).await
}

/// Creates a customer; the database makes its number.
///
/// # Errors
///
/// [`CustomerError::Invalid`] names the field, [`CustomerError::EmailTaken`], [`CustomerError::AlreadyExists`].
pub async fn create(on: &impl Executor, new: &NewCustomer) -> Result<Customer, CustomerError> {
    check_name("first_name", &new.first_name)?;
    check_name("last_name", &new.last_name)?;
    check_email(new.email.as_deref())?;
    check_phone("phone_primary", new.phone_primary.as_deref())?;
    check_phone("phone_secondary", new.phone_secondary.as_deref())?;
    check_date_of_birth(new.date_of_birth)?;
    if let Some(number) = &new.customer_number {
        text::check_number(number, is_made_here)
            .map_err(|reason| invalid("customer_number", number, reason))?;
    }
    let mut values: Vec<(&str, Value)> = vec![
        ("customer_id", new.customer_id.as_uuid().into()),
        ("first_name", new.first_name.as_str().into()),
        ("last_name", new.last_name.as_str().into()),
        ("email", new.email.clone().into()),
        ("phone_primary", new.phone_primary.clone().into()),
        ("phone_secondary", new.phone_secondary.clone().into()),
        ("date_of_birth", new.date_of_birth.into()),
        ("customer_type", new.customer_type.name().into()),
    ];
    // A column that only an importer may give.
    if let Some(number) = &new.customer_number {
        values.push(("customer_number", number.as_str().into()));
    }
    let (columns, values): (Vec<_>, Vec<_>) = values
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .unzip();
    let mut insert = Query::insert();
    insert
        .into_table(CUSTOMERS)
        .columns(columns)
        .values_panic(values)
        .returning(Query::returning().columns(COLUMNS));
    let (sql, values) = insert.build(PostgresQueryBuilder);
    match on.fetch_one::<CustomerRow>(statement(&sql, values)).await {
        Ok(row) => customer(row.ok_or(DatabaseError::NoRow)?),
        Err(error) if is_violated(&error, "customers_pkey") => Err(CustomerError::AlreadyExists {
            customer: new.customer_id,
        }),
        Err(error) if is_violated(&error, "customers_customer_number_key") => {
            Err(CustomerError::NumberTaken {
                number: new.customer_number.clone().unwrap_or_default(),
            })
        }
        Err(error) => Err(why_not_written(error, new.email.as_deref())),
    }
}

/// Whether the database makes numbers of this form.
fn is_made_here(number: &str) -> bool {
    number
        .strip_prefix('C')
        .is_some_and(|rest| rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Changes the fields that the update names, and moves `updated_at`.
///
/// # Errors
///
/// [`CustomerError::EmptyUpdate`], [`CustomerError::Invalid`] names the field, [`CustomerError::EmailTaken`],
/// [`CustomerError::UnknownCustomer`].
pub async fn update(
    on: &impl Executor,
    customer: CustomerId,
    update: &CustomerUpdate,
) -> Result<Customer, CustomerError> {
    let values = changes(update)?;
    if values.is_empty() {
        return Err(CustomerError::EmptyUpdate);
    }
    let mut query = Query::update();
    query
        .table(CUSTOMERS)
        .values(values)
        .and_where(Expr::col("customer_id").eq(customer.as_uuid()))
        .returning(Query::returning().columns(COLUMNS));
    let (sql, values) = query.build(PostgresQueryBuilder);
    let email = update.email.as_ref().and_then(Option::as_deref);
    match on.fetch_one::<CustomerRow>(statement(&sql, values)).await {
        Ok(Some(row)) => self::customer(row),
        Ok(None) => Err(CustomerError::UnknownCustomer { customer }),
        Err(error) => Err(why_not_written(error, email)),
    }
}

pub(super) fn customer(row: CustomerRow) -> Result<Customer, CustomerError> {
    let unreadable = |name: &str| DatabaseError::Row {
        reason: format!(
            "{name} of customer {} holds a value that this version does not know",
            row.customer_id
        ),
    };
    Ok(Customer {
        customer_id: row.customer_id.into(),
        customer_type: CustomerType::from_name(&row.customer_type)
            .ok_or_else(|| unreadable("customer_type"))?,
        status: CustomerStatus::from_name(&row.customer_status)
            .ok_or_else(|| unreadable("customer_status"))?,
        kyc_status: KycStatus::from_name(&row.kyc_status)
            .ok_or_else(|| unreadable("kyc_status"))?,
        customer_number: row.customer_number,
        first_name: row.first_name,
        last_name: row.last_name,
        email: row.email,
        phone_primary: row.phone_primary,
        phone_secondary: row.phone_secondary,
        date_of_birth: row.date_of_birth,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

async fn find_where(
    on: &impl Executor,
    condition: Expr,
) -> Result<Option<Customer>, CustomerError> {
    let (sql, values) = Query::select()
        .columns(COLUMNS)
        .from(CUSTOMERS)
        .and_where(condition)
        .build(PostgresQueryBuilder);
    on.fetch_one::<CustomerRow>(statement(&sql, values))
        .await?
        .map(customer)
        .transpose()
}

fn changes(update: &CustomerUpdate) -> Result<Vec<(&'static str, Expr)>, CustomerError> {
    let CustomerUpdate {
        first_name,
        last_name,
        email,
        phone_primary,
        phone_secondary,
        customer_status,
        kyc_status,
    } = update;
    let mut values: Vec<(&'static str, Expr)> = Vec::new();
    for (field, name) in [("first_name", first_name), ("last_name", last_name)] {
        if let Some(name) = name {
            check_name(field, name)?;
            values.push((field, name.as_str().into()));
        }
    }
    if let Some(email) = email {
        check_email(email.as_deref())?;
        values.push(("email", email.clone().into()));
    }
    for (field, phone) in [
        ("phone_primary", phone_primary),
        ("phone_secondary", phone_secondary),
    ] {
        if let Some(phone) = phone {
            check_phone(field, phone.as_deref())?;
            values.push((field, phone.clone().into()));
        }
    }
    if let Some(status) = customer_status {
        values.push(("customer_status", status.name().into()));
    }
    if let Some(status) = kyc_status {
        values.push(("kyc_status", status.name().into()));
    }
    Ok(values)
}

fn check_name(field: &'static str, name: &str) -> Result<(), CustomerError> {
    text::name(name, 200).map_err(|problem| invalid(field, name, problem))
}

fn check_phone(field: &'static str, phone: Option<&str>) -> Result<(), CustomerError> {
    phone.map_or(Ok(()), |phone| {
        text::required(phone, 40).map_err(|problem| invalid(field, phone, problem))?;
        let is_number = phone.chars().any(|c| c.is_ascii_digit())
            && phone
                .chars()
                .all(|c| c.is_ascii_digit() || " +()./-".contains(c));
        if is_number {
            return Ok(());
        }
        let reason = "it is not a telephone number: digits, spaces and + ( ) . / - alone";
        Err(invalid(field, phone, reason))
    })
}

/// Checks a day of birth: from the year 1850 to today, or tomorrow, which it may be already where the customer was born.
fn check_date_of_birth(date: Option<NaiveDate>) -> Result<(), CustomerError> {
    let latest = Utc::now().date_naive().checked_add_days(Days::new(1));
    match date {
        Some(date) if date.year() < 1850 || latest.is_some_and(|latest| date > latest) => {
            Err(invalid(
                "date_of_birth",
                &date.to_string(),
                "it must lie between 1850-01-01 and today",
            ))
        }
        _ => Ok(()),
    }
}

fn check_email(email: Option<&str>) -> Result<(), CustomerError> {
    let Some(email) = email else { return Ok(()) };
    text::required(email, 254).map_err(|problem| invalid("email", email, problem))?;
    // Whether mail arrives is found out by sending some; this only catches what cannot be an address.
    let is_address = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !is_address
        || email
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
    {
        return Err(invalid("email", email, "it is not an e-mail address"));
    }
    Ok(())
}

fn invalid(field: &'static str, value: &str, reason: impl std::fmt::Display) -> CustomerError {
    CustomerError::Invalid {
        field,
        value: value.chars().take(VALUE_SHOWN_MAX).collect(),
        reason: reason.to_string(),
    }
}

fn why_not_written(error: DatabaseError, email: Option<&str>) -> CustomerError {
    match email {
        Some(email) if is_violated(&error, "customers_email_key") => CustomerError::EmailTaken {
            email: email.to_owned(),
        },
        _ => error.into(),
    }
}

fn is_violated(error: &DatabaseError, constraint: &str) -> bool {
    error.class() == ErrorClass::UniqueViolation && error.constraint() == Some(constraint)
}

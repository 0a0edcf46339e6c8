//! Reads and changes of `banking.customers`.

use chrono::{Datelike, Days, NaiveDate, Utc};
use neobank_db::{DatabaseError, Executor, Statement};
use neobank_entity::banking::customers::{self, Column};
use neobank_entity::constraints::banking as rules;
use sea_query::{Expr, ExprTrait, Func, Query};

use super::{Customer, CustomerError, CustomerUpdate, NewCustomer};
use crate::CustomerId;
use crate::text;

/// The number of characters of a value that an error repeats.
const VALUE_SHOWN_MAX: usize = 1_000;

/// Returns the customer with an identifier, or `None`.
///
/// # Errors
///
/// [`CustomerError::Database`].
pub async fn find(
    on: &impl Executor,
    customer: CustomerId,
) -> Result<Option<Customer>, CustomerError> {
    let row = on
        .fetch_one::<customers::Model>(filtered(column(Column::CustomerId).eq(customer.as_uuid())))
        .await?;
    Ok(row.map(Into::into))
}

/// Returns the customer with a number, or `None`.
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
    let with_number = filtered(column(Column::CustomerNumber).eq(number));
    let row = on.fetch_one::<customers::Model>(with_number).await?;
    Ok(row.map(Into::into))
}

/// Returns the customer with an e-mail address, without regard to case, or `None`.
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
    // The server lowers both sides, as its unique index does; only then the index finds the row.
    let lower = |text: Expr| Expr::from(Func::lower(text));
    let condition = lower(column(Column::Email)).eq(lower(Expr::val(email)));
    let row = on
        .fetch_one::<customers::Model>(filtered(condition))
        .await?;
    Ok(row.map(Into::into))
}

/// Creates a customer. The database makes its number unless the caller gives one.
///
/// # Errors
///
/// [`CustomerError::Invalid`] names the field that breaks a rule; [`CustomerError::EmailTaken`],
/// [`CustomerError::NumberTaken`], [`CustomerError::AlreadyExists`] and
/// [`CustomerError::Database`].
pub async fn create(on: &impl Executor, new: &NewCustomer) -> Result<Customer, CustomerError> {
    check_name(Column::FirstName.as_str(), &new.first_name)?;
    check_name(Column::LastName.as_str(), &new.last_name)?;
    check_email(new.email.as_deref())?;
    check_phone(Column::PhonePrimary.as_str(), new.phone_primary.as_deref())?;
    check_phone(
        Column::PhoneSecondary.as_str(),
        new.phone_secondary.as_deref(),
    )?;
    check_date_of_birth(new.date_of_birth)?;
    if let Some(number) = &new.customer_number {
        text::check_number(number, is_made_here)
            .map_err(|reason| invalid(Column::CustomerNumber.as_str(), number, reason))?;
    }
    let mut columns = vec![
        Column::CustomerId,
        Column::FirstName,
        Column::LastName,
        Column::Email,
        Column::PhonePrimary,
        Column::PhoneSecondary,
        Column::DateOfBirth,
        Column::CustomerType,
    ];
    let mut values: Vec<Expr> = vec![
        new.customer_id.as_uuid().into(),
        new.first_name.as_str().into(),
        new.last_name.as_str().into(),
        new.email.clone().into(),
        new.phone_primary.clone().into(),
        new.phone_secondary.clone().into(),
        new.date_of_birth.into(),
        new.customer_type.as_str().into(),
    ];
    // Only members of the role `neobank_import` have the privilege to set it.
    if let Some(number) = &new.customer_number {
        columns.push(Column::CustomerNumber);
        values.push(number.as_str().into());
    }
    let mut insert = Query::insert();
    insert
        .into_table(customers::Entity.table_ref())
        .columns(columns)
        .returning(Query::returning().columns(Column::ALL))
        .values_panic(values);
    match on
        .fetch_one::<customers::Model>(Statement::from_query(&insert))
        .await
    {
        Ok(row) => Ok(row.ok_or(DatabaseError::NoRow)?.into()),
        Err(error) if error.violated() == Some(rules::CUSTOMERS_PKEY) => {
            Err(CustomerError::AlreadyExists {
                customer: new.customer_id,
            })
        }
        Err(error) if error.violated() == Some(rules::CUSTOMERS_CUSTOMER_NUMBER_KEY) => {
            Err(CustomerError::NumberTaken {
                number: new.customer_number.clone().unwrap_or_default(),
            })
        }
        Err(error) => Err(why_not_written(error, new.email.as_deref())),
    }
}

/// Returns true for a number of the form that the database makes.
fn is_made_here(number: &str) -> bool {
    number
        .strip_prefix('C')
        .is_some_and(|rest| rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Changes the fields that the update names, and sets `updated_at`.
///
/// # Errors
///
/// [`CustomerError::EmptyUpdate`]; [`CustomerError::Invalid`] names the field that breaks a rule;
/// [`CustomerError::EmailTaken`], [`CustomerError::UnknownCustomer`] and
/// [`CustomerError::Database`].
pub async fn update(
    on: &impl Executor,
    customer: CustomerId,
    update: &CustomerUpdate,
) -> Result<Customer, CustomerError> {
    let values = changes(update)?;
    if values.is_empty() {
        return Err(CustomerError::EmptyUpdate);
    }
    let query = Query::update()
        .table(customers::Entity.table_ref())
        .values(values)
        .and_where(column(Column::CustomerId).eq(customer.as_uuid()))
        .returning(Query::returning().columns(Column::ALL))
        .to_owned();
    let email = update.email.as_ref().and_then(Option::as_deref);
    match on
        .fetch_one::<customers::Model>(Statement::from_query(&query))
        .await
    {
        Ok(Some(row)) => Ok(row.into()),
        Ok(None) => Err(CustomerError::UnknownCustomer { customer }),
        Err(error) => Err(why_not_written(error, email)),
    }
}

fn column(column: Column) -> Expr {
    Expr::col((customers::Entity, column))
}

fn filtered(condition: Expr) -> Statement {
    let mut query = customers::Entity::select();
    query.and_where(condition);
    Statement::from_query(&query)
}

impl From<customers::Model> for Customer {
    fn from(row: customers::Model) -> Self {
        Self {
            customer_id: row.customer_id.into(),
            customer_type: row.customer_type,
            status: row.customer_status,
            kyc_status: row.kyc_status,
            customer_number: row.customer_number,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            phone_primary: row.phone_primary,
            phone_secondary: row.phone_secondary,
            date_of_birth: row.date_of_birth,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn changes(update: &CustomerUpdate) -> Result<Vec<(Column, Expr)>, CustomerError> {
    let CustomerUpdate {
        first_name,
        last_name,
        email,
        phone_primary,
        phone_secondary,
        customer_status,
        kyc_status,
    } = update;
    let mut values: Vec<(Column, Expr)> = Vec::new();
    for (column, name) in [
        (Column::FirstName, first_name),
        (Column::LastName, last_name),
    ] {
        if let Some(name) = name {
            check_name(column.as_str(), name)?;
            values.push((column, name.as_str().into()));
        }
    }
    if let Some(email) = email {
        check_email(email.as_deref())?;
        values.push((Column::Email, email.clone().into()));
    }
    for (column, phone) in [
        (Column::PhonePrimary, phone_primary),
        (Column::PhoneSecondary, phone_secondary),
    ] {
        if let Some(phone) = phone {
            check_phone(column.as_str(), phone.as_deref())?;
            values.push((column, phone.clone().into()));
        }
    }
    if let Some(status) = customer_status {
        values.push((Column::CustomerStatus, status.as_str().into()));
    }
    if let Some(status) = kyc_status {
        values.push((Column::KycStatus, status.as_str().into()));
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

/// Checks a date of birth: from 1850-01-01 to tomorrow in UTC, which is today in zones further
/// east.
fn check_date_of_birth(date: Option<NaiveDate>) -> Result<(), CustomerError> {
    let latest = Utc::now().date_naive().checked_add_days(Days::new(1));
    match date {
        Some(date) if date.year() < 1850 || latest.is_some_and(|latest| date > latest) => {
            Err(invalid(
                Column::DateOfBirth.as_str(),
                &date.to_string(),
                "it must lie between 1850-01-01 and today",
            ))
        }
        _ => Ok(()),
    }
}

fn check_email(email: Option<&str>) -> Result<(), CustomerError> {
    let Some(email) = email else { return Ok(()) };
    text::required(email, 254)
        .map_err(|problem| invalid(Column::Email.as_str(), email, problem))?;
    // Only a delivered message proves an address; this rejects texts that cannot be one.
    let is_address = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !is_address
        || email
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
    {
        return Err(invalid(
            Column::Email.as_str(),
            email,
            "it is not an e-mail address",
        ));
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
    match (error.violated(), email) {
        (Some(rules::CUSTOMERS_EMAIL_KEY), Some(email)) => CustomerError::EmailTaken {
            email: email.to_owned(),
        },
        _ => error.into(),
    }
}

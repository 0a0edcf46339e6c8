//! The JSON of customers.

use chrono::{DateTime, NaiveDate, Utc};
use neobank_domain::customers::{Customer, CustomerType, NewCustomer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;
use crate::times;
use crate::views::time;

/// A customer to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCustomer)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// The customer's identifier, which the caller may make, so that a repeated creation is rejected.
    customer_id: Option<Uuid>,
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone_primary: Option<String>,
    phone_secondary: Option<String>,
    #[serde(default, deserialize_with = "times::optional_day")]
    date_of_birth: Option<NaiveDate>,
    /// `individual` or another type; `individual` without it.
    customer_type: Option<String>,
}

/// Members to change; `null` deletes a value.
#[derive(ToSchema)]
#[schema(as = CustomerChanges)]
#[expect(dead_code, reason = "only describes the body")]
pub(super) struct ChangesBody {
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone_primary: Option<String>,
    phone_secondary: Option<String>,
    customer_status: Option<String>,
    kyc_status: Option<String>,
}

/// The conditions and the page of a search for customers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// A part of the e-mail address, without regard to case.
    pub(super) email: Option<String>,
    /// A part of either telephone number.
    pub(super) phone: Option<String>,
    /// The status, such as `active`.
    pub(super) status: Option<String>,
    /// The type, such as `individual`.
    pub(super) customer_type: Option<String>,
    /// The most customers on the page, from 1 to 1,000; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// The cursor of the page before, its `next`.
    pub(super) after: Option<String>,
}

/// A page of customers, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomerPage)]
pub(super) struct PageView {
    pub(super) customers: Vec<CustomerView>,
    /// The cursor of the next page, for `after`; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Customer)]
pub(crate) struct CustomerView {
    customer_id: Uuid,
    customer_number: String,
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone_primary: Option<String>,
    phone_secondary: Option<String>,
    date_of_birth: Option<NaiveDate>,
    customer_type: String,
    status: String,
    kyc_status: String,
    #[serde(serialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    updated_at: DateTime<Utc>,
}

impl CreateBody {
    pub(super) fn read(&self) -> Result<NewCustomer, Problem> {
        let mut new = NewCustomer::individual(self.first_name.as_str(), self.last_name.as_str());
        if let Some(customer) = self.customer_id {
            new.customer_id = customer.into();
        }
        if let Some(name) = &self.customer_type {
            let read = name.parse::<CustomerType>();
            new.customer_type =
                read.map_err(|error| Problem::invalid("customer_type", error.to_string()))?;
        }
        new.email.clone_from(&self.email);
        new.phone_primary.clone_from(&self.phone_primary);
        new.phone_secondary.clone_from(&self.phone_secondary);
        new.date_of_birth = self.date_of_birth;
        Ok(new)
    }
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        Self {
            customer_id: customer.customer_id.as_uuid(),
            customer_number: customer.customer_number,
            first_name: customer.first_name,
            last_name: customer.last_name,
            email: customer.email,
            phone_primary: customer.phone_primary,
            phone_secondary: customer.phone_secondary,
            date_of_birth: customer.date_of_birth,
            customer_type: customer.customer_type.to_string(),
            status: customer.status.to_string(),
            kyc_status: customer.kyc_status.to_string(),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

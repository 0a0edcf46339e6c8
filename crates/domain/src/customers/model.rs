use chrono::{DateTime, NaiveDate, Utc};
use neobank_entity::enums::{CustomerStatus, CustomerType, KycStatus};
use serde::{Deserialize, Deserializer, Serialize};

use crate::CustomerId;

/// A customer of the bank: a person or a business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Customer {
    /// The customer's identifier.
    pub customer_id: CustomerId,
    /// The customer number that people use: made by the database, or the source's own for an
    /// imported customer.
    pub customer_number: String,
    /// The given name; for a business, everything before the last part of its name.
    pub first_name: String,
    /// The family name; for a business, the last part of its name.
    pub last_name: String,
    /// The e-mail address, in the customer's own spelling.
    pub email: Option<String>,
    /// The telephone number to call first.
    pub phone_primary: Option<String>,
    /// A second telephone number.
    pub phone_secondary: Option<String>,
    /// The date of birth.
    pub date_of_birth: Option<NaiveDate>,
    /// The type of the customer.
    pub customer_type: CustomerType,
    /// The status of the customer.
    pub status: CustomerStatus,
    /// The state of the verification of the customer's identity ("know your customer").
    pub kyc_status: KycStatus,
    /// The time at which the customer was created.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// The values with which a customer is created.
///
/// # Example
///
/// ```
/// use neobank_domain::customers::NewCustomer;
///
/// let customer = NewCustomer::individual("Ada", "Lovelace").with_email("Ada@example.org");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewCustomer {
    /// The customer's identifier. The client makes it, so that a repeated creation is rejected with
    /// [`CustomerError::AlreadyExists`](super::CustomerError::AlreadyExists).
    pub customer_id: CustomerId,
    /// The given name: 1 to 200 characters, not all of them spaces, without control characters.
    pub first_name: String,
    /// The family name: 1 to 200 characters, not all of them spaces, without control characters.
    pub last_name: String,
    /// The e-mail address: 3 to 254 characters with an `@` between them, unique without regard to
    /// case.
    pub email: Option<String>,
    /// The telephone number to call first: 1 to 40 digits, spaces and `+ ( ) . / -`, with at least
    /// one digit.
    pub phone_primary: Option<String>,
    /// A second telephone number, by the same rule.
    pub phone_secondary: Option<String>,
    /// The date of birth, from 1850-01-01 to today; tomorrow in UTC is accepted too, because it is
    /// today in time zones further east.
    pub date_of_birth: Option<NaiveDate>,
    /// The type of the customer.
    pub customer_type: CustomerType,
    /// The customer number of another system: 1 to 64 printable characters without a space at
    /// either end, not of the form that the database makes. `None` lets the database make one. Only
    /// members of the role `neobank_import` may set it.
    pub customer_number: Option<String>,
}

/// The changes of a customer. A field that is `None` stays as it is; an inner `None` deletes the
/// value.
///
/// Reading it from JSON that has any other field fails with an error that names the field.
///
/// # Example
///
/// ```
/// use neobank_domain::customers::CustomerUpdate;
///
/// let json = r#"{"phone_primary": null, "customer_status": "inactive"}"#;
/// let update: CustomerUpdate = serde_json::from_str(json)?;
/// assert_eq!(update.phone_primary, Some(None));
/// let error = serde_json::from_str::<CustomerUpdate>(r#"{"customer_number": "C1"}"#).unwrap_err();
/// assert!(error.to_string().contains("customer_number"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomerUpdate {
    /// The given name, by the rule of [`NewCustomer::first_name`].
    #[serde(default)]
    pub first_name: Option<String>,
    /// The family name, by the rule of [`NewCustomer::last_name`].
    #[serde(default)]
    pub last_name: Option<String>,
    /// The e-mail address, by the rule of [`NewCustomer::email`].
    #[serde(default, deserialize_with = "given")]
    pub email: Option<Option<String>>,
    /// The telephone number to call first, by the rule of [`NewCustomer::phone_primary`].
    #[serde(default, deserialize_with = "given")]
    pub phone_primary: Option<Option<String>>,
    /// A second telephone number, by the same rule.
    #[serde(default, deserialize_with = "given")]
    pub phone_secondary: Option<Option<String>>,
    /// The status of the customer.
    #[serde(default)]
    pub customer_status: Option<CustomerStatus>,
    /// The state of the verification of the customer's identity.
    #[serde(default)]
    pub kyc_status: Option<KycStatus>,
}

impl NewCustomer {
    /// Creates a person with a name and nothing else.
    #[must_use]
    pub fn individual(first_name: impl Into<String>, last_name: impl Into<String>) -> Self {
        Self {
            customer_id: CustomerId::new(),
            first_name: first_name.into(),
            last_name: last_name.into(),
            email: None,
            phone_primary: None,
            phone_secondary: None,
            date_of_birth: None,
            customer_type: CustomerType::Individual,
            customer_number: None,
        }
    }

    /// Sets the e-mail address: 3 to 254 characters, unique without regard to case.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the telephone number to call first.
    #[must_use]
    pub fn with_phone(mut self, phone: impl Into<String>) -> Self {
        self.phone_primary = Some(phone.into());
        self
    }

    /// Sets the date of birth.
    #[must_use]
    pub const fn with_date_of_birth(mut self, date: NaiveDate) -> Self {
        self.date_of_birth = Some(date);
        self
    }

    /// Sets the type of the customer.
    #[must_use]
    pub const fn with_type(mut self, customer_type: CustomerType) -> Self {
        self.customer_type = customer_type;
        self
    }
}

impl CustomerUpdate {
    /// Changes the given name.
    #[must_use]
    pub fn with_first_name(mut self, first_name: impl Into<String>) -> Self {
        self.first_name = Some(first_name.into());
        self
    }

    /// Changes the family name.
    #[must_use]
    pub fn with_last_name(mut self, last_name: impl Into<String>) -> Self {
        self.last_name = Some(last_name.into());
        self
    }

    /// Changes the e-mail address; `None` deletes it.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<Option<String>>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Changes the first telephone number; `None` deletes it.
    #[must_use]
    pub fn with_phone_primary(mut self, phone_primary: impl Into<Option<String>>) -> Self {
        self.phone_primary = Some(phone_primary.into());
        self
    }

    /// Changes the second telephone number; `None` deletes it.
    #[must_use]
    pub fn with_phone_secondary(mut self, phone_secondary: impl Into<Option<String>>) -> Self {
        self.phone_secondary = Some(phone_secondary.into());
        self
    }

    /// Changes the status of the customer.
    #[must_use]
    pub const fn with_customer_status(mut self, customer_status: CustomerStatus) -> Self {
        self.customer_status = Some(customer_status);
        self
    }

    /// Changes the state of the verification of the customer's identity.
    #[must_use]
    pub const fn with_kyc_status(mut self, kyc_status: KycStatus) -> Self {
        self.kyc_status = Some(kyc_status);
        self
    }
}

/// Reads `null`, which deletes a value, as `Some(None)`; a missing field stays `None`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

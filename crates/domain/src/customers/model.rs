use chrono::{DateTime, NaiveDate, Utc};
use neobank_entity::enums::{CustomerStatus, CustomerType, KycStatus};
use serde::{Deserialize, Deserializer, Serialize};

use crate::CustomerId;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Customer {
    /// Identifies it.
    pub customer_id: CustomerId,
    /// The number that people use: made by the database, or the source's own for an imported customer.
    pub customer_number: String,
    /// Given name; for a business, whatever goes before the last part of its name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// As the customer wrote it.
    pub email: Option<String>,
    /// The telephone number to call first.
    pub phone_primary: Option<String>,
    /// Another one.
    pub phone_secondary: Option<String>,
    /// Date of birth.
    pub date_of_birth: Option<NaiveDate>,
    /// What kind it is.
    pub customer_type: CustomerType,
    /// Where it stands.
    pub status: CustomerStatus,
    /// How far its identity is known.
    pub kyc_status: KycStatus,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// What a customer is created with.
///
/// # Example
///
/// ```
/// use neobank_domain::customers::NewCustomer;
///
/// let customer = NewCustomer::individual("Ada", "Lovelace").with_email("Ada@example.org");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCustomer {
    /// Its identifier; made here, so that creating it again is refused.
    pub customer_id: CustomerId,
    /// 1 to 200 characters, not all of them spaces and no control characters.
    pub first_name: String,
    /// 1 to 200 characters, not all of them spaces and no control characters.
    pub last_name: String,
    /// 3 to 254 characters with an `@` between them; unique without case.
    pub email: Option<String>,
    /// 1 to 40 characters: digits, spaces and `+ ( ) . / -`, with a digit at least.
    pub phone_primary: Option<String>,
    /// 1 to 40 characters: digits, spaces and `+ ( ) . / -`, with a digit at least.
    pub phone_secondary: Option<String>,
    /// Date of birth, from 1850 to today.
    pub date_of_birth: Option<NaiveDate>,
    /// What kind it is.
    pub customer_type: CustomerType,
    /// The number of another system: 1 to 64 printable characters without a space at either end, not of the form that
    /// the database makes. `None` lets the database make one. Only members of the role `neobank_import` may give it.
    pub customer_number: Option<String>,
}

/// What may be changed of a customer. A field that is `None` stays as it is; an inner `None` takes the value away.
///
/// Read from JSON, a field that may not be changed is an error that names it.
///
/// # Example
///
/// ```
/// use neobank_domain::customers::CustomerUpdate;
///
/// let update: CustomerUpdate = serde_json::from_str(r#"{"phone_primary": null, "customer_status": "inactive"}"#)?;
/// assert_eq!(update.phone_primary, Some(None));
/// let error = serde_json::from_str::<CustomerUpdate>(r#"{"customer_number": "C1"}"#).unwrap_err();
/// assert!(error.to_string().contains("customer_number"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerUpdate {
    /// 1 to 200 characters, not all of them spaces and no control characters.
    #[serde(default)]
    pub first_name: Option<String>,
    /// 1 to 200 characters, not all of them spaces and no control characters.
    #[serde(default)]
    pub last_name: Option<String>,
    /// 3 to 254 characters with an `@` between them; unique without case.
    #[serde(default, deserialize_with = "given")]
    pub email: Option<Option<String>>,
    /// 1 to 40 characters: digits, spaces and `+ ( ) . / -`, with a digit at least.
    #[serde(default, deserialize_with = "given")]
    pub phone_primary: Option<Option<String>>,
    /// 1 to 40 characters: digits, spaces and `+ ( ) . / -`, with a digit at least.
    #[serde(default, deserialize_with = "given")]
    pub phone_secondary: Option<Option<String>>,
    /// Where it stands.
    #[serde(default)]
    pub customer_status: Option<CustomerStatus>,
    /// How far its identity is known.
    #[serde(default)]
    pub kyc_status: Option<KycStatus>,
}

impl NewCustomer {
    /// A person, of whom the name is known.
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

    /// The same with an e-mail address: 3 to 254 characters, unique without case.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// The same with the telephone number to call first.
    #[must_use]
    pub fn with_phone(mut self, phone: impl Into<String>) -> Self {
        self.phone_primary = Some(phone.into());
        self
    }

    /// The same with a date of birth.
    #[must_use]
    pub const fn with_date_of_birth(mut self, date: NaiveDate) -> Self {
        self.date_of_birth = Some(date);
        self
    }

    /// The same as another kind of customer.
    #[must_use]
    pub const fn with_type(mut self, customer_type: CustomerType) -> Self {
        self.customer_type = customer_type;
        self
    }
}

/// Tells `null`, which takes a value away, from a field that is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

use std::fmt;
use std::str::FromStr;

use neobank_entity::currencies::CURRENCIES;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MoneyError;
use crate::text::shortened;

/// A currency of ISO 4217, active or withdrawn. It is 24 bytes long and cheap to copy.
///
/// Withdrawn currencies can be read, because archives have amounts in them. Accounts are opened in
/// active currencies only.
///
/// # Example
///
/// ```
/// use neobank_domain::Currency;
///
/// let yen = Currency::from_code("JPY")?;
/// assert_eq!((yen.code(), yen.minor_units()), ("JPY", 0));
/// assert!(Currency::from_code("jpy").is_err());
/// # Ok::<(), neobank_domain::MoneyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    minor_units: u32,
}

impl Currency {
    /// Returns the currency with a code of three capital letters, active or withdrawn.
    ///
    /// # Errors
    ///
    /// [`MoneyError::UnknownCurrency`] for any other text.
    pub fn from_code(code: &str) -> Result<Self, MoneyError> {
        find(CURRENCIES, code)
            .or_else(|| find(WITHDRAWN, code))
            .map(|&(code, minor_units)| Self { code, minor_units })
            .ok_or_else(|| MoneyError::UnknownCurrency {
                code: shortened(code),
            })
    }

    /// Returns every active currency, in the order of the codes.
    pub fn all() -> impl Iterator<Item = Self> {
        CURRENCIES
            .iter()
            .map(|&(code, minor_units)| Self { code, minor_units })
    }

    /// Returns every withdrawn currency that can be read, in the order of the codes.
    pub fn withdrawn() -> impl Iterator<Item = Self> {
        WITHDRAWN
            .iter()
            .map(|&(code, minor_units)| Self { code, minor_units })
    }

    /// Returns true for a currency in which accounts can be opened, which has not been withdrawn.
    #[must_use]
    pub fn is_active(self) -> bool {
        find(CURRENCIES, self.code).is_some()
    }

    /// Returns the currency's code of three capital letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Returns the number of decimals of an amount in this currency.
    #[must_use]
    pub const fn minor_units(self) -> u32 {
        self.minor_units
    }
}

fn find(
    currencies: &'static [(&'static str, u32)],
    code: &str,
) -> Option<&'static (&'static str, u32)> {
    currencies
        .binary_search_by_key(&code, |(known, _)| known)
        .ok()
        .and_then(|position| currencies.get(position))
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::from_code(code)
    }
}

/// Writes the currency's code.
impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code)
    }
}

/// The withdrawn currencies that archives may contain, and their decimals, in the order of the
/// codes.
#[rustfmt::skip]
const WITHDRAWN: &[(&str, u32)] = &[
    ("AFA", 2), ("ANG", 2), ("ATS", 2), ("AZM", 2), ("BEF", 0), ("BGL", 2), ("BGN", 2),
    ("BYR", 0), ("CSD", 2), ("CSK", 2), ("CUC", 2), ("CYP", 2), ("DEM", 2), ("EEK", 2),
    ("ESP", 0), ("FIM", 2), ("FRF", 2), ("GHC", 2), ("GRD", 0), ("HRK", 2), ("IEP", 2),
    ("ITL", 0), ("LTL", 2), ("LUF", 0), ("LVL", 2), ("MRO", 2), ("MTL", 2), ("MZM", 2),
    ("NLG", 2), ("PLZ", 2), ("PTE", 0), ("RUR", 2), ("SIT", 2), ("SKK", 2), ("SLL", 2),
    ("STD", 2), ("TMM", 2), ("TRL", 0), ("VEB", 2), ("VEF", 2), ("ZMK", 2), ("ZWL", 2),
];

use std::fmt;
use std::str::FromStr;

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

/// The active currencies of ISO 4217 and their decimals, in the order of the codes.
///
/// `banking.currencies` has the same rows; a test compares the two.
#[rustfmt::skip]
const CURRENCIES: &[(&str, u32)] = &[
    ("AED", 2), ("AFN", 2), ("ALL", 2), ("AMD", 2), ("AOA", 2), ("ARS", 2), ("AUD", 2),
    ("AWG", 2), ("AZN", 2), ("BAM", 2), ("BBD", 2), ("BDT", 2), ("BHD", 3), ("BIF", 0),
    ("BMD", 2), ("BND", 2), ("BOB", 2), ("BRL", 2), ("BSD", 2), ("BTN", 2), ("BWP", 2),
    ("BYN", 2), ("BZD", 2), ("CAD", 2), ("CDF", 2), ("CHF", 2), ("CLF", 4), ("CLP", 0),
    ("CNY", 2), ("COP", 2), ("CRC", 2), ("CUP", 2), ("CVE", 2), ("CZK", 2), ("DJF", 0),
    ("DKK", 2), ("DOP", 2), ("DZD", 2), ("EGP", 2), ("ERN", 2), ("ETB", 2), ("EUR", 2),
    ("FJD", 2), ("FKP", 2), ("GBP", 2), ("GEL", 2), ("GHS", 2), ("GIP", 2), ("GMD", 2),
    ("GNF", 0), ("GTQ", 2), ("GYD", 2), ("HKD", 2), ("HNL", 2), ("HTG", 2), ("HUF", 2),
    ("IDR", 2), ("ILS", 2), ("INR", 2), ("IQD", 3), ("IRR", 2), ("ISK", 0), ("JMD", 2),
    ("JOD", 3), ("JPY", 0), ("KES", 2), ("KGS", 2), ("KHR", 2), ("KMF", 0), ("KPW", 2),
    ("KRW", 0), ("KWD", 3), ("KYD", 2), ("KZT", 2), ("LAK", 2), ("LBP", 2), ("LKR", 2),
    ("LRD", 2), ("LSL", 2), ("LYD", 3), ("MAD", 2), ("MDL", 2), ("MGA", 2), ("MKD", 2),
    ("MMK", 2), ("MNT", 2), ("MOP", 2), ("MRU", 2), ("MUR", 2), ("MVR", 2), ("MWK", 2),
    ("MXN", 2), ("MYR", 2), ("MZN", 2), ("NAD", 2), ("NGN", 2), ("NIO", 2), ("NOK", 2),
    ("NPR", 2), ("NZD", 2), ("OMR", 3), ("PAB", 2), ("PEN", 2), ("PGK", 2), ("PHP", 2),
    ("PKR", 2), ("PLN", 2), ("PYG", 0), ("QAR", 2), ("RON", 2), ("RSD", 2), ("RUB", 2),
    ("RWF", 0), ("SAR", 2), ("SBD", 2), ("SCR", 2), ("SDG", 2), ("SEK", 2), ("SGD", 2),
    ("SHP", 2), ("SLE", 2), ("SOS", 2), ("SRD", 2), ("SSP", 2), ("STN", 2), ("SVC", 2),
    ("SYP", 2), ("SZL", 2), ("THB", 2), ("TJS", 2), ("TMT", 2), ("TND", 3), ("TOP", 2),
    ("TRY", 2), ("TTD", 2), ("TWD", 2), ("TZS", 2), ("UAH", 2), ("UGX", 0), ("USD", 2),
    ("UYI", 0), ("UYU", 2), ("UYW", 4), ("UZS", 2), ("VED", 2), ("VES", 2), ("VND", 0),
    ("VUV", 0), ("WST", 2), ("XAF", 0), ("XCD", 2), ("XCG", 2), ("XOF", 0), ("XPF", 0),
    ("YER", 2), ("ZAR", 2), ("ZMW", 2), ("ZWG", 2),
];

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

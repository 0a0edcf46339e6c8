//! An amount of money on the command line.

use std::str::FromStr;

use neobank_domain::{Currency, Money, MoneyError};

/// `250.00 CZK`: digits and a currency. Whether it is an amount in that currency is for the ledger's refusals.
#[derive(Clone, Debug)]
pub(crate) struct Amount {
    number: String,
    currency: Currency,
}

impl Amount {
    /// The amount.
    pub(crate) fn money(&self) -> Result<Money, MoneyError> {
        Money::parse(&self.number, self.currency)
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, code) = text
            .trim()
            .rsplit_once(' ')
            .ok_or("an amount has a number and a currency, such as \"250.00 CZK\"")?;
        Ok(Self {
            number: number.trim_end().to_owned(),
            currency: Currency::from_code(code).map_err(|error| error.to_string())?,
        })
    }
}

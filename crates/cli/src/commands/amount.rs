//! An amount on the command line.

use std::str::FromStr;

use neobank_domain::{Money, MoneyError};

/// `250.00 CZK`: a number and a currency. A number that is no amount in that currency is rejected
/// as the ledger rejects it, not as wrong usage.
#[derive(Clone, Debug)]
pub(super) struct Amount(Result<Money, MoneyError>);

impl Amount {
    /// Returns the amount.
    pub(super) fn money(&self) -> Result<Money, MoneyError> {
        self.0.clone()
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.join(" ").parse() {
            Err(error @ (MoneyError::NoCurrency { .. } | MoneyError::UnknownCurrency { .. })) => {
                Err(error)
            }
            amount => Ok(Self(amount)),
        }
    }
}

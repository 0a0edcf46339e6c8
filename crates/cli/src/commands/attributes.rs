//! The options that every command that moves money has.

use chrono::NaiveDate;
use clap::Args;
use neobank_domain::ledger::{Attributes, Metadata};

#[derive(Debug, Args)]
pub(super) struct AttributeArguments {
    /// Data of your own to keep with the transfer: a JSON object, such as '{"order": 4711}'
    #[arg(long, value_name = "JSON")]
    metadata: Option<Metadata>,
    /// The value date, from which the money counts for interest; the booking day by default
    #[arg(long, value_name = "DAY")]
    value_date: Option<NaiveDate>,
}

impl AttributeArguments {
    /// Returns the attributes of the request.
    pub(super) fn read(&self) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.metadata.clone_from(&self.metadata);
        attributes.value_date = self.value_date;
        attributes
    }
}

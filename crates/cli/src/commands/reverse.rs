//! The command `neobank reverse`.

use clap::Args;
use neobank_domain::ledger::ReversalRequest;
use neobank_domain::{Money, accounts};

use super::attributes::AttributeArguments;
use super::transfer::{self, generated_key};
use super::transfers;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct ReverseArguments {
    /// The transfer to reverse: its identifier, its reference number or its idempotency key
    transfer: String,
    /// The amount to move back with its currency, such as "250.00 CZK"; all that earlier reversals
    /// have left by default
    #[arg(long, allow_hyphen_values = true)]
    amount: Option<Money>,
    /// The idempotency key: a repeated request with the same key moves the money once; generated
    /// when none is given
    #[arg(long)]
    key: Option<String>,
    /// A description of the reversal
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    attributes: AttributeArguments,
}

pub(crate) async fn run(
    arguments: &ReverseArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let database = connection.open("reverse").await?;
    let original = transfers::find(&database, &arguments.transfer).await?;
    let mut parties = Vec::new();
    for side in [&original.debit, &original.credit] {
        parties.extend(accounts::find(&database, side.account_id).await?);
    }
    let key = arguments.key.clone().unwrap_or_else(generated_key);
    let mut request = ReversalRequest::new(original.transfer_id)
        .with_description(&arguments.description)
        .with_idempotency_key(&key);
    request.amount = arguments.amount;
    request.attributes = arguments.attributes.read();
    let request = request.into();
    transfer::submit(
        "reverse",
        connection,
        database,
        request,
        Some(&key),
        &parties,
    )
    .await
}

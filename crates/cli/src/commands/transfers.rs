//! The commands `neobank transfers list` and `neobank transfers show`.

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use neobank_db::Executor;
use neobank_domain::ledger::{Actor, EntryType, Metadata, ReferenceNumber, TransferType};
use neobank_domain::transfers::{self, Transfer, TransferCursor, TransferFilter, TransferPage};
use neobank_domain::{GroupId, Money, TransferId, shortened};
use serde_json::json;

use super::account;
use super::moment;
use super::views::TransferView;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Table, cell, optional, text};

#[derive(Debug, Subcommand)]
pub(crate) enum TransfersCommand {
    /// List transfers, the newest first, by the conditions that are given
    List(Box<ListArguments>),
    /// Show one transfer with both of its entries
    Show {
        /// The transfer's identifier, its reference number or its idempotency key
        transfer: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The account that pays or is paid: its identifier or number
    #[arg(long)]
    account: Option<String>,
    /// The account on the other side: its identifier or number
    #[arg(long, value_name = "ACCOUNT", requires = "account")]
    counterparty: Option<String>,
    /// Only transfers that the account pays, or only those that it is paid
    #[arg(long, value_enum, requires = "account")]
    side: Option<Side>,
    /// The least amount with its currency, such as "250.00 CZK"
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    at_least: Option<Money>,
    /// The greatest amount with its currency
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    at_most: Option<Money>,
    /// The first booking time, as 2026-11-01T08:00:00+01:00, or a day of UTC, as 2026-11-01
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<DateTime<Utc>>,
    /// The first booking time after the range
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<DateTime<Utc>>,
    /// The type of the transfers
    #[arg(long = "type", value_name = "TYPE", value_parser = transfer_type())]
    transfer_type: Option<TransferType>,
    /// The idempotency key
    #[arg(long)]
    key: Option<String>,
    /// The reference number, such as TRF-01A20965A67B75A7BCF93170999DAB98
    #[arg(long, value_name = "NUMBER")]
    reference: Option<ReferenceNumber>,
    /// The identifier of a group, whose transfers were posted together
    #[arg(long, value_name = "IDENTIFIER")]
    group: Option<GroupId>,
    /// A transfer whose reversals are listed: its identifier, reference number or key
    #[arg(long, value_name = "TRANSFER")]
    reversals_of: Option<String>,
    /// The person or program that asked for the transfers
    #[arg(long, value_name = "ACTOR")]
    posted_by: Option<Actor>,
    /// Members that the transfers' metadata has, as a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<Metadata>,
    /// The number of transfers on the page
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// The account pays
    Debit,
    /// The account is paid
    Credit,
}

impl From<Side> for EntryType {
    fn from(side: Side) -> Self {
        match side {
            Side::Debit => Self::Debit,
            Side::Credit => Self::Credit,
        }
    }
}

impl TransfersCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "transfers list",
            Self::Show { .. } => "transfers show",
        }
    }
}

pub(crate) async fn run(
    command: &TransfersCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    match command {
        TransfersCommand::List(arguments) => {
            let mut filter = arguments.filter()?;
            let database = connection.open(name).await?;
            if let Some(named) = &arguments.account {
                filter.account = Some(account::find(&database, named).await?.account_id);
            }
            if let Some(named) = &arguments.counterparty {
                filter.counterparty = Some(account::find(&database, named).await?.account_id);
            }
            if let Some(named) = &arguments.reversals_of {
                filter.reverses = Some(find(&database, named).await?.transfer_id);
            }
            page_answer(name, &transfers::list(&database, &filter).await?)
        }
        TransfersCommand::Show { transfer } => {
            let database = connection.open(name).await?;
            let found = find(&database, transfer).await?;
            let reversals = reversals(&database, &found).await?;
            let views: Vec<_> = reversals.iter().map(TransferView::from).collect();
            let data = json!({ "transfer": TransferView::from(&found), "reversals": views });
            let mut fields = fields(&found);
            fields.extend(reversals.iter().map(|reversal| {
                let reference = reversal.reference_number();
                let shown = format!("{reference} ({})", reversal.amount);
                ("reversed by", cell(shown))
            }));
            Output::new(name, data, vec![Block::Fields(fields)])
        }
    }
}

impl ListArguments {
    /// Returns the filter without its accounts, which the database knows.
    fn filter(&self) -> Result<TransferFilter, CommandError> {
        let after = self.after.as_deref().map(str::parse::<TransferCursor>);
        Ok(TransferFilter::default()
            .with_side(self.side.map(EntryType::from))
            .with_at_least(self.at_least)
            .with_at_most(self.at_most)
            .with_from(self.from)
            .with_until(self.until)
            .with_transfer_type(self.transfer_type)
            .with_idempotency_key(self.key.clone())
            .with_reference_number(self.reference)
            .with_group_id(self.group)
            .with_actor(self.posted_by.clone())
            .with_metadata(self.metadata.clone())
            .with_limit(self.limit)
            .with_after(after.transpose()?))
    }
}

/// Parses a type by its name in the database.
pub(super) fn transfer_type() -> impl TypedValueParser<Value = TransferType> {
    PossibleValuesParser::new(TransferType::ALL.map(TransferType::as_str))
        .try_map(|name| name.parse::<TransferType>())
}

/// Finds a transfer by its identifier, its reference number or its idempotency key.
///
/// A key may look like an identifier, so that a text that names no transfer as such is looked up as
/// a key.
pub(super) async fn find(on: &impl Executor, named: &str) -> Result<Transfer, CommandError> {
    let identifier = named.parse::<TransferId>().ok();
    let reference = || named.parse::<ReferenceNumber>().ok();
    let identifier = identifier.or_else(|| reference().map(ReferenceNumber::transfer_id));
    let mut found = None;
    if let Some(identifier) = identifier {
        found = transfers::find(on, identifier).await?;
    }
    if found.is_none() {
        found = transfers::find_by_idempotency_key(on, named).await?;
    }
    found.ok_or_else(|| {
        CommandError::failed(
            "unknown_transfer",
            format!("unknown transfer: {:?}", shortened(named)),
        )
    })
}

/// Returns the reversals of a transfer, the oldest first, and of very many the newest.
async fn reversals(on: &impl Executor, original: &Transfer) -> Result<Vec<Transfer>, CommandError> {
    let filter = TransferFilter::default()
        .with_reverses(original.transfer_id)
        .with_limit(TransferFilter::LIMIT_MAX);
    let mut found = transfers::list(on, &filter).await?.transfers;
    found.reverse();
    Ok(found)
}

fn page_answer(name: &'static str, page: &TransferPage) -> Result<Output, CommandError> {
    let next = page.next.map(|cursor| cursor.to_string());
    let views: Vec<_> = page.transfers.iter().map(TransferView::from).collect();
    let mut blocks = vec![Block::Table(table(&page.transfers))];
    if let Some(next) = &next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    Output::new(name, json!({ "transfers": views, "next": next }), blocks)
}

fn table(transfers: &[Transfer]) -> Table {
    let mut table = Table::new(
        &[
            "Booked",
            "Reference",
            "Type",
            "From",
            "To",
            ">Amount",
            "Description",
        ],
        "no transfers",
    );
    for transfer in transfers {
        table.row([
            cell(transfer.posted_at.format("%Y-%m-%d %H:%M:%S")),
            cell(transfer.reference_number()),
            cell(transfer.transfer_type),
            cell(&transfer.debit.account_number),
            cell(&transfer.credit.account_number),
            cell(transfer.amount),
            text(&transfer.description),
        ]);
    }
    table
}

fn fields(transfer: &Transfer) -> Vec<(&'static str, crate::output::Cell)> {
    vec![
        ("identifier", cell(transfer.transfer_id)),
        ("reference", cell(transfer.reference_number())),
        ("type", cell(transfer.transfer_type)),
        ("amount", cell(transfer.amount)),
        ("from", cell(&transfer.debit.account_number)),
        ("  entry number", cell(transfer.debit.entry_number)),
        ("  balance after it", cell(transfer.debit.running_balance)),
        ("to", cell(&transfer.credit.account_number)),
        ("  entry number", cell(transfer.credit.entry_number)),
        ("  balance after it", cell(transfer.credit.running_balance)),
        ("description", text(&transfer.description)),
        ("key", optional(transfer.idempotency_key.as_deref())),
        ("posted", cell(transfer.posted_at)),
        ("value date", optional(transfer.value_date)),
        ("actor", optional(transfer.actor.as_deref())),
        ("group", optional(transfer.group_id)),
        (
            "reverses",
            optional(transfer.reverses.map(ReferenceNumber::from)),
        ),
        ("hold", optional(transfer.hold_id)),
        ("metadata", optional(transfer.metadata.as_ref())),
    ]
}

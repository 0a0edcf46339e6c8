//! The commands `neobank transfer`, `deposit`, `withdraw`, `interest`, `fee` and `adjust`.

use chrono::{DateTime, Utc};
use clap::Args;
use neobank_db::Database;
use neobank_domain::accounts::Account;
use neobank_domain::ledger::{
    AdjustmentRequest, EntryReceipt, EntryType, Outcome, PostingKind, Receipt, ReferenceNumber,
    Request, TransferType,
};
use neobank_domain::{
    AccountId, EntryId, LedgerError, Money, PostingRequest, TransferId, TransferRequest,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::account;
use super::attributes::AttributeArguments;
use super::numbers::Numbers;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, cell, optional};

#[derive(Debug, Args)]
pub(crate) struct TransferArguments {
    /// The account to debit: its identifier, its number, or SOURCE/ID of an import
    #[arg(long, value_name = "ACCOUNT")]
    from: String,
    /// The account to credit: its identifier, its number, or SOURCE/ID of an import
    #[arg(long, value_name = "ACCOUNT")]
    to: String,
    #[command(flatten)]
    movement: Movement,
    /// Move as much of the amount as the payer has available
    #[arg(long)]
    up_to: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PostingArguments {
    /// The account: its identifier, its number, or SOURCE/ID of an import
    #[arg(long)]
    account: String,
    #[command(flatten)]
    movement: Movement,
}

#[derive(Debug, Args)]
struct Movement {
    /// The amount with its currency, such as "250.00 CZK"
    #[arg(long, allow_hyphen_values = true)]
    amount: Money,
    /// The idempotency key: a repeated request with the same key moves the money once; the default
    /// is a new key
    #[arg(long)]
    key: Option<String>,
    /// A description of the transfer
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    attributes: AttributeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct InterestArguments {
    #[command(flatten)]
    posting: PostingArguments,
    /// Charge the interest to the account, instead of paying it
    #[arg(long)]
    charge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FeeArguments {
    #[command(flatten)]
    posting: PostingArguments,
    /// Return a fee to the account, instead of charging it
    #[arg(long = "return")]
    returned: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdjustArguments {
    /// The account: its identifier or number
    #[arg(long)]
    account: String,
    /// The balance afterwards with its currency, such as "250.00 CZK"
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    balance: Money,
    /// The account's version, which `neobank account show` printed with the wrong balance; the
    /// account must not have changed since
    #[arg(long, value_name = "NUMBER")]
    expected_version: i64,
    /// A description of the correction
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    attributes: AttributeArguments,
}

pub(crate) async fn transfer(
    arguments: &TransferArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let movement = &arguments.movement;
    let database = connection.open("transfer").await?;
    let from = account::find(&database, &arguments.from).await?;
    let to = account::find(&database, &arguments.to).await?;
    let key = movement.key();
    let mut request = TransferRequest::new(from.account_id, to.account_id, movement.amount)
        .with_description(&movement.description)
        .with_idempotency_key(&key);
    if arguments.up_to {
        request = request.up_to();
    }
    request.attributes = movement.attributes.read();
    submit(
        "transfer",
        connection,
        database,
        request.into(),
        Some(&key),
        &[from, to],
    )
    .await
}

pub(crate) async fn deposit(
    arguments: &PostingArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    post("deposit", arguments, connection, PostingRequest::deposit).await
}

pub(crate) async fn withdraw(
    arguments: &PostingArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    post(
        "withdraw",
        arguments,
        connection,
        PostingRequest::withdrawal,
    )
    .await
}

pub(crate) async fn interest(
    arguments: &InterestArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let direction = if arguments.charge {
        EntryType::Debit
    } else {
        EntryType::Credit
    };
    let request =
        |account, amount| PostingRequest::new(account, PostingKind::Interest, direction, amount);
    post("interest", &arguments.posting, connection, request).await
}

pub(crate) async fn fee(
    arguments: &FeeArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let direction = if arguments.returned {
        EntryType::Credit
    } else {
        EntryType::Debit
    };
    let request =
        |account, amount| PostingRequest::new(account, PostingKind::Fee, direction, amount);
    post("fee", &arguments.posting, connection, request).await
}

/// Corrects a balance. The version that the caller saw takes the place of an idempotency key: a
/// repeated correction finds another version.
pub(crate) async fn adjust(
    arguments: &AdjustArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let database = connection.open("adjust").await?;
    let account = account::find(&database, &arguments.account).await?;
    let mut request = AdjustmentRequest::new(
        account.account_id,
        arguments.balance,
        arguments.expected_version,
    )
    .with_description(&arguments.description);
    request.attributes = arguments.attributes.read();
    submit(
        "adjust",
        connection,
        database,
        request.into(),
        None,
        &[account],
    )
    .await
}

async fn post(
    name: &'static str,
    arguments: &PostingArguments,
    connection: &Connection,
    request: impl FnOnce(AccountId, Money) -> PostingRequest,
) -> Result<Output, CommandError> {
    let movement = &arguments.movement;
    let database = connection.open(name).await?;
    let account = account::find(&database, &arguments.account).await?;
    let key = movement.key();
    let mut request = request(account.account_id, movement.amount)
        .with_description(&movement.description)
        .with_idempotency_key(&key);
    request.attributes = movement.attributes.read();
    submit(
        name,
        connection,
        database,
        request.into(),
        Some(&key),
        &[account],
    )
    .await
}

pub(super) async fn submit(
    name: &'static str,
    connection: &Connection,
    database: Database,
    request: Request,
    key: Option<&str>,
    accounts: &[Account],
) -> Result<Output, CommandError> {
    let outcome = execute(connection, &database, request, key, accounts).await?;
    answer(name, &database, &outcome, key, accounts).await
}

/// Executes a request. The error of a rejection has the accounts' numbers.
pub(super) async fn execute(
    connection: &Connection,
    database: &Database,
    request: Request,
    key: Option<&str>,
    accounts: &[Account],
) -> Result<Outcome, CommandError> {
    let ledger = connection.ledger(database)?;
    let outcome = match ledger.submit_all(&[request]).await {
        Ok(outcomes) => outcomes.into_iter().next(),
        Err(error @ (LedgerError::Unknown { .. } | LedgerError::NotReplicated { .. })) => {
            let mut failure = CommandError::from(error);
            failure.message.push_str(&match key {
                Some(key) => format!("; repeating the request with --key {key:?} is safe"),
                None => "; repeating the request with the same version is safe".to_owned(),
            });
            return Err(failure);
        }
        Err(error) => return Err(error.into()),
    };
    match outcome {
        Some(Outcome::Rejected(rejection)) => {
            let mut failure = CommandError::from(rejection);
            failure.message = account::with_numbers(&failure.message, accounts);
            Err(failure)
        }
        Some(outcome) => Ok(outcome),
        None => Err(no_result()),
    }
}

/// Returns the output of a posted transfer.
pub(super) async fn answer(
    name: &'static str,
    database: &Database,
    outcome: &Outcome,
    key: Option<&str>,
    accounts: &[Account],
) -> Result<Output, CommandError> {
    let (receipt, outcome) = match outcome {
        Outcome::Posted(receipt) => (receipt, "posted"),
        Outcome::Replayed(receipt) => (receipt, "replayed"),
        _ => return Err(no_result()),
    };
    let sides = [receipt.debit.account_id, receipt.credit.account_id];
    let numbers = Numbers::of(database, accounts, sides).await;
    receipt_answer(name, receipt, outcome, key, &numbers)
}

/// Returns the error of an answer that is none to the request.
pub(super) fn no_result() -> CommandError {
    CommandError::failed("ledger", "the ledger returned no result")
}

fn receipt_answer(
    name: &'static str,
    receipt: &Receipt,
    outcome: &'static str,
    key: Option<&str>,
    numbers: &Numbers,
) -> Result<Output, CommandError> {
    let shown = match outcome {
        "posted" => cell("posted").style(Style::Good),
        _ => cell("replayed: this key moved the money before, and it did not move again")
            .style(Style::Warning),
    };
    let fields = vec![
        ("outcome", shown),
        ("reference", cell(receipt.reference_number())),
        ("type", cell(receipt.transfer_type)),
        ("amount", cell(receipt.amount)),
        ("from", cell(numbers.shown(receipt.debit.account_id))),
        ("  balance after it", cell(receipt.debit.running_balance)),
        ("to", cell(numbers.shown(receipt.credit.account_id))),
        ("  balance after it", cell(receipt.credit.running_balance)),
        ("posted", cell(receipt.posted_at)),
        ("key", optional(key)),
    ];
    let view = ReceiptView::new(receipt, outcome, key, numbers);
    Output::new(
        name,
        json!({ "receipt": view }),
        vec![Block::Fields(fields)],
    )
}

/// A receipt in the JSON contract.
#[derive(Debug, Serialize)]
pub(super) struct ReceiptView<'a> {
    /// `posted`, or `replayed` for a request whose key was posted before.
    outcome: &'static str,
    transfer_id: TransferId,
    reference_number: ReferenceNumber,
    transfer_type: TransferType,
    amount: Money,
    /// None for a correction, which its account's version keeps from happening twice, and for a part
    /// of a group.
    idempotency_key: Option<&'a str>,
    debit: SideView<'a>,
    credit: SideView<'a>,
    posted_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct SideView<'a> {
    account_id: AccountId,
    account_number: Option<&'a str>,
    transaction_id: EntryId,
    entry_number: i64,
    balance: Money,
}

impl<'a> ReceiptView<'a> {
    pub(super) fn new(
        receipt: &Receipt,
        outcome: &'static str,
        key: Option<&'a str>,
        numbers: &'a Numbers,
    ) -> Self {
        let side = |entry: &EntryReceipt| SideView {
            account_id: entry.account_id,
            account_number: numbers.number(entry.account_id),
            transaction_id: entry.transaction_id,
            entry_number: entry.entry_number,
            balance: entry.running_balance,
        };
        Self {
            outcome,
            transfer_id: receipt.transfer_id,
            reference_number: receipt.reference_number(),
            transfer_type: receipt.transfer_type,
            amount: receipt.amount,
            idempotency_key: key,
            debit: side(&receipt.debit),
            credit: side(&receipt.credit),
            posted_at: receipt.posted_at,
        }
    }
}

impl Movement {
    /// Returns the key, generated if the caller gave none, for a repetition when the result is
    /// unknown.
    fn key(&self) -> String {
        self.key.clone().unwrap_or_else(generated_key)
    }
}

/// Returns a new idempotency key.
pub(super) fn generated_key() -> String {
    format!("neobank-{}", Uuid::now_v7())
}

//! The command `neobank exchange`.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use neobank_db::Database;
use neobank_domain::Money;
use neobank_domain::accounts::Account;
use neobank_domain::ledger::{ExchangeRequest, Given, GroupReceipt, Outcome, Receipt, Rounding};
use rust_decimal::Decimal;
use serde_json::json;

use super::attributes::AttributeArguments;
use super::numbers::Numbers;
use super::transfer::{self, ReceiptView, generated_key};
use super::{account, moment};
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, cell, optional};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("given").required(true).args(["sold", "bought"]))]
pub(crate) struct ExchangeArguments {
    /// The account that pays the sold amount: its identifier, its number, or SOURCE/ID of an import
    #[arg(long, value_name = "ACCOUNT")]
    from: String,
    /// The account in another currency that gets the bought amount
    #[arg(long, value_name = "ACCOUNT")]
    to: String,
    /// The amount that the customer sells, such as "1000 CZK"; the bought amount is computed
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    sold: Option<Money>,
    /// The amount that the customer buys, such as "39.90 EUR"; the sold amount is computed
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    bought: Option<Money>,
    /// The units of the bought currency for one unit of the sold currency, such as 0.0399
    #[arg(long, value_name = "NUMBER", value_parser = rate, allow_hyphen_values = true)]
    rate: Decimal,
    /// The rounding of the computed amount
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    rounding: RoundingRule,
    /// The name of the quote that the rate comes from
    #[arg(long, value_name = "NAME", requires = "quote_expires_at")]
    quote: Option<String>,
    /// The time from which the exchange is rejected, as 2026-12-06T12:00:00+01:00, or a day of UTC
    #[arg(long, value_name = "TIME", value_parser = moment::parse, requires = "quote")]
    quote_expires_at: Option<DateTime<Utc>>,
    /// The bank's spread, which the account --from pays as a fee, such as "5 CZK"
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    spread: Option<Money>,
    /// The idempotency key: a repeated request with the same key exchanges once; the default is a
    /// new key
    #[arg(long)]
    key: Option<String>,
    /// A description of the exchange
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    attributes: AttributeArguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum RoundingRule {
    /// A bought amount down and a sold amount up
    #[default]
    InTheBanksFavour,
    /// To the nearest amount, and halves away from zero
    HalfUp,
}

impl From<RoundingRule> for Rounding {
    fn from(rule: RoundingRule) -> Self {
        match rule {
            RoundingRule::InTheBanksFavour => Self::InTheBanksFavour,
            RoundingRule::HalfUp => Self::HalfUp,
        }
    }
}

pub(crate) async fn run(
    arguments: &ExchangeArguments,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let database = connection.open("exchange").await?;
    let from = account::find(&database, &arguments.from).await?;
    let to = account::find(&database, &arguments.to).await?;
    let key = arguments.key.clone().unwrap_or_else(generated_key);
    let request = arguments.request(&from, &to, &key)?;
    let parties = [from, to];
    let group = request.into_group()?;
    let outcome =
        transfer::execute(connection, &database, group.into(), Some(&key), &parties).await?;
    output(arguments, &database, &outcome, &key, &parties).await
}

impl ExchangeArguments {
    fn request(
        &self,
        from: &Account,
        to: &Account,
        key: &str,
    ) -> Result<ExchangeRequest, CommandError> {
        let (given, other) = match (self.sold, self.bought) {
            (Some(sold), None) => (Given::Sold(sold), to),
            (None, Some(bought)) => (Given::Bought(bought), from),
            _ => return Err(CommandError::usage("give either --sold or --bought")),
        };
        let (from, to) = (from.account_id, to.account_id);
        let other = other.current_balance.currency().to_string();
        let mut request = ExchangeRequest::new(from, to, given, other, self.rate)
            .with_rounding(self.rounding.into())
            .with_description(&self.description)
            .with_idempotency_key(key);
        if let (Some(quote), Some(expires_at)) = (&self.quote, self.quote_expires_at) {
            request = request.with_quote(quote, expires_at);
        }
        request.spread = self.spread;
        request.attributes = self.attributes.read();
        Ok(request)
    }
}

async fn output(
    arguments: &ExchangeArguments,
    database: &Database,
    outcome: &Outcome,
    key: &str,
    parties: &[Account],
) -> Result<Output, CommandError> {
    let (group, name, shown) = match outcome {
        Outcome::GroupPosted(group) => (group, "posted", cell("posted").style(Style::Good)),
        Outcome::GroupReplayed(group) => (
            group,
            "replayed",
            cell("replayed: this key exchanged before, and it did not exchange again")
                .style(Style::Warning),
        ),
        _ => return Err(transfer::no_result()),
    };
    let steps: Vec<&Receipt> = group.transfers().collect();
    let (Some(sold), Some(bought)) = (steps.first(), steps.get(1)) else {
        return Err(transfer::no_result());
    };
    let spread = steps.get(2);
    let accounts = steps
        .iter()
        .flat_map(|receipt| [receipt.debit.account_id, receipt.credit.account_id]);
    let numbers = Numbers::of(database, parties, accounts).await;
    let fields = vec![
        ("outcome", shown),
        ("group", cell(group.group_id)),
        ("sold", cell(sold.amount)),
        ("  from", cell(numbers.shown(sold.debit.account_id))),
        ("  balance after it", cell(balance_after(group, sold))),
        ("bought", cell(bought.amount)),
        ("  to", cell(numbers.shown(bought.credit.account_id))),
        ("  balance after it", cell(bought.credit.running_balance)),
        ("rate", cell(arguments.rate.normalize())),
        ("spread", optional(spread.map(|spread| spread.amount))),
        ("quote", optional(arguments.quote.as_deref())),
        ("posted", cell(sold.posted_at)),
        ("key", cell(key)),
    ];
    let views: Vec<_> = steps
        .iter()
        .map(|receipt| ReceiptView::new(receipt, name, None, &numbers))
        .collect();
    let data = json!({ "receipt": {
        "outcome": name,
        "group_id": group.group_id,
        "sold": sold.amount,
        "bought": bought.amount,
        "rate": arguments.rate.normalize().to_string(),
        "spread": spread.map(|spread| spread.amount),
        "quote": arguments.quote,
        "idempotency_key": key,
        "posted_at": sold.posted_at,
        "transfers": views,
    }});
    Output::new("exchange", data, vec![Block::Fields(fields)])
}

/// Returns the balance of the paying account after the last step, which may be a fee.
fn balance_after(group: &GroupReceipt, sold: &Receipt) -> Money {
    let payer = sold.debit.account_id;
    let of_payer = |receipt: &&Receipt| receipt.debit.account_id == payer;
    let last = group.transfers().filter(of_payer).last().unwrap_or(sold);
    last.debit.running_balance
}

/// Reads a rate, whose range the ledger checks.
fn rate(text: &str) -> Result<Decimal, &'static str> {
    text.parse().map_err(|_| "not a number such as 0.0399")
}

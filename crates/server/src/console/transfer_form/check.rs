//! The check of a transfer's fields.

use neobank_domain::customers::{self, Customer};
use neobank_domain::ledger::DESCRIPTION_LENGTH_MAX;
use neobank_domain::{Account, AccountId, AccountStatus, Money};

use super::Fields;
use crate::console::error::PageError;
use crate::console::parts::grouped;
use crate::console::visit::Visit;

/// A transfer whose fields are right.
pub(super) struct Order {
    pub(super) fields: Fields,
    pub(super) payer: Account,
    pub(super) payer_name: Option<String>,
    pub(super) payee: Payee,
    pub(super) payee_name: Option<String>,
    pub(super) amount: Money,
}

/// The account that is paid.
pub(super) enum Payee {
    /// An account that the caller may see.
    Known(Box<Account>),
    /// Another account, of which the caller learns nothing.
    Other(AccountId),
}

impl Payee {
    pub(super) const fn account_id(&self) -> AccountId {
        match self {
            Self::Known(account) => account.account_id,
            Self::Other(account) => *account,
        }
    }
}

/// The errors of the fields.
#[derive(Default)]
pub(super) struct Errors {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) amount: Option<String>,
    pub(super) description: Option<String>,
}

impl Errors {
    const fn is_none(&self) -> bool {
        self.from.is_none()
            && self.to.is_none()
            && self.amount.is_none()
            && self.description.is_none()
    }
}

/// Reads the fields. The ledger decides on the transfer; what it is sure to reject is an error of a
/// field here, unless the transfer may be posted already.
pub(super) async fn order(
    visit: &Visit,
    fields: &Fields,
    is_new: bool,
) -> Result<Result<Order, Errors>, PageError> {
    let mut errors = Errors::default();
    let payer = payer(visit, fields, &mut errors).await?;
    let payee = payee(visit, fields, &mut errors).await?;
    if fields.description.chars().count() > DESCRIPTION_LENGTH_MAX {
        let error = format!("At most {DESCRIPTION_LENGTH_MAX} characters.");
        errors.description = Some(error);
    }
    let amount = payer.as_ref().and_then(|payer| {
        let read = amount(fields, payer);
        read.map_err(|error| errors.amount = Some(error)).ok()
    });
    let (Some(payer), Some(payee), Some(amount)) = (payer, payee, amount) else {
        return Ok(Err(errors));
    };
    if is_new {
        foresee(&payer, &payee, amount, &mut errors);
    }
    if !errors.is_none() {
        return Ok(Err(errors));
    }
    let payer_name = owner(visit, &payer).await?;
    let payee_name = match &payee {
        Payee::Known(account) => owner(visit, account).await?,
        Payee::Other(_) => None,
    };
    Ok(Ok(Order {
        fields: fields.clone(),
        payer,
        payer_name,
        payee,
        payee_name,
        amount,
    }))
}

async fn payer(
    visit: &Visit,
    fields: &Fields,
    errors: &mut Errors,
) -> Result<Option<Account>, PageError> {
    if fields.from.trim().is_empty() {
        errors.from = Some("Enter the account that pays.".to_owned());
        return Ok(None);
    }
    let found = visit.account_named(&fields.from).await?;
    if found.is_none() {
        errors.from = Some("There is no such account, or the key may not use it.".to_owned());
    }
    Ok(found)
}

async fn payee(
    visit: &Visit,
    fields: &Fields,
    errors: &mut Errors,
) -> Result<Option<Payee>, PageError> {
    let given = fields.to.trim();
    if given.is_empty() {
        errors.to = Some("Enter the account that is paid.".to_owned());
        return Ok(None);
    }
    if let Some(account) = visit.account_named(given).await? {
        return Ok(Some(Payee::Known(Box::new(account))));
    }
    if visit.is_unbound() {
        errors.to = Some("There is no such account.".to_owned());
        return Ok(None);
    }
    if let Ok(account) = given.parse() {
        return Ok(Some(Payee::Other(account)));
    }
    let error = "The key may not look up this number. Enter the account's identifier.";
    errors.to = Some(error.to_owned());
    Ok(None)
}

fn amount(fields: &Fields, payer: &Account) -> Result<Money, String> {
    let currency = payer.current_balance.currency();
    let given = fields.amount.trim();
    let given = given.strip_suffix(currency.code()).unwrap_or(given).trim();
    if given.is_empty() {
        return Err("Enter an amount.".to_owned());
    }
    let amount = Money::parse(given, currency).map_err(|_| {
        let decimals = currency.minor_units();
        format!(
            "This is no amount in {currency}: digits, and a point before at most {decimals} \
             decimals, such as 1250.50."
        )
    })?;
    if amount.is_positive() {
        return Ok(amount);
    }
    Err("The amount must be more than zero.".to_owned())
}

/// Finds the reasons for which the ledger is sure to reject the transfer now.
fn foresee(payer: &Account, payee: &Payee, amount: Money, errors: &mut Errors) {
    let not_active = |account: &Account| {
        let status = account.status;
        (status != AccountStatus::Active).then(|| format!("The account is {status}."))
    };
    errors.from = not_active(payer);
    if payer.customer_id.is_none() {
        errors.from = Some("The account is the bank's own.".to_owned());
    }
    if let Payee::Known(payee) = payee {
        errors.to = not_active(payee);
        let (own, other) = (payer.current_balance, payee.current_balance);
        if own.currency() != other.currency() {
            let (own, other) = (own.currency(), other.currency());
            let error = format!("The account is in {other}, and the payer's is in {own}.");
            errors.to = Some(error);
        }
        if payee.customer_id.is_none() {
            errors.to = Some("The account is the bank's own.".to_owned());
        }
    }
    if payee.account_id() == payer.account_id {
        errors.to = Some("This is the account that pays.".to_owned());
    }
    if let Some(available) = payer.available_balance
        && available < amount
    {
        let shown = grouped(&available.amount().to_string());
        let error = format!("Only {shown} {} is available.", available.currency());
        errors.amount = Some(error);
    }
}

async fn owner(visit: &Visit, account: &Account) -> Result<Option<String>, PageError> {
    let customer = account.customer_id;
    let Some(customer) = customer.filter(|one| visit.may_see_customer(*one)) else {
        return Ok(None);
    };
    let found = customers::find(&visit.database(), customer).await?;
    let name = |one: Customer| format!("{} {}", one.first_name, one.last_name);
    Ok(found.map(name))
}

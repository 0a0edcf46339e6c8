//! The look-ups of a search.

use neobank_domain::customers::{self, Customer, CustomerFilter};
use neobank_domain::ledger::{HoldFilter, ReferenceNumber, holds};
use neobank_domain::transfers::{self, Transfer, TransferFilter};
use neobank_domain::{Account, CustomerId, GroupId, HoldId, Money, TransferId, accounts};
use uuid::Uuid;

use crate::access::Visible;
use crate::console::error::PageError;
use crate::console::transfers::Shown;
use crate::console::visit::Visit;

/// The most results of each kind.
const RESULTS_MAX: u32 = 50;

/// The results of a search, of each kind.
#[derive(Default)]
pub(super) struct Results {
    pub(super) customers: Vec<Customer>,
    pub(super) has_more_customers: bool,
    pub(super) accounts: Vec<Account>,
    pub(super) transfers: Vec<Shown>,
    pub(super) has_more_transfers: bool,
    pub(super) holds: Vec<(HoldId, Money)>,
    pub(super) group: Option<GroupId>,
    /// Why a part of the search was not made.
    pub(super) problem: Option<&'static str>,
}

impl Results {
    pub(super) fn count(&self) -> usize {
        self.customers.len()
            + self.accounts.len()
            + self.transfers.len()
            + self.holds.len()
            + usize::from(self.group.is_some())
    }
}

/// Looks for a text in everything that it can name.
pub(super) async fn everything(visit: &Visit, wanted: &str) -> Result<Results, PageError> {
    let mut results = Results::default();
    if wanted.contains('\0') {
        return Ok(results);
    }
    if let Ok(identifier) = wanted.parse::<Uuid>() {
        by_identifier(visit, identifier, &mut results).await?;
    } else if let Ok(reference) = wanted.to_uppercase().parse::<ReferenceNumber>() {
        transfer(visit, reference.transfer_id(), &mut results).await?;
    } else if let Ok(amount) = wanted.to_uppercase().parse::<Money>() {
        by_amount(visit, amount, &mut results).await?;
    } else {
        by_number(visit, wanted, &mut results).await?;
        customers_by_text(visit, wanted, &mut results).await?;
        if results.count() == 0 && wanted.bytes().all(|byte| b"0123456789.".contains(&byte)) {
            results.problem =
                Some("To find an amount, write its currency behind it, such as 250 CZK.");
        }
    }
    by_idempotency_key(visit, wanted, &mut results).await?;
    Ok(results)
}

async fn by_identifier(
    visit: &Visit,
    identifier: Uuid,
    results: &mut Results,
) -> Result<(), PageError> {
    let database = visit.database();
    results
        .accounts
        .extend(visit.try_account(identifier.into()).await?);
    let customer = CustomerId::from(identifier);
    if visit.may_see_customer(customer) {
        results
            .customers
            .extend(customers::find(&database, customer).await?);
    }
    transfer(visit, identifier.into(), results).await?;
    if let Some(hold) = holds::find(&database, identifier.into()).await?
        && visit.visible([hold.account_id]).await?.has(hold.account_id)
    {
        results.holds.push((hold.hold_id, hold.amount));
    }
    let filter = TransferFilter::default()
        .with_group_id(GroupId::from(identifier))
        .with_limit(1);
    let members = transfers::list(&database, &filter).await?.transfers;
    if visit.is_unbound() && !members.is_empty() {
        results.group = Some(identifier.into());
    }
    Ok(())
}

async fn transfer(
    visit: &Visit,
    transfer: TransferId,
    results: &mut Results,
) -> Result<(), PageError> {
    let found = transfers::find(&visit.database(), transfer).await?;
    add(visit, found, results).await
}

async fn add(
    visit: &Visit,
    found: impl IntoIterator<Item = Transfer>,
    results: &mut Results,
) -> Result<(), PageError> {
    let found = found.into_iter().collect();
    results.transfers.extend(Shown::all(visit, found).await?);
    Ok(())
}

async fn by_amount(visit: &Visit, amount: Money, results: &mut Results) -> Result<(), PageError> {
    let filter = TransferFilter::default()
        .with_at_least(amount)
        .with_at_most(amount)
        .with_limit(RESULTS_MAX);
    let database = visit.database();
    if visit.is_unbound() {
        let page = transfers::list(&database, &filter).await?;
        results.has_more_transfers = page.next.is_some();
        return add(visit, page.transfers, results).await;
    }
    let mut found: Vec<Transfer> = Vec::new();
    for account in visit.own_accounts().await? {
        let filter = filter.clone().with_account(account.account_id);
        let page = transfers::list(&database, &filter).await?;
        results.has_more_transfers |= page.next.is_some();
        found.extend(page.transfers);
    }
    found.sort_by_key(|transfer| std::cmp::Reverse(transfer.transfer_id));
    found.dedup_by_key(|transfer| transfer.transfer_id);
    add(visit, found, results).await
}

async fn by_number(visit: &Visit, number: &str, results: &mut Results) -> Result<(), PageError> {
    let database = visit.database();
    let account = accounts::find_by_number(&database, number).await?;
    let visible: Visible = visit
        .visible(account.iter().map(|one| one.account_id))
        .await?;
    results
        .accounts
        .extend(account.filter(|one| visible.has(one.account_id)));
    let customer = customers::find_by_number(&database, number).await?;
    let is_visible = |one: &Customer| visit.may_see_customer(one.customer_id);
    results.customers.extend(customer.filter(is_visible));
    Ok(())
}

/// Finds customers by a part of the name or the e-mail address.
async fn customers_by_text(
    visit: &Visit,
    wanted: &str,
    results: &mut Results,
) -> Result<(), PageError> {
    let database = visit.database();
    if !visit.is_unbound() {
        let wanted = wanted.to_lowercase();
        for customer in &visit.caller.bindings().customers {
            let found = customers::find(&database, *customer).await?;
            let is_named = |one: &Customer| {
                let name = format!("{} {}", one.first_name, one.last_name).to_lowercase();
                let email = one.email.clone().unwrap_or_default().to_lowercase();
                name.contains(&wanted) || email.contains(&wanted)
            };
            results.customers.extend(found.filter(is_named));
        }
        results.customers.dedup_by_key(|one| one.customer_id);
        return Ok(());
    }
    let filter = CustomerFilter::default().with_limit(RESULTS_MAX);
    let wanted = wanted.to_owned();
    for filter in [
        filter.clone().with_name(wanted.clone()),
        filter.with_email(wanted),
    ] {
        let page = customers::search(&database, &filter).await?;
        results.has_more_customers |= page.next.is_some();
        for customer in page.customers {
            let mut known = results.customers.iter();
            if !known.any(|one| one.customer_id == customer.customer_id) {
                results.customers.push(customer);
            }
        }
    }
    Ok(())
}

async fn by_idempotency_key(
    visit: &Visit,
    key: &str,
    results: &mut Results,
) -> Result<(), PageError> {
    let database = visit.database();
    let found = transfers::find_by_idempotency_key(&database, key).await?;
    let found = Shown::all(visit, found.into_iter().collect()).await?;
    // The key of another payer is not the caller's to find.
    let own = found
        .into_iter()
        .filter(|one| one.view.idempotency_key.is_some());
    results.transfers.extend(own);
    let filter = HoldFilter::new().with_idempotency_key(key);
    for hold in holds::list(&database, &filter, RESULTS_MAX).await? {
        if visit.visible([hold.account_id]).await?.has(hold.account_id) {
            results.holds.push((hold.hold_id, hold.amount));
        }
    }
    Ok(())
}

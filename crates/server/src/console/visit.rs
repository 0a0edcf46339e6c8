//! A request of a signed-in person.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use neobank_db::Database;
use neobank_domain::accounts::{self, Account};
use neobank_domain::api_keys::Scope;
use neobank_domain::{AccountId, CustomerId, Ledger};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::ConsoleState;
use super::error::PageError;
use super::layout;
use super::session::Session;
use crate::access::{Caller, Visible, forbidden};
use crate::context::Context;
use crate::state::ServiceState;

/// The most accounts of a bound key that a list covers.
const OWN_ACCOUNTS_MAX: usize = 100;

/// A request of a signed-in person: the caller, the session and the request's context.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) state: ServiceState,
    pub(super) context: Context,
    pub(super) caller: Caller,
    pub(super) session: Arc<Session>,
    /// The path of the page, which the navigation marks.
    pub(super) path: String,
}

/// The session, the address and the connection of a request, which the frame reads first.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) visit: Option<Visit>,
    /// The path and the parameters of the request.
    pub(super) address: String,
    /// True if the request has the cookie of a session that has ended.
    pub(super) has_ended: bool,
    /// True if the connection to the browser is encrypted.
    pub(super) is_encrypted: bool,
}

impl Visit {
    pub(super) fn database(&self) -> Database {
        self.context.database(&self.state)
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.caller.ledger(&self.state, &self.context)
    }

    pub(super) fn require(&self, scope: Scope) -> Result<(), PageError> {
        Ok(self.caller.require_scope(&self.context, &[scope])?)
    }

    /// Returns an error unless the key has the scope and is bound to no customer or account.
    pub(super) fn require_of_whole_bank(&self, scope: Scope) -> Result<(), PageError> {
        self.require(scope)?;
        if self.is_unbound() {
            return Ok(());
        }
        let detail =
            "The page shows the whole bank, and the key is bound to customers or accounts.";
        Err(forbidden("binding", detail.to_owned()).into())
    }

    pub(super) fn is_unbound(&self) -> bool {
        !self.caller.is_bound()
    }

    pub(super) fn may_see_customer(&self, customer: CustomerId) -> bool {
        self.caller.may_use_customer(customer)
    }

    pub(super) async fn visible(
        &self,
        accounts: impl IntoIterator<Item = AccountId>,
    ) -> Result<Visible, PageError> {
        let visible = self.caller.visible(&self.state, &self.context, accounts);
        Ok(visible.await?)
    }

    /// Returns an account that the caller may see; another account is as unknown as one that does
    /// not exist.
    pub(super) async fn account(&self, account: AccountId) -> Result<Account, PageError> {
        self.try_account(account)
            .await?
            .ok_or_else(|| PageError::not_found("account"))
    }

    pub(super) async fn try_account(
        &self,
        account: AccountId,
    ) -> Result<Option<Account>, PageError> {
        if !self.visible([account]).await?.has(account) {
            return Ok(None);
        }
        Ok(accounts::find(&self.database(), account).await?)
    }

    /// Returns an account that the caller may see, by its identifier or number.
    pub(super) async fn account_named(&self, given: &str) -> Result<Option<Account>, PageError> {
        let given = given.trim();
        if let Ok(account) = given.parse() {
            return self.try_account(account).await;
        }
        let found = accounts::find_by_number(&self.database(), given).await?;
        let visible = self.visible(found.iter().map(|one| one.account_id)).await?;
        Ok(found.filter(|one| visible.has(one.account_id)))
    }

    /// Returns the accounts of a bound key, at most a hundred.
    pub(super) async fn own_accounts(&self) -> Result<Vec<Account>, PageError> {
        let bindings = self.caller.bindings();
        let database = self.database();
        let mut own: Vec<Account> = Vec::new();
        for account in bindings.accounts.iter().take(OWN_ACCOUNTS_MAX) {
            own.extend(accounts::find(&database, *account).await?);
        }
        for customer in bindings.customers.iter().take(OWN_ACCOUNTS_MAX) {
            own.extend(accounts::list_by_customer(&database, *customer).await?);
        }
        own.sort_by_key(|account| account.account_id);
        own.dedup_by_key(|account| account.account_id);
        own.truncate(OWN_ACCOUNTS_MAX);
        Ok(own)
    }

    /// Returns a page with the frame of the console.
    pub(super) fn page(&self, title: &str, content: &Markup) -> Response {
        layout::page(Some(self), title, content).into_response()
    }
}

/// Answers without a session with the page to sign in.
impl FromRequestParts<ConsoleState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &ConsoleState,
    ) -> Result<Self, Response> {
        let found = parts.extensions.get::<Found>();
        if let Some(visit) = found.and_then(|found| found.visit.clone()) {
            let within_rate = visit.caller.require_rate(&visit.state);
            return within_rate
                .map(|()| visit)
                .map_err(IntoResponse::into_response);
        }
        let mut target = "/console/sign-in".to_owned();
        let mut separator = '?';
        if let Some(found) = found {
            if parts.method.is_safe() && found.address != "/console" {
                let next = utf8_percent_encode(&found.address, NON_ALPHANUMERIC);
                target.push_str(&format!("{separator}next={next}"));
                separator = '&';
            }
            if found.has_ended {
                target.push_str(&format!("{separator}ended=1"));
            }
        }
        Err(Redirect::to(&target).into_response())
    }
}

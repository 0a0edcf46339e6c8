//! The caller of a request, with its permissions.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use neobank_domain::api_keys::{ApiKey, Bindings, Scope};
use neobank_domain::ledger::Actor;
use neobank_domain::{AccountId, CustomerId, Ledger, accounts};

use crate::context::{Context, single};
use crate::keys::ApiKeySecret;
use crate::oidc::{Denial, Grant, Issuer};
use crate::problem::Problem;
use crate::rate::subscriber;
use crate::state::ServiceState;
use crate::trace;

/// The authenticated caller of a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    credential: Credential,
    actor: Actor,
}

/// The credential with which a caller was authenticated.
#[derive(Clone, Debug)]
enum Credential {
    Key(Arc<ApiKey>),
    Token(Arc<Grant>),
}

impl Caller {
    /// Returns the caller of a request that needs a scope.
    pub(crate) async fn authorised(
        state: &ServiceState,
        headers: &HeaderMap,
        context: &Context,
        scope: Scope,
    ) -> Result<Self, Problem> {
        let caller = Self::authenticated(state, headers, context).await?;
        caller.require_scope(context, &[scope])?;
        Ok(caller)
    }

    /// Returns the caller with a key that was verified.
    pub(crate) fn of_key(key: Arc<ApiKey>) -> Result<Self, Problem> {
        let actor = format!("api-key:{}:{}", key.name, key.prefix);
        let actor = actor.parse().map_err(|_| unauthorized())?;
        Ok(Self {
            credential: Credential::Key(key),
            actor,
        })
    }

    /// Returns the caller with an access token.
    async fn of_token(
        state: &ServiceState,
        context: &Context,
        (issuer, token): (&Issuer, &str),
    ) -> Result<Self, Problem> {
        let until = context.deadline.into();
        let verified = tokio::time::timeout_at(until, issuer.verify(token)).await;
        let denial = match verified.unwrap_or(Err(Denial::Unread)) {
            Ok(grant) => {
                return Ok(Self {
                    actor: grant.actor.clone(),
                    credential: Credential::Token(Arc::new(grant)),
                });
            }
            Err(denial) => denial,
        };
        require_attempt(state, context)?;
        let (request, trace) = (&context.request_id, context.trace_id);
        match denial {
            Denial::Wrong(reason) => {
                tracing::warn!(request, %trace, "denied: the token {reason}");
                Err(unauthorized())
            }
            Denial::Unread => {
                tracing::warn!(request, %trace, "denied: the keys of the issuer are not known");
                let detail = "The keys of the issuer of tokens could not be read.";
                Err(Problem::unavailable("unavailable", detail))
            }
        }
    }

    /// Returns the name of the key, or the actor of a token.
    pub(crate) fn name(&self) -> &str {
        match &self.credential {
            Credential::Key(key) => &key.name,
            Credential::Token(_) => self.actor.as_str(),
        }
    }

    /// Returns the customers and accounts to which the caller is limited.
    pub(crate) fn bindings(&self) -> &Bindings {
        match &self.credential {
            Credential::Key(key) => &key.bindings,
            Credential::Token(grant) => &grant.bindings,
        }
    }

    fn scopes(&self) -> &[Scope] {
        match &self.credential {
            Credential::Key(key) => &key.scopes,
            Credential::Token(grant) => &grant.scopes,
        }
    }

    pub(crate) fn has_scope(&self, scope: Scope) -> bool {
        let scopes = self.scopes();
        scopes.contains(&scope) || scopes.contains(&Scope::Admin)
    }

    /// Returns an error unless the key has one of these scopes.
    pub(crate) fn require_scope(&self, context: &Context, scopes: &[Scope]) -> Result<(), Problem> {
        if scopes.iter().any(|scope| self.has_scope(*scope)) {
            return Ok(());
        }
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let names = names.join(" or ");
        let (caller, trace) = (self.actor.as_str(), context.trace_id);
        let request = &context.request_id;
        tracing::warn!(caller, request, %trace, "denied: the key lacks the scope {names}");
        Err(forbidden(
            "scope",
            format!("The key lacks the scope {names}."),
        ))
    }

    /// Returns true if the key is bound to customers or accounts.
    pub(crate) fn is_bound(&self) -> bool {
        !self.bindings().is_unlimited()
    }

    /// Returns the caller of a request whose scopes depend on its body, within the caller's rate.
    pub(crate) async fn authenticated(
        state: &ServiceState,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Self, Problem> {
        let caller = Self::verified(state, headers, context).await?;
        caller.require_rate(state)?;
        Ok(caller)
    }

    /// Returns the caller of a stream that goes on: it is verified again, and no further request.
    pub(crate) async fn verified(
        state: &ServiceState,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Self, Problem> {
        let header = single(headers, AUTHORIZATION.as_str())?.unwrap_or_default();
        let presented = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, presented)| presented.trim());
        if let (Some(issuer), Some(token)) = (state.issuer(), presented)
            && token.contains('.')
        {
            return Self::of_token(state, context, (issuer, token)).await;
        }
        let presented = presented.and_then(ApiKeySecret::presented);
        match key_in_force(state, context, presented.as_ref()).await? {
            Some(key) => Self::of_key(key),
            None => Err(unauthorized()),
        }
    }

    /// Takes a token of the caller's rate, or returns the time after which there is one.
    pub(crate) fn take_token(&self, state: &ServiceState) -> Result<(), Duration> {
        state.caller_rates().take(self.actor.as_str())
    }

    /// Takes a token of the caller's rate.
    pub(crate) fn require_rate(&self, state: &ServiceState) -> Result<(), Problem> {
        let taken = self.take_token(state);
        taken.map_err(|wait| self.limited(state, wait))
    }

    /// Takes the tokens of a batch, whose first request has taken its token before.
    pub(crate) fn require_rate_of_batch(
        &self,
        state: &ServiceState,
        requests: usize,
    ) -> Result<(), Problem> {
        let rates = state.caller_rates();
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        let burst = rates.burst().map_or(1, NonZeroU32::get);
        let Some(further) = NonZeroU32::new(requests.min(burst).saturating_sub(1)) else {
            return Ok(());
        };
        let taken = rates.take_more(self.actor.as_str(), further);
        // The batch that comes again takes the token of its first request again.
        let for_first = rates.pause();
        taken.map_err(|wait| self.limited(state, wait + for_first))
    }

    fn limited(&self, state: &ServiceState, wait: Duration) -> Problem {
        state.metrics().caller_limited();
        tracing::debug!(caller = self.actor.as_str(), "above the rate of a caller");
        Problem::too_many("The key sends more requests than it may.", wait)
    }

    /// Returns the ledger for the caller's requests, which end by the request's deadline.
    pub(crate) fn ledger(&self, state: &ServiceState, context: &Context) -> Ledger {
        let ledger = state.ledger().with_deadline(context.deadline);
        ledger.acting_as(self.actor.clone())
    }

    /// The actor that the caller is in every record.
    pub(crate) const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Returns which of these accounts the caller may use. A request asks before it moves money: what
    /// follows a commit must not fail.
    pub(crate) async fn visible(
        &self,
        state: &ServiceState,
        context: &Context,
        accounts: impl IntoIterator<Item = AccountId>,
    ) -> Result<Visible, Problem> {
        let bindings = self.bindings();
        let is_foreign =
            |account: &AccountId| !bindings.is_unlimited() && !bindings.accounts.contains(account);
        let asked: BTreeSet<_> = accounts.into_iter().collect();
        let mut foreign: BTreeSet<_> = asked.iter().copied().filter(is_foreign).collect();
        if !foreign.is_empty() && !bindings.customers.is_empty() {
            let of_others: Vec<_> = foreign.iter().copied().collect();
            let found =
                trace::database(accounts::find_many(&context.database(state), &of_others)).await?;
            let own = found.iter().filter(|account| {
                let customer = account.customer_id;
                customer.is_some_and(|customer| bindings.customers.contains(&customer))
            });
            for account in own {
                foreign.remove(&account.account_id);
            }
        }
        Ok(Visible { asked, foreign })
    }

    /// Returns true if the key is bound to the customer, or to nothing.
    pub(crate) fn may_use_customer(&self, customer: CustomerId) -> bool {
        let bindings = self.bindings();
        bindings.is_unlimited() || bindings.customers.contains(&customer)
    }

    /// Returns an error unless the caller may use a customer's data: the key is bound to the
    /// customer, or to nothing.
    pub(crate) fn require_customer(
        &self,
        context: &Context,
        customer: CustomerId,
    ) -> Result<(), Problem> {
        if self.may_use_customer(customer) {
            return Ok(());
        }
        Err(self.denied(context, &format!("customer {customer}")))
    }

    /// Returns an error unless the key is bound to nothing.
    pub(crate) fn require_unbound(&self, context: &Context) -> Result<(), Problem> {
        if !self.is_bound() {
            return Ok(());
        }
        Err(self.denied(context, "the whole bank"))
    }

    fn denied(&self, context: &Context, subject: &str) -> Problem {
        let (caller, trace) = (self.actor.as_str(), context.trace_id);
        let request = &context.request_id;
        tracing::warn!(caller, request, %trace, "denied: the key is not bound to {subject}");
        let detail = format!("The key is bound to customers or accounts, and not to {subject}.");
        forbidden("binding", detail)
    }

    /// Returns an error unless the caller may use the account. The error is the same for an account
    /// that does not exist.
    pub(crate) fn require(
        &self,
        context: &Context,
        visible: &Visible,
        account: AccountId,
    ) -> Result<(), Problem> {
        // An account that `visible` was not asked about is denied.
        if !self.is_bound() || (visible.asked.contains(&account) && visible.has(account)) {
            return Ok(());
        }
        Err(self.denied(context, &format!("account {account}")))
    }
}

/// The accounts of a request or an answer, by whether the caller may use them.
#[derive(Debug, Default)]
pub(crate) struct Visible {
    asked: BTreeSet<AccountId>,
    foreign: BTreeSet<AccountId>,
}

impl Visible {
    pub(crate) fn has(&self, account: AccountId) -> bool {
        !self.foreign.contains(&account)
    }

    /// Returns true if a text names an account that the caller may not use.
    pub(crate) fn hides(&self, text: &str) -> bool {
        let mut foreign = self.foreign.iter();
        foreign.any(|account| text.contains(&account.to_string()))
    }
}

/// Returns the key that a caller presents, if it is in force. A denial is logged.
///
/// # Errors
///
/// [`Problem::too_many`] for an address with too many attempts. A key that was used lately makes no
/// attempt, so that callers behind one proxy do not shut each other out.
pub(crate) async fn key_in_force(
    state: &ServiceState,
    context: &Context,
    presented: Option<&ApiKeySecret>,
) -> Result<Option<Arc<ApiKey>>, Problem> {
    let (request, trace) = (&context.request_id, context.trace_id);
    let Some(presented) = presented else {
        require_attempt(state, context)?;
        tracing::warn!(request, %trace, "denied: no key");
        return Ok(None);
    };
    let (keys, prefix) = (state.keys(), presented.prefix());
    let is_known = keys.is_known(prefix);
    if !is_known {
        // Before the database is asked.
        require_attempt(state, context)?;
    }
    let database = context.database(state);
    let cache_time = state.limits().key_cache_time;
    let key = keys.verify(&database, presented, cache_time).await?;
    if key.is_none() {
        if is_known {
            require_attempt(state, context)?;
        }
        tracing::warn!(prefix, request, %trace, "denied: a wrong, revoked or expired key");
    }
    Ok(key)
}

fn require_attempt(state: &ServiceState, context: &Context) -> Result<(), Problem> {
    let address = subscriber(context.peer);
    state.attempt_rates().take(&address).map_err(|wait| {
        state.metrics().attempt_limited();
        let detail = "The address sends too many requests without a valid key.";
        Problem::too_many(detail, wait)
    })
}

fn unauthorized() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The request needs a valid key or access token: Authorization: Bearer …",
    )
    .with_action("Send a key or a token that is neither revoked nor expired.")
}

pub(crate) fn forbidden(kind: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, kind, detail)
        .with_action("Use another key, or ask the operator for one.")
}

//! Lines of journal entries: postings whose amounts sum to zero in their group.

use neobank_domain::api_keys::Scope;
use neobank_domain::ledger::{EntryType, PostingKind};
use neobank_domain::{AccountId, PostingRequest};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::members::{AmountBody, attributes};
use super::movement::{Call, Prepare, Prepared};
use crate::problem::Problem;

/// One line of a journal entry. The debits and credits of a group's lines are equal in each currency.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewJournalLine)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalLineBody {
    /// The customer's account.
    #[schema(value_type = Uuid)]
    account: AccountId,
    side: SideBody,
    amount: AmountBody,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// The side of the customer's account: a debit lowers its balance.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = JournalSide)]
#[serde(rename_all = "lowercase")]
enum SideBody {
    Debit,
    Credit,
}

impl Prepare for JournalLineBody {
    /// Prepares the line. The debits pay for the credits, so the caller has to be bound to the
    /// accounts of the debits only, as to the payer of a transfer.
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let Call {
            context, caller, ..
        } = call;
        caller.require_scope(context, &[Scope::AdjustmentsWrite])?;
        let direction = match self.side {
            SideBody::Debit => EntryType::Debit,
            SideBody::Credit => EntryType::Credit,
        };
        let (account, kind) = (self.account, PostingKind::Clearing);
        let mut request = PostingRequest::new(account, kind, direction, self.amount.read()?)
            .with_description(self.description);
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        let is_debit = direction == EntryType::Debit;
        Ok(Prepared {
            request: request.into(),
            own: is_debit.then_some(account).into_iter().collect(),
            named: vec![account],
        })
    }
}

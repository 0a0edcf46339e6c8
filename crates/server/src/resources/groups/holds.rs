//! Captures and releases as steps of a group: they name a hold, or the step that makes it.

use neobank_domain::ledger::{CaptureRequest, HoldReference, ReleaseRequest};
use neobank_domain::{AccountId, HoldId, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::holds;
use super::super::members::{AmountBody, attributes, optional_amount};
use super::super::movement::{Call, Prepare, Prepared};
use crate::problem::Problem;
use neobank_domain::api_keys::Scope;

/// A capture of a hold, which is named by exactly one of `hold` and `hold_step`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCaptureStep)]
#[serde(deny_unknown_fields)]
pub(in crate::resources) struct CaptureStep {
    #[schema(value_type = Option<Uuid>)]
    hold: Option<HoldId>,
    /// The number of an earlier step of this group that makes the hold, from 0.
    #[schema(value_type = Option<u16>)]
    hold_step: Option<u16>,
    /// The amount; all that remains where it is left out.
    amount: Option<AmountBody>,
    #[schema(value_type = Option<Uuid>)]
    to: Option<AccountId>,
    /// Leaves the rest of the hold to later captures.
    #[serde(default)]
    more_to_come: bool,
    #[serde(default)]
    description: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// A release of a hold, which is named by exactly one of `hold` and `hold_step`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewReleaseStep)]
#[serde(deny_unknown_fields)]
pub(in crate::resources) struct ReleaseStep {
    #[schema(value_type = Option<Uuid>)]
    hold: Option<HoldId>,
    /// The number of an earlier step of this group that makes the hold, from 0.
    #[schema(value_type = Option<u16>)]
    hold_step: Option<u16>,
    /// Lets the group go on if the hold has ended.
    #[serde(default)]
    if_open: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

impl CaptureStep {
    /// Returns the rejection of a hold that the caller may not use or that does not exist.
    pub(in crate::resources) fn unknown(&self) -> Option<Rejection> {
        self.hold.map(|hold| Rejection::UnknownHold { hold })
    }
}

impl ReleaseStep {
    /// As [`CaptureStep::unknown`].
    pub(in crate::resources) fn unknown(&self) -> Option<Rejection> {
        self.hold.map(|hold| Rejection::UnknownHold { hold })
    }
}

impl Prepare for CaptureStep {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let (hold, own, mut named) = named_hold(call, self.hold, self.hold_step).await?;
        let mut request = CaptureRequest::of(hold).with_description(self.description);
        request.amount = optional_amount(self.amount.as_ref(), "amount")?;
        request.to = self.to;
        request.last = !self.more_to_come;
        request.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        named.extend(self.to);
        Ok(Prepared {
            request: request.into(),
            own,
            named,
        })
    }
}

impl Prepare for ReleaseStep {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let (hold, own, named) = named_hold(call, self.hold, self.hold_step).await?;
        let mut request = ReleaseRequest::of(hold);
        request.if_open = self.if_open;
        if let Some(metadata) = attributes(self.metadata.as_deref(), None)?.metadata {
            request = request.with_metadata(metadata);
        }
        Ok(Prepared {
            request: request.into(),
            own,
            named,
        })
    }
}

/// Returns the hold of a step with its account, which the caller has to be bound to, and all
/// accounts that the hold names. The step that makes a hold has these accounts itself.
async fn named_hold(
    call: Call<'_>,
    hold: Option<HoldId>,
    step: Option<u16>,
) -> Result<(HoldReference, Vec<AccountId>, Vec<AccountId>), Problem> {
    call.caller
        .require_scope(call.context, &[Scope::HoldsWrite])?;
    match (hold, step) {
        (Some(hold), None) => {
            let (own, named) = holds::parties(call, hold).await?;
            Ok((hold.into(), own, named))
        }
        (None, Some(step)) => Ok((HoldReference::Step(step.into()), Vec::new(), Vec::new())),
        _ => {
            let detail = "Exactly one of these members is needed: hold and hold_step.";
            Err(Problem::invalid("body", detail))
        }
    }
}

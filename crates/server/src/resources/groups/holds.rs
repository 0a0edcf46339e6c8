//! Captures and releases as steps of a group: they name a hold, or the step that makes it.

use neobank_domain::ledger::{HoldReference, ReleaseRequest};
use neobank_domain::{AccountId, HoldId, Rejection};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::holds::{self, CaptureBody, Parties, ReleaseBody};
use super::super::members::AmountBody;
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
    #[serde(default, deserialize_with = "step_number")]
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
    #[serde(default, deserialize_with = "step_number")]
    hold_step: Option<u16>,
    /// Lets the group go on if the hold has ended.
    #[serde(default)]
    if_open: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// Reads the number of a step, which is no text as 64-bit numbers are.
fn step_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let given = Option::<Value>::deserialize(deserializer)?;
    let Some(given) = given else {
        return Ok(None);
    };
    let number = given.as_u64().and_then(|number| u16::try_from(number).ok());
    let wrong = || {
        let given = neobank_domain::shortened(&given.to_string());
        format!("{given} is no number of an earlier step, such as 0 without quotes")
    };
    number.map(Some).ok_or_else(|| D::Error::custom(wrong()))
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
        let (hold, parties) = named_hold(call, self.hold, self.hold_step).await?;
        let terms = CaptureBody {
            amount: self.amount,
            to: self.to,
            more_to_come: self.more_to_come,
            description: self.description,
            metadata: self.metadata,
            value_date: self.value_date,
        };
        terms.capture(hold, parties)
    }
}

impl Prepare for ReleaseStep {
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let (hold, parties) = named_hold(call, self.hold, self.hold_step).await?;
        let mut request = ReleaseRequest::of(hold);
        request.if_open = self.if_open;
        let terms = ReleaseBody {
            metadata: self.metadata,
        };
        terms.release(request, parties)
    }
}

/// Returns the hold of a step with its parties. The step that makes a hold has its parties itself.
async fn named_hold(
    call: Call<'_>,
    hold: Option<HoldId>,
    step: Option<u16>,
) -> Result<(HoldReference, Parties), Problem> {
    call.caller
        .require_scope(call.context, &[Scope::HoldsWrite])?;
    match (hold, step) {
        (Some(hold), None) => {
            let parties = holds::parties(call, hold).await?;
            Ok((hold.into(), parties))
        }
        (None, Some(step)) => Ok((HoldReference::Step(step.into()), Parties::default())),
        _ => {
            let detail = "Exactly one of these members is needed: hold and hold_step.";
            Err(Problem::invalid("body", detail))
        }
    }
}

//! The body of a group.

use axum::http::StatusCode;
use neobank_domain::Rejection;
use neobank_domain::ledger::GroupRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::holds::HoldBody;
use super::super::journal::JournalLineBody;
use super::super::members::{Object, attributes, time};
use super::super::movement::{Call, Prepare, Prepared};
use super::super::operations::{Step, kind, only};
use super::super::postings::PostingBody;
use super::super::reversals::ReversalOfTransfer;
use super::super::transfers::TransferBody;
use super::conditions::{self, ConditionBody};
use super::holds::{CaptureStep, ReleaseStep};
use crate::problem::Problem;

/// Requests that are posted together or not at all, in their order.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewGroup)]
#[serde(deny_unknown_fields)]
pub(in crate::resources) struct GroupBody {
    /// 1 to 1,000 steps.
    #[schema(value_type = Vec<StepBody>, min_items = 1, max_items = 1000)]
    steps: Vec<Object<StepBody>>,
    /// The conditions, each of which must hold after its step.
    #[serde(default)]
    #[schema(value_type = Vec<ConditionBody>)]
    conditions: Vec<Object<ConditionBody>>,
    /// The description of the steps without one of their own.
    #[serde(default)]
    description: String,
    /// The time from which the group is rejected.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(format = Date)]
    value_date: Option<String>,
}

/// One step of a group: one member with the name of its kind.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewStep)]
#[serde(deny_unknown_fields)]
struct StepBody {
    #[schema(value_type = Option<TransferBody>)]
    transfer: Option<Object<TransferBody>>,
    #[schema(value_type = Option<PostingBody>)]
    posting: Option<Object<PostingBody>>,
    #[schema(value_type = Option<JournalLineBody>)]
    journal_line: Option<Object<JournalLineBody>>,
    #[schema(value_type = Option<ReversalOfTransfer>)]
    reversal: Option<Object<ReversalOfTransfer>>,
    #[schema(value_type = Option<HoldBody>)]
    hold: Option<Object<HoldBody>>,
    #[schema(value_type = Option<CaptureStep>)]
    capture: Option<Object<CaptureStep>>,
    #[schema(value_type = Option<ReleaseStep>)]
    release: Option<Object<ReleaseStep>>,
}

const KINDS: &str = "transfer, posting, journal_line, reversal, hold, capture and release";

impl StepBody {
    fn step(self) -> Result<Step, Problem> {
        let kinds = [
            kind(self.transfer, Step::Transfer),
            kind(self.posting, Step::Posting),
            kind(self.journal_line, Step::JournalLine),
            kind(self.reversal, Step::Reversal),
            kind(self.hold, Step::Hold),
            kind(self.capture, Step::Capture),
            kind(self.release, Step::Release),
        ];
        only(kinds, KINDS)
    }
}

impl Prepare for GroupBody {
    /// Prepares the group. The outcome of a condition tells the balance of its account, so the caller
    /// has to be bound to that account.
    async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let steps = self.steps.len();
        if steps == 0 || steps > GroupRequest::STEPS_MAX {
            return Err(Rejection::GroupSize { steps }.into());
        }
        let mut group = GroupRequest::new().with_description(self.description);
        group.expires_at = time(self.expires_at.as_deref(), "expires_at")?;
        group.attributes = attributes(self.metadata.as_deref(), self.value_date.as_deref())?;
        let conditions = conditions::read(self.conditions, steps)?;
        let mut conditions = conditions.into_iter().peekable();
        let mut all = Prepared::group(group);
        for (index, Object(step)) in self.steps.into_iter().enumerate() {
            let at_step = |problem: Problem| problem.within(&format!("steps[{index}]"));
            let step = step.step().map_err(at_step)?;
            let unknown = step.unknown();
            let prepared = step.prepare(call).await;
            all.add(prepared.map_err(|problem| match unknown {
                // As the ledger rejects such a step.
                Some(reason) if problem.status_code() == StatusCode::NOT_FOUND => {
                    let reason = Box::new(reason);
                    Rejection::GroupStep {
                        step: index,
                        reason,
                    }
                    .into()
                }
                _ => at_step(problem),
            })?);
            while let Some((_, condition)) = conditions.next_if(|(after, _)| *after == index) {
                all.add_condition(condition);
            }
        }
        Ok(all.ready())
    }
}

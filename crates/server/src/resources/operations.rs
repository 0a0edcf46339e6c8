//! The kinds of requests that groups and batches have.

use super::exchanges::ExchangeBody;
use super::groups::{CaptureStep, GroupBody, ReleaseStep};
use super::holds::{CaptureOfHold, HoldBody, ReleaseOfHold};
use super::journal::JournalLineBody;
use super::members::Object;
use super::movement::{Call, Prepare as _, Prepared};
use super::postings::PostingBody;
use super::reversals::ReversalOfTransfer;
use super::transfers::TransferBody;
use crate::problem::Problem;
use neobank_domain::Rejection;

/// A request of a kind that can be a step of a group.
#[derive(Debug)]
pub(super) enum Step {
    Transfer(TransferBody),
    Posting(PostingBody),
    JournalLine(JournalLineBody),
    Reversal(ReversalOfTransfer),
    Hold(HoldBody),
    Capture(CaptureStep),
    Release(ReleaseStep),
}

/// A request of a kind that a batch can have.
#[derive(Debug)]
pub(super) enum Operation {
    Transfer(TransferBody),
    Posting(PostingBody),
    Reversal(ReversalOfTransfer),
    Hold(HoldBody),
    Capture(CaptureOfHold),
    Release(ReleaseOfHold),
    Group(GroupBody),
    Exchange(ExchangeBody),
}

impl Step {
    /// Returns the rejection of a transfer or a hold that the caller may not use or that does not
    /// exist.
    pub(super) fn unknown(&self) -> Option<Rejection> {
        match self {
            Self::Reversal(body) => Some(body.unknown()),
            Self::Capture(body) => body.unknown(),
            Self::Release(body) => body.unknown(),
            _ => None,
        }
    }

    pub(super) async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let (kind, prepared) = match self {
            Self::Transfer(body) => ("transfer", body.prepare(call).await),
            Self::Posting(body) => ("posting", body.prepare(call).await),
            Self::JournalLine(body) => ("journal_line", body.prepare(call).await),
            Self::Reversal(body) => ("reversal", body.prepare(call).await),
            Self::Hold(body) => ("hold", body.prepare(call).await),
            Self::Capture(body) => ("capture", body.prepare(call).await),
            Self::Release(body) => ("release", body.prepare(call).await),
        };
        prepared.map_err(|problem| problem.within(kind))
    }
}

impl Operation {
    pub(super) async fn prepare(self, call: Call<'_>) -> Result<Prepared, Problem> {
        let (kind, prepared) = match self {
            Self::Transfer(body) => ("transfer", body.prepare(call).await),
            Self::Posting(body) => ("posting", body.prepare(call).await),
            Self::Reversal(body) => ("reversal", body.prepare(call).await),
            Self::Hold(body) => ("hold", body.prepare(call).await),
            Self::Capture(body) => ("capture", body.prepare(call).await),
            Self::Release(body) => ("release", body.prepare(call).await),
            Self::Group(body) => ("group", body.prepare(call).await),
            Self::Exchange(body) => ("exchange", body.prepare(call).await),
        };
        prepared.map_err(|problem| problem.within(kind))
    }
}

/// Returns the only one of the members of which a body has exactly one.
pub(super) fn only<T, const COUNT: usize>(
    members: [Option<T>; COUNT],
    names: &str,
) -> Result<T, Problem> {
    let mut given = members.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        _ => {
            let detail = format!("Exactly one of these members is needed: {names}.");
            Err(Problem::invalid("body", detail))
        }
    }
}

/// Returns a member that is an object as a kind.
pub(super) fn kind<B, K>(member: Option<Object<B>>, kind: impl FnOnce(B) -> K) -> Option<K> {
    member.map(|Object(body)| kind(body))
}

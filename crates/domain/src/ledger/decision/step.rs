//! A request at its place: single, or a step of a group.

use super::{IdentifiedRequest, Identifiers};
use crate::ledger::actor::Actor;
use crate::ledger::request::{GroupRequest, Request};
use crate::{GroupId, HoldId};

/// A single request, or a step of a group.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) request: &'a Request,
    pub(super) identifiers: Identifiers,
    pub(super) actor: Option<&'a Actor>,
    /// The group of a step.
    pub(super) group: Option<GroupId>,
    /// The identifiers of the group, and the steps before this one.
    of_group: Identifiers,
    earlier: &'a [Request],
}

impl<'a> Step<'a> {
    /// Returns a request that is not a group.
    pub(super) const fn single(identified: &IdentifiedRequest<'a>) -> Self {
        Self {
            request: identified.request,
            identifiers: identified.identifiers,
            actor: identified.actor,
            group: None,
            of_group: identified.identifiers,
            earlier: &[],
        }
    }

    /// Returns the steps of a group in their order, each with its index.
    pub(super) fn all(
        identified: &IdentifiedRequest<'a>,
        group: &'a GroupRequest,
    ) -> impl Iterator<Item = (usize, Self)> {
        let (of_group, actor) = (identified.identifiers, identified.actor);
        let steps = (0_u16..).zip(&group.steps).enumerate();
        steps.map(move |(index, (number, request))| {
            let step = Self {
                request,
                identifiers: of_group.of_step(number),
                actor,
                group: Some(of_group.group_id()),
                of_group,
                earlier: group.steps.get(..index).unwrap_or_default(),
            };
            (index, step)
        })
    }

    /// Returns the hold that an earlier step of the group has made.
    pub(super) fn hold_at(&self, index: usize) -> Option<HoldId> {
        let Some(Request::Hold(_)) = self.earlier.get(index) else {
            return None;
        };
        let number = u16::try_from(index).ok()?;
        Some(self.of_group.of_step(number).hold_id())
    }
}

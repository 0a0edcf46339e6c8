//! The reversal of a group: the steps that undo the group's steps, in the opposite order.

use neobank_db::{Executor, Statement};
use neobank_entity::banking::hold_events::{self, Column};
use neobank_entity::enums::HoldEventType;
use sea_query::{Expr, ExprTrait};

use super::error::LedgerError;
use super::originals;
use super::rejection::Rejection;
use super::request::{ReleaseRequest, Request, ReversalRequest};
use crate::{GroupId, HoldEventId, HoldId, TransferId};

/// Returns the steps that undo a group, in the opposite order: the reversal of each transfer, and
/// the release of what remains of each hold that the group has made. They depend on nothing that
/// can change, so that a repeated reversal is the same request.
///
/// # Errors
///
/// [`Rejection::ReleasedByGroup`] for a group that has released another hold than its own.
pub(super) async fn steps(on: &impl Executor, group: GroupId) -> Result<Vec<Request>, LedgerError> {
    let transfers = originals::of_group(on, group).await?;
    let reversals = transfers
        .into_iter()
        .map(|transfer| (transfer, ReversalRequest::new(transfer).into()));
    let mut steps: Vec<(TransferId, Request)> = reversals.collect();
    for (step, hold) in released(on, group).await? {
        steps.push((step, ReleaseRequest::new(hold).if_open().into()));
    }
    steps.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

/// Returns the holds that a group has made, each with the identifier of its step.
async fn released(
    on: &impl Executor,
    group: GroupId,
) -> Result<Vec<(TransferId, HoldId)>, LedgerError> {
    let rows: Vec<hold_events::Model> = on.fetch_many(changes(group)).await?;
    let mut made = Vec::new();
    for row in rows {
        let hold = HoldId::from(row.hold_id);
        if row.event_type == HoldEventType::Authorised {
            made.push((TransferId::from(row.hold_id), hold));
        } else if TransferId::from(row.hold_id).group() != group {
            return Err(Rejection::ReleasedByGroup { hold }.into());
        }
    }
    Ok(made)
}

fn changes(group: GroupId) -> Statement {
    let [first, last] = [0, u16::MAX].map(|step| HoldEventId::of_group_step(group, step).as_uuid());
    let mut query = hold_events::Entity::select();
    query.and_where(Expr::col((hold_events::Entity, Column::EventId)).between(first, last));
    Statement::from_query(&query)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn query_matches_its_snapshot() {
        let statement = changes(Uuid::nil().into());
        insta::assert_snapshot!("changes_of_group", statement.sql);
    }
}

//! The JSON of groups.

use neobank_domain::GroupId;
use neobank_domain::ledger::{GroupReceipt, Hold, StepReceipt};
use neobank_domain::transfers::Transfer;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TransferView;
use super::holds::{HoldChangeView, HoldView};
use crate::access::Visible;

/// The result of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupResult)]
pub(crate) struct GroupView {
    pub(crate) group_id: Uuid,
    idempotency_key: String,
    /// One transfer or change of a hold for each step; `null` for a step that was allowed to change
    /// nothing and did.
    steps: Vec<Option<StepView>>,
}

/// The result of a step of a group: a transfer, or the change of a hold that moves no money.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupStepResult)]
#[serde(untagged)]
#[allow(
    clippy::large_enum_variant,
    reason = "most steps are transfers, which need no allocation of their own"
)]
enum StepView {
    Transfer(TransferView),
    Hold(HoldChangeView),
}

/// A posted group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(crate) struct PostedGroupView {
    group_id: Uuid,
    /// The transfers, in the order of their steps, without those of other accounts.
    transfers: Vec<TransferView>,
    /// The holds that the group has made, in the order of their steps, without those of other
    /// accounts.
    holds: Vec<HoldView>,
    /// The holds that the group has released and not made, without those of other accounts.
    released: Vec<HoldView>,
}

impl GroupView {
    pub(crate) fn new(receipt: &GroupReceipt, key: String, visible: &Visible) -> Self {
        let group_id = receipt.group_id.as_uuid();
        let steps = receipt.steps.iter().map(|step| match step.as_ref()? {
            StepReceipt::Transfer(receipt) => {
                let mut view = TransferView::from(receipt);
                view.group_id = Some(group_id);
                view.hide(visible);
                Some(StepView::Transfer(view))
            }
            StepReceipt::Hold(receipt) => {
                Some(StepView::Hold(HoldChangeView::new(receipt, None, visible)))
            }
            _ => None,
        });
        Self {
            group_id,
            idempotency_key: key,
            steps: steps.collect(),
        }
    }
}

impl PostedGroupView {
    pub(crate) fn new(
        group: GroupId,
        transfers: impl IntoIterator<Item = Transfer>,
        (made, released): (Vec<Hold>, Vec<Hold>),
        visible: &Visible,
    ) -> Self {
        let transfers = transfers.into_iter().map(TransferView::from);
        let transfers = transfers.filter_map(|mut view| {
            let sides = [view.debit.account_id, view.credit.account_id];
            let is_visible = sides.into_iter().any(|account| visible.has(account));
            view.hide(visible);
            is_visible.then_some(view)
        });
        let views = |holds: Vec<Hold>| {
            let holds = holds.into_iter().filter(|hold| {
                visible.has(hold.account_id) || hold.to_account_id.is_some_and(|to| visible.has(to))
            });
            holds.map(|hold| HoldView::new(hold, visible)).collect()
        };
        Self {
            group_id: group.as_uuid(),
            transfers: transfers.collect(),
            holds: views(made),
            released: views(released),
        }
    }
}

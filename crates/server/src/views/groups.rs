//! The JSON of groups.

use neobank_domain::ledger::GroupReceipt;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TransferView;
use crate::access::Visible;

/// A posted group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(crate) struct GroupView {
    pub(crate) group_id: Uuid,
    idempotency_key: String,
    /// One transfer for each step; `null` for a step that was allowed to move nothing and did.
    pub(crate) steps: Vec<Option<TransferView>>,
}

impl GroupView {
    pub(crate) fn new(receipt: &GroupReceipt, key: String, visible: &Visible) -> Self {
        let group_id = receipt.group_id.as_uuid();
        let steps = receipt.steps.iter().map(|step| {
            let mut view = TransferView::from(step.as_ref()?);
            view.group_id = Some(group_id);
            view.hide(visible);
            Some(view)
        });
        Self {
            group_id,
            idempotency_key: key,
            steps: steps.collect(),
        }
    }
}

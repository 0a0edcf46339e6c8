//! The message of an event.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use neobank_domain::events::{Event, EventRecord};
use neobank_domain::webhooks::WebhookEventType;
use serde::Serialize;

use crate::resources::EventView;

/// The message of an event: the same in every attempt.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The identifier, by which a receiver knows a message that comes again.
    pub(super) id: String,
    pub(super) body: Bytes,
}

#[derive(Serialize)]
struct Body {
    #[serde(rename = "type")]
    event_type: &'static str,
    timestamp: String,
    data: EventView,
}

impl Message {
    /// Returns the message of an event. Its identifier is that of the record, and not of the
    /// position, which a bank that was restored to an earlier time gives to another record.
    pub(super) fn of(event: Event) -> serde_json::Result<Self> {
        let event_type = WebhookEventType::of(&event.record);
        let (id, time) = match &event.record {
            EventRecord::Transfer(transfer) => {
                (transfer.transfer_id.to_string(), transfer.posted_at)
            }
            EventRecord::HoldEvent(change) => (change.event_id.to_string(), change.occurred_at),
            _ => (event.position.to_string(), DateTime::<Utc>::UNIX_EPOCH),
        };
        let body = Body {
            event_type: event_type.map_or("other", WebhookEventType::as_str),
            timestamp: time.to_rfc3339_opts(SecondsFormat::Micros, true),
            data: EventView::from(event),
        };
        Ok(Self {
            id: format!("msg_{id}"),
            body: serde_json::to_vec(&body)?.into(),
        })
    }
}

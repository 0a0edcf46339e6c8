//! Webhooks: the sealed order, sent to other programs one event after the other.
//!
//! `supervisor` finds the webhooks and takes a lease for each, `delivery` sends the events of one,
//! `attempt` makes one attempt, and `destination` decides which addresses it may reach. `signature`
//! has the headers of Standard Webhooks.

mod address_rule;
mod attempt;
mod backoff;
mod connection;
mod counts;
mod delivery;
mod destination;
mod lease;
mod message;
mod options;
mod secret;
mod signature;
mod supervisor;

pub(crate) use counts::WebhookCounts;
pub use destination::{WebhookUrl, WebhookUrlError};
pub use options::WebhookOptions;
pub use secret::{generate_webhook_secret, reveal_webhook_secret};
pub(crate) use supervisor::supervise;

use std::time::Duration;

/// The way in which the service sends the events of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookOptions {
    /// True if webhooks may reach private addresses: those of this machine (loopback), of private
    /// networks and of carrier-grade NAT. Without encryption (`http`) they reach no others.
    /// Link-local addresses, where clouds keep their machines' credentials, are never reached.
    pub private_addresses: bool,
    /// The longest time of an attempt: name, connection, handshake, request, and the answer's status.
    pub attempt_timeout: Duration,
    /// The pause after the first failed attempt. Each further pause is twice as long, and a random
    /// part of up to a half is taken off.
    pub first_pause: Duration,
    /// The longest pause between two attempts.
    pub longest_pause: Duration,
    /// The longest time after which another server goes on with the webhooks of one that was killed.
    /// A server renews its lease when half of it is over, also during an attempt. A shorter lease
    /// costs more renewals, and is lost while the database is away for a moment.
    pub lease_time: Duration,
    /// The pause between two looks at the webhooks and at the end of the sealed order.
    pub poll_interval: Duration,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            private_addresses: false,
            attempt_timeout: Duration::from_secs(15),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
            lease_time: Duration::from_secs(10),
            poll_interval: Duration::from_millis(500),
        }
    }
}

impl WebhookOptions {
    /// The part of a lease at whose beginning a server renews it.
    pub(crate) fn renewal_time(&self) -> Duration {
        self.lease_time / 2
    }

    /// The part of a lease that is left when an attempt ends: time to store what became of it.
    pub(crate) fn lease_margin(&self) -> Duration {
        self.lease_time / 5
    }

    /// The pause between two tries to take a webhook that another server has.
    pub(crate) fn lease_pause(&self) -> Duration {
        self.lease_time / 8
    }
}

//! The secret of a webhook.

use std::fmt;

use super::WebhookError;

/// The key that signs a webhook's messages: 24 to 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

/// Debug output omits the secret.
impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Returns the secret of these bytes.
    ///
    /// # Errors
    ///
    /// [`WebhookError::Secret`] for fewer than 24 bytes or more than 64.
    pub fn new(bytes: Vec<u8>) -> Result<Self, WebhookError> {
        match bytes.len() {
            24..=64 => Ok(Self(bytes)),
            _ => Err(WebhookError::Secret),
        }
    }

    /// Returns the key of HMAC-SHA-256.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

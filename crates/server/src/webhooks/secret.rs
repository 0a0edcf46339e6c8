//! The text of a secret: `whsec_` and the base64 of its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neobank_domain::webhooks::WebhookSecret;

const PREFIX: &str = "whsec_";
const BYTES: usize = 32;

/// Makes the secret of a webhook: 256 bits of the system's random numbers.
///
/// # Errors
///
/// The system's error if it has no random numbers.
pub fn generate_webhook_secret() -> std::io::Result<WebhookSecret> {
    let mut random = vec![0_u8; BYTES];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    WebhookSecret::new(random).map_err(std::io::Error::other)
}

/// Returns the text of a secret, for the receiver of the messages.
#[must_use]
pub fn reveal_webhook_secret(secret: &WebhookSecret) -> String {
    format!("{PREFIX}{}", STANDARD.encode(secret.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_the_prefix_and_debug_output_hides_the_secret() {
        let secret = generate_webhook_secret().unwrap();
        let text = reveal_webhook_secret(&secret);
        let encoded = text.strip_prefix("whsec_").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), secret.bytes());
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
        assert_ne!(secret, generate_webhook_secret().unwrap());
    }
}

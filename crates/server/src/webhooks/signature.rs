//! The headers of Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use neobank_domain::webhooks::WebhookSecret;
use sha2::Sha256;

/// Returns the signatures of a message, one for each secret, with a space between them.
pub(super) fn sign(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures = secrets
        .iter()
        .filter_map(|secret| one(secret, id, timestamp, body));
    signatures.collect::<Vec<_>>().join(" ")
}

fn one(secret: &WebhookSecret, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    // HMAC takes keys of any length.
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.bytes()).ok()?;
    hmac.update(format!("{id}.{timestamp}.").as_bytes());
    hmac.update(body);
    let signature = STANDARD.encode(hmac.finalize().into_bytes());
    Some(format!("v1,{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification and its libraries.
    #[test]
    fn signature_is_that_of_the_specification() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = WebhookSecret::new(secret).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(std::slice::from_ref(&secret), id, 1_614_265_330, body);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature, expected);
        let both = sign(&[secret.clone(), secret], id, 1_614_265_330, body);
        assert_eq!(both, format!("{expected} {expected}"));
    }
}

//! The address of a webhook.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::http::Uri;
use thiserror::Error;

use super::address_rule::{Reach, reach};
use super::options::WebhookOptions;

/// The address of a webhook: `https`, a host, an optional port and a path.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    text: String,
    uri: Uri,
    host: String,
    port: u16,
    encrypts: bool,
}

/// The defect of an address. The error does not repeat the address, which may have a token.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookUrlError {
    /// The text is no address.
    #[error("it is not an address such as https://shop.example/events")]
    Malformed,
    /// The scheme is another one than `https`.
    #[error("it must begin with https://")]
    Scheme,
    /// The address names a user or a password.
    #[error("it must have no user name and no password")]
    Credentials,
    /// The address has a fragment, which no request sends.
    #[error("it must have no part behind a #")]
    Fragment,
    /// The host is an address that the service does not reach.
    #[error("its host is a private or reserved address, which the service does not reach")]
    Address,
}

/// The most characters of an address.
const LENGTH_MAX: usize = 2_000;

/// Debug output omits the path, which may have a token.
impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebhookUrl({}:{})", self.host, self.port)
    }
}

impl WebhookUrl {
    /// Reads an address that a service with these options may reach. The addresses of a name are
    /// checked when the service connects.
    ///
    /// # Errors
    ///
    /// [`WebhookUrlError`] has the defect.
    pub fn parse(text: &str, options: &WebhookOptions) -> Result<Self, WebhookUrlError> {
        if text.len() > LENGTH_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WebhookUrlError::Malformed);
        }
        if text.contains('#') {
            return Err(WebhookUrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| WebhookUrlError::Malformed)?;
        let encrypts = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if options.private_addresses => false,
            _ => return Err(WebhookUrlError::Scheme),
        };
        let authority = uri.authority().ok_or(WebhookUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(WebhookUrlError::Credentials);
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let names_a_port = authority.as_str() != authority.host();
        let port = match authority.port_u16() {
            Some(0) => return Err(WebhookUrlError::Malformed),
            Some(port) => port,
            None if names_a_port => return Err(WebhookUrlError::Malformed),
            None if encrypts => 443,
            None => 80,
        };
        if host.is_empty() {
            return Err(WebhookUrlError::Malformed);
        }
        let url = Self {
            text: text.to_owned(),
            host: host.to_owned(),
            port,
            encrypts,
            uri,
        };
        match url.host.parse() {
            Ok(address) if !url.may_reach(address, options) => Err(WebhookUrlError::Address),
            _ => Ok(url),
        }
    }

    /// Returns the text of the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn encrypts(&self) -> bool {
        self.encrypts
    }

    /// The value of the header `Host`.
    pub(super) fn authority(&self) -> &str {
        self.uri
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    /// The target of a request. Without a path in the address it begins with `/` too.
    pub(super) fn path_and_query(&self) -> String {
        let target = self.uri.path_and_query().map_or("", |path| path.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        format!("{slash}{target}")
    }

    /// Resolves the host, and returns those of its addresses that the service may reach.
    pub(super) async fn resolve(
        &self,
        options: &WebhookOptions,
    ) -> Result<Vec<SocketAddr>, &'static str> {
        let found = tokio::net::lookup_host((self.host(), self.port)).await;
        let found = found.map_err(|_| "the host's name was not resolved")?;
        let mut reached: Vec<_> = found
            .filter(|address| self.may_reach(address.ip(), options))
            .collect();
        reached.truncate(ADDRESSES_MAX);
        if reached.is_empty() {
            return Err("the host has no address that webhooks may reach");
        }
        Ok(reached)
    }

    fn may_reach(&self, address: IpAddr, options: &WebhookOptions) -> bool {
        match reach(address) {
            Reach::Public => self.encrypts,
            Reach::Private => options.private_addresses,
            Reach::Never => false,
        }
    }
}

/// The most addresses of a host that an attempt tries.
const ADDRESSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn options(private_addresses: bool) -> WebhookOptions {
        WebhookOptions {
            private_addresses,
            ..WebhookOptions::default()
        }
    }

    #[test]
    fn addresses_of_the_internet_are_taken() {
        for (text, host, port, path) in [
            ("https://shop.example", "shop.example", 443, "/"),
            (
                "https://shop.example:8443/a?b=c",
                "shop.example",
                8443,
                "/a?b=c",
            ),
            ("https://1.1.1.1/a", "1.1.1.1", 443, "/a"),
            ("https://1.1.1.1?a=1", "1.1.1.1", 443, "/?a=1"),
            (
                "https://[2606:4700::1111]:444/",
                "2606:4700::1111",
                444,
                "/",
            ),
        ] {
            let url = WebhookUrl::parse(text, &options(false)).unwrap();
            assert_eq!((url.host(), url.port), (host, port), "{text}");
            assert_eq!(url.path_and_query(), path, "{text}");
            assert!(url.encrypts());
        }
    }

    #[test]
    fn other_texts_are_rejected_with_their_defect() {
        use WebhookUrlError::{Address, Credentials, Fragment, Malformed, Scheme};
        for (text, defect) in [
            ("", Malformed),
            ("shop.example", Scheme),
            ("/events", Scheme),
            ("https://", Malformed),
            ("https:///events", Malformed),
            ("https://shop.example:/", Malformed),
            ("https://shop.example:0/", Malformed),
            ("https://shop.example:99999/", Malformed),
            ("https://shop.example/a b", Malformed),
            ("https://münchen.example/", Malformed),
            ("https://shop.example/\r\nx: y", Malformed),
            ("http://shop.example/", Scheme),
            ("ftp://shop.example/", Scheme),
            ("file:///etc/passwd", Malformed),
            ("https://user@shop.example/", Credentials),
            ("https://user:password@shop.example/", Credentials),
            ("https://@shop.example/", Credentials),
            ("https://shop.example/#part", Fragment),
            ("https://127.0.0.1/", Address),
            ("https://10.0.0.1/", Address),
            ("https://[::1]/", Address),
            ("https://[::ffff:127.0.0.1]/", Address),
            ("https://[::ffff:7f00:1]/", Address),
            ("https://169.254.169.254/latest", Address),
        ] {
            let found = WebhookUrl::parse(text, &options(false));
            let found = found.map(|url| url.text);
            // The scheme of a text without a host is not looked at.
            let is_expected = found == Err(defect) || (text.starts_with("file") && found.is_err());
            assert!(is_expected, "{text}: {found:?}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(2_000));
        assert!(WebhookUrl::parse(&long, &options(false)).is_err());
    }

    #[test]
    fn private_addresses_need_the_option_and_http_reaches_no_others() {
        for text in ["http://127.0.0.1:80/", "https://10.0.0.1/", "http://[::1]/"] {
            assert!(WebhookUrl::parse(text, &options(true)).is_ok(), "{text}");
        }
        for text in [
            "http://1.1.1.1/",
            "https://169.254.169.254/",
            "http://0.0.0.0/",
        ] {
            let found = WebhookUrl::parse(text, &options(true));
            assert_eq!(found, Err(WebhookUrlError::Address), "{text}");
        }
    }

    #[tokio::test]
    async fn names_are_checked_by_their_resolved_addresses() {
        for text in [
            "https://localhost/",
            "https://127.1/",
            "https://2130706433/",
        ] {
            let url = WebhookUrl::parse(text, &options(false)).unwrap();
            assert!(url.resolve(&options(false)).await.is_err(), "{text}");
        }
        let url = WebhookUrl::parse("http://localhost/", &options(true)).unwrap();
        assert!(!url.resolve(&options(true)).await.unwrap().is_empty());
    }
}

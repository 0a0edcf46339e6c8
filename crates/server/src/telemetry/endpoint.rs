//! The addresses to which traces and metrics are sent.

use std::fmt;

use axum::http::Uri;
use neobank_domain::shortened;

use super::TelemetryError;

/// The address of the receiver of both.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
/// The protocol of the service.
const HTTP_PROTOBUF: &str = "http/protobuf";
/// True to export nothing.
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// The addresses of traces and metrics; at least one of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) traces: Option<String>,
    pub(super) metrics: Option<String>,
}

impl fmt::Display for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.traces, &self.metrics) {
            (Some(traces), Some(metrics)) => {
                write!(formatter, "traces to {traces} and metrics to {metrics}")
            }
            (Some(traces), None) => write!(formatter, "traces to {traces}"),
            (None, metrics) => {
                let metrics = metrics.as_deref().unwrap_or_default();
                write!(formatter, "metrics to {metrics}")
            }
        }
    }
}

impl Endpoints {
    /// Returns the addresses of the service's option, or else of the environment.
    pub(super) fn find(option: Option<&str>) -> Result<Option<Self>, TelemetryError> {
        Self::of(option, |name| std::env::var(name).ok())
    }

    fn of(
        option: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TelemetryError> {
        // An empty variable counts as one that is not set.
        let variable = |name| variable(name).filter(|text| !text.is_empty());
        if variable(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let base = option.map(str::to_owned).or_else(|| variable(ENDPOINT));
        let address = |own: Option<String>, path: &str| match (option, own, &base) {
            (None, Some(own), _) => validated(own).map(Some),
            (_, _, Some(base)) => {
                let base = base.trim_end_matches('/');
                validated(format!("{base}/{path}")).map(Some)
            }
            _ => Ok(None),
        };
        let traces = address(variable(TRACES_ENDPOINT), "v1/traces")?;
        let metrics = address(variable(METRICS_ENDPOINT), "v1/metrics")?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        match variable(PROTOCOL) {
            Some(text) if text != HTTP_PROTOBUF => Err(TelemetryError::Protocol {
                text: shortened(&text),
            }),
            _ => Ok(Some(Self { traces, metrics })),
        }
    }
}

fn validated(text: String) -> Result<String, TelemetryError> {
    let uri: Option<Uri> = text.parse().ok();
    let is_right = uri.is_some_and(|uri| {
        let authority = uri.authority().map(|whole| whole.as_str());
        matches!(uri.scheme_str(), Some("http" | "https"))
            && authority.is_some_and(|whole| !whole.contains('@') && !whole.starts_with(':'))
            && uri.query().is_none()
    });
    if is_right {
        return Ok(text);
    }
    // What stands before an @ may be a password.
    let shown = text.rsplit('@').next().unwrap_or_default();
    Err(TelemetryError::Address {
        text: shortened(shown),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(option: Option<&str>, set: &[(&str, &str)]) -> Result<Option<Endpoints>, String> {
        let variable = |name: &str| {
            let mut set = set.iter();
            let found = set.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Endpoints::of(option, variable).map_err(|error| error.to_string())
    }

    fn both(traces: Option<&str>, metrics: Option<&str>) -> Result<Option<Endpoints>, String> {
        Ok(Some(Endpoints {
            traces: traces.map(str::to_owned),
            metrics: metrics.map(str::to_owned),
        }))
    }

    #[test]
    fn option_precedes_the_environment() {
        let ours = both(Some("http://a:1/v1/traces"), Some("http://a:1/v1/metrics"));
        let set = [(ENDPOINT, "http://b:1"), (TRACES_ENDPOINT, "http://c:1/x")];
        assert_eq!(found(Some("http://a:1/"), &set), ours);
        assert_eq!(found(Some("http://a:1"), &[]), ours);
    }

    #[test]
    fn environment_has_one_address_for_both_or_one_for_each() {
        assert_eq!(
            found(None, &[(ENDPOINT, ""), ("X", "http://a:1")]),
            Ok(None)
        );
        let set = [(ENDPOINT, "http://b:1"), (TRACES_ENDPOINT, "http://c:1/x")];
        let expected = both(Some("http://c:1/x"), Some("http://b:1/v1/metrics"));
        assert_eq!(found(None, &set), expected);
        assert_eq!(found(None, &set[1..]), both(Some("http://c:1/x"), None));
        let off = [(ENDPOINT, "http://b:1"), (DISABLED, "true")];
        assert_eq!(found(None, &off), Ok(None));
    }

    #[test]
    fn wrong_address_or_protocol_is_an_error_without_the_password() {
        for wrong in [
            "",
            "collector:4318",
            "ftp://a",
            "http://",
            "http://u:secret@a:1",
            "http://a?b",
        ] {
            let error = found(Some(wrong), &[]).unwrap_err();
            assert!(error.contains("is no address"), "{wrong}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let set = [(ENDPOINT, "http://b:1"), (PROTOCOL, "grpc")];
        assert!(found(None, &set).unwrap_err().contains("\"grpc\""));
    }
}

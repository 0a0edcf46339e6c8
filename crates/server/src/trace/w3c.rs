//! The headers of W3C Trace Context (levels 1 and 2).

use axum::http::HeaderMap;

/// The header with the caller's trace and span.
const TRACEPARENT: &str = "traceparent";
/// The header with the values of tracing systems.
#[cfg(any(feature = "otlp", test))]
const TRACESTATE: &str = "tracestate";

/// The most members of `tracestate`.
#[cfg(any(feature = "otlp", test))]
const MEMBERS_MAX: usize = 32;

/// The trace and the span of the caller, as a valid `traceparent` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "otlp"),
    allow(dead_code, reason = "the log has the trace's identifier alone")
)]
pub(crate) struct TraceParent {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    /// True if the caller records its part of the trace.
    pub(crate) is_sampled: bool,
}

/// Returns the caller's trace and span. A header that is missing, twice there or invalid counts as
/// none, so that a new trace begins.
pub(crate) fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    parse(value.to_str().ok()?)
}

/// Returns the members of `tracestate`, or none if one is invalid.
#[cfg(any(feature = "otlp", test))]
pub(crate) fn state(headers: &HeaderMap) -> Vec<(String, String)> {
    let values = headers.get_all(TRACESTATE).iter();
    let values: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
    let members = values.and_then(|values| members(&values));
    members.unwrap_or_default()
}

/// Parses the parts of version 00, and the same parts of later versions, which may have further ones
/// behind them.
fn parse(text: &str) -> Option<TraceParent> {
    let (version, rest) = text.split_at_checked(2)?;
    let version = hexadecimal(version, 2)?;
    let (known, further) = rest.split_at_checked(53)?;
    let is_complete = further.is_empty() || (version > 0 && further.starts_with('-'));
    if version == 0xff || !is_complete {
        return None;
    }
    let mut parts = known.strip_prefix('-')?.split('-');
    let trace_id = hexadecimal(parts.next()?, 32)?;
    let span_id = hexadecimal(parts.next()?, 16)?;
    let flags = hexadecimal(parts.next()?, 2)?;
    if parts.next().is_some() || trace_id == 0 || span_id == 0 {
        return None;
    }
    Some(TraceParent {
        trace_id,
        span_id: u64::try_from(span_id).ok()?,
        is_sampled: flags & 1 == 1,
    })
}

/// Returns the number of exactly so many digits, in which letters are small.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = text.len() == digits && text.bytes().all(is_digit);
    let number = is_number.then(|| u128::from_str_radix(text, 16));
    number?.ok()
}

/// Parses the members of all headers, in their order.
#[cfg(any(feature = "otlp", test))]
fn members(values: &[&str]) -> Option<Vec<(String, String)>> {
    let mut members: Vec<(String, String)> = Vec::new();
    for member in values.iter().flat_map(|value| value.split(',')) {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let is_known = members.iter().any(|(known, _)| known == key);
        if !is_key(key) || !is_value(value) || is_known || members.len() == MEMBERS_MAX {
            return None;
        }
        members.push((key.to_owned(), value.to_owned()));
    }
    Some(members)
}

/// Returns true for a key of a system, or of a tenant of a system (`tenant@system`).
#[cfg(any(feature = "otlp", test))]
fn is_key(text: &str) -> bool {
    let is_rest =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
    let is_name = |text: &str, length_max: usize| {
        let bytes = text.as_bytes();
        let begins = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        bytes.len() <= length_max
            && bytes.first().is_some_and(begins)
            && bytes.iter().all(|byte| is_rest(*byte))
    };
    match text.split_once('@') {
        Some((tenant, system)) => is_name(tenant, 241) && is_name(system, 14),
        None => is_name(text, 256),
    }
}

#[cfg(any(feature = "otlp", test))]
fn is_value(text: &str) -> bool {
    let is_allowed = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'=';
    (1..=256).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn trace(values: &[&str]) -> Option<TraceParent> {
        parent(&headers(TRACEPARENT, values))
    }

    #[test]
    fn valid_parent_is_read() {
        let parent = trace(&[VALID]).unwrap();
        assert_eq!(parent.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(parent.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(parent.is_sampled);
        let flags = |flags: &str| trace(&[&VALID.replace("-01", flags)]).unwrap();
        assert!(!flags("-00").is_sampled);
        assert!(!flags("-02").is_sampled);
        assert!(flags("-ff").is_sampled);
    }

    #[test]
    fn later_version_may_have_more_parts() {
        let later = VALID.replacen("00", "cc", 1);
        assert_eq!(trace(&[&later]), trace(&[VALID]));
        assert_eq!(trace(&[&format!("{later}-what-follows")]), trace(&[VALID]));
        assert_eq!(trace(&[&format!("{later}.what")]), None);
        assert_eq!(trace(&[&format!("{later}0")]), None);
    }

    #[test]
    fn invalid_parent_counts_as_none() {
        let wrong = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "é0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for text in wrong {
            assert_eq!(trace(&[text]), None, "{text}");
        }
        assert_eq!(trace(&[]), None);
        assert_eq!(trace(&[VALID, VALID]), None);
    }

    #[test]
    fn valid_state_keeps_its_order_across_headers() {
        let state = state(&headers(TRACESTATE, &["b=2 3,", "\t1t@sys=x , a*/_-=~!"]));
        let text: Vec<_> = state.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(text, ["b=2 3", "1t@sys=x", "a*/_-=~!"]);
    }

    #[test]
    fn invalid_state_counts_as_none() {
        let many: Vec<_> = (0..33).map(|number| format!("k{number}=1")).collect();
        let long = format!("a={}", "x".repeat(257));
        for text in [
            "a=1,a=2",
            "A=1",
            "a",
            "a=",
            "=1",
            "a=b=c",
            "a@b@c=1",
            "@b=1",
            "é=1",
            "a=é",
            &long,
            &many.join(","),
        ] {
            assert_eq!(state(&headers(TRACESTATE, &[text])), [], "{text}");
        }
        assert_eq!(
            state(&headers(TRACESTATE, &[&many[1..].join(",")])).len(),
            32
        );
    }
}

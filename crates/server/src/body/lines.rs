//! The lines of a body that arrives bit by bit.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::too_slow;
use crate::problem::Problem;

/// The lines of a body, which are read as they arrive. No more than a line and one part of the body
/// is in memory.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// The length of the buffer's beginning that has no end of a line.
    searched: usize,
    has_ended: bool,
    line_max: usize,
    timeout: Duration,
    /// The time since which the next line is waited for.
    waits_since: Option<Instant>,
}

impl Lines {
    /// Returns the lines of a body, each with a limit of its size and of the wait for it.
    pub(crate) fn new(body: Body, line_max: usize, timeout: Duration) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
            has_ended: false,
            line_max,
            timeout,
            waits_since: None,
        }
    }

    /// Returns the next line that is not blank, or `None` at the end. A caller that drops the future
    /// loses nothing. Neither parts of a line nor blank lines prolong the wait.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let until = *self.waits_since.get_or_insert_with(Instant::now) + self.timeout;
        loop {
            while let Some(line) = self.take_line() {
                self.require_size(line.len())?;
                if !line.trim_ascii().is_empty() {
                    self.waits_since = None;
                    return Ok(Some(line));
                }
            }
            self.require_size(self.buffer.len())?;
            if self.has_ended {
                return Ok(None);
            }
            self.read_part(until).await?;
        }
    }

    fn take_line(&mut self) -> Option<Bytes> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(self.searched.saturating_add(end));
            self.buffer.advance(1);
            self.searched = 0;
            return Some(line.freeze());
        }
        self.searched = self.buffer.len();
        // The last line may lack its end.
        let is_last = self.has_ended && !self.buffer.is_empty();
        is_last.then(|| {
            self.searched = 0;
            self.buffer.split().freeze()
        })
    }

    async fn read_part(&mut self, until: Instant) -> Result<(), Problem> {
        let frame = tokio::time::timeout_at(until, self.body.frame()).await;
        match frame.map_err(|_| too_slow(self.timeout))? {
            None => self.has_ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => return Err(Problem::malformed("body", "The body ended early.")),
        }
        Ok(())
    }

    fn require_size(&self, length: usize) -> Result<(), Problem> {
        if length <= self.line_max {
            return Ok(());
        }
        let detail = format!("A line has at most {} bytes.", self.line_max);
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Err(Problem::new(status, "body_too_large", detail))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn lines(parts: &[&'static str]) -> (Vec<String>, Option<Problem>) {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| Ok::<_, std::io::Error>(*part))
            .collect();
        let body = Body::from_stream(stream::iter(parts));
        let mut lines = Lines::new(body, 5, Duration::from_secs(1));
        let mut read = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => read.push(String::from_utf8(line.to_vec()).unwrap()),
                Ok(None) => return (read, None),
                Err(problem) => return (read, Some(problem)),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_read_over_the_borders_of_parts() {
        for parts in [
            &["a\nbb\n\n \r\nccccc\nd"][..],
            &["a", "\n", "b", "b\n\n \r", "\nccc", "cc\nd\n"],
            &["a\nbb\nccccc\nd\n", "", "\n"],
        ] {
            let (read, problem) = lines(parts).await;
            assert_eq!(read, ["a", "bb", "ccccc", "d"], "{parts:?}");
            assert!(problem.is_none(), "{problem:?}");
        }
    }

    #[tokio::test]
    async fn blank_lines_and_parts_of_lines_do_not_prolong_the_wait() {
        for part in ["\n", "x"] {
            let parts = stream::unfold((), move |()| async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>(part), ()))
            });
            let body = Body::from_stream(parts);
            let mut lines = Lines::new(body, 1_000_000, Duration::from_millis(200));
            let problem = tokio::time::timeout(Duration::from_secs(30), lines.next()).await;
            assert_eq!(problem.unwrap().unwrap_err().status_code(), 408);
        }
    }

    #[tokio::test]
    async fn line_above_the_limit_ends_the_reading() {
        for parts in [
            &["a\n123456\nb\n"][..],
            &["a\n123", "456"],
            &["a\n", "123456"],
        ] {
            let (read, problem) = lines(parts).await;
            assert_eq!(read, ["a"], "{parts:?}");
            assert_eq!(problem.unwrap().status_code(), 413, "{parts:?}");
        }
    }
}

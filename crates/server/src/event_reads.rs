//! The reads of events by all callers, which leave the database to requests that move money.

use std::time::{Duration, Instant};

use neobank_db::Database;
use neobank_domain::chain;
use neobank_domain::events::{self, Event, EventError};
use tokio::sync::{Mutex, Semaphore};

/// The time for which all readers share one look at the end of the sealed order.
const FRESH: Duration = Duration::from_millis(200);

/// A limit on reads at the same time, and the last known end of the sealed order: readers that have
/// reached it ask the database only together.
#[derive(Debug)]
pub(crate) struct EventReads {
    places: Semaphore,
    end: Mutex<Option<(Instant, i64)>>,
}

impl EventReads {
    pub(crate) fn new(reads_max: usize) -> Self {
        Self {
            places: Semaphore::new(reads_max.max(1)),
            end: Mutex::default(),
        }
    }

    /// Reads the events behind a position, as [`events::read`] does.
    pub(crate) async fn read(
        &self,
        database: &Database,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Event>, EventError> {
        if after >= self.end(database).await? {
            // Validates the page, and reads nothing.
            events::validate(after, limit)?;
            return Ok(Vec::new());
        }
        let _place = self.places.acquire().await;
        events::read(database, after, limit).await
    }

    async fn end(&self, database: &Database) -> Result<i64, EventError> {
        let mut end = self.end.lock().await;
        if let Some((read_at, position)) = *end
            && read_at.elapsed() < FRESH
        {
            return Ok(position);
        }
        let head = chain::head(database).await?;
        let position = head.map_or(0, |head| head.position);
        *end = Some((Instant::now(), position));
        Ok(position)
    }
}

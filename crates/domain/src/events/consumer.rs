//! Consumers whose position is stored in the bank's database, by name.

use neobank_db::{Database, Executor, Statement};
use neobank_entity::banking::event_consumers::{Column, Entity};
use neobank_entity::functions::banking::AdvanceConsumer;
use sea_query::{Expr, ExprTrait, Query};

use super::{Event, EventError, read};
use crate::shortened;

const NAME_LENGTH_MAX: usize = 100;

/// A reader of events whose position is stored by name.
///
/// One process at a time uses a name: [`EventConsumer::acknowledge`] fails in every other one.
///
/// # Example
///
/// ```no_run
/// use neobank_db::Database;
/// use neobank_domain::events::{EventConsumer, EventError};
///
/// # async fn example(database: Database) -> Result<(), EventError> {
/// let mut consumer = EventConsumer::open(database, "notifications").await?;
/// loop {
///     let events = consumer.next(100).await?;
///     let Some(last) = events.last() else { break };
///     for event in &events {
///         println!("{}: {:?}", event.position, event.record);
///     }
///     consumer.acknowledge(last.position).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EventConsumer {
    database: Database,
    name: String,
    position: i64,
}

impl EventConsumer {
    /// Returns the consumer with a name, at the position that is stored. A new one is at the
    /// beginning.
    ///
    /// # Errors
    ///
    /// [`EventError::Name`] and [`EventError::Database`].
    pub async fn open(database: Database, name: impl Into<String>) -> Result<Self, EventError> {
        let name = name.into();
        let length = name.chars().count();
        if length == 0 || length > NAME_LENGTH_MAX || name.contains('\0') {
            return Err(EventError::Name {
                name: shortened(&name),
            });
        }
        let mut query = Query::select();
        query
            .column(Column::LastPosition)
            .from(Entity.table_ref())
            .and_where(Expr::col(Column::ConsumerName).eq(&name));
        let rows: Vec<PositionRow> = database.fetch_many(Statement::from_query(&query)).await?;
        Ok(Self {
            database,
            name,
            position: rows.first().map_or(0, |row| row.last_position),
        })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the position of the last event that was acknowledged; 0 at the beginning.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// Returns the events behind the consumer's position, in order, at most `limit`. The consumer
    /// does not move: without an acknowledgement, the same events come again.
    ///
    /// # Errors
    ///
    /// As [`read`].
    pub async fn next(&self, limit: u32) -> Result<Vec<Event>, EventError> {
        read(&self.database, self.position, limit).await
    }

    /// Stores that every event up to a position is processed.
    ///
    /// # Errors
    ///
    /// * [`EventError::Moved`] when another process has moved the consumer; nothing was stored.
    /// * [`EventError::Position`] for a position before the consumer's.
    /// * [`EventError::Database`], also for a position that is not sealed. After a lost commit,
    ///   open the consumer again.
    pub async fn acknowledge(&mut self, position: i64) -> Result<(), EventError> {
        if position < self.position {
            return Err(EventError::Position { position });
        }
        if position == self.position {
            return Ok(());
        }
        let call = AdvanceConsumer {
            consumer_name: self.name.clone(),
            from: self.position,
            to: position,
        };
        let moved: bool = self.database.fetch_value(call.statement()).await?;
        if !moved {
            return Err(EventError::Moved {
                name: self.name.clone(),
                position: self.position,
            });
        }
        self.position = position;
        Ok(())
    }
}

#[derive(neobank_db::FromRow)]
struct PositionRow {
    last_position: i64,
}

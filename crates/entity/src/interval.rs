//! PostgreSQL's `interval`.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type};

/// An `interval` in the server's three parts. The length of a month or a day depends on the time to
/// which the interval is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The months, with twelve for each year.
    pub months: i32,
    /// The days.
    pub days: i32,
    /// The microseconds. The server does not convert 24 hours to a day.
    pub microseconds: i64,
}

impl<'a> FromSql<'a> for Interval {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // `interval_send` in the server's source.
        let (microseconds, rest) = raw.split_first_chunk().ok_or("an interval is cut off")?;
        let (days, months) = rest.split_first_chunk().ok_or("an interval is cut off")?;
        Ok(Self {
            months: i32::from_be_bytes(months.try_into()?),
            days: i32::from_be_bytes(*days),
            microseconds: i64::from_be_bytes(*microseconds),
        })
    }

    fn accepts(column: &Type) -> bool {
        *column == Type::INTERVAL
    }
}

crate::from_row::from_column!(Interval);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_in_the_servers_order() {
        let raw = [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 255, 255, 255, 255];
        let found = Interval::from_sql(&Type::INTERVAL, &raw).unwrap();
        let expected = Interval {
            months: -1,
            days: 2,
            microseconds: 7,
        };
        assert_eq!(found, expected);
        assert!(Interval::from_sql(&Type::INTERVAL, &raw[1..]).is_err());
    }
}

//! A range of days on the command line.

use std::str::FromStr;

use chrono::{Months, NaiveDate};
use clap::{Args, ValueEnum};
use neobank_domain::Account;
use neobank_domain::statements::Days;

use crate::error::CommandError;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("range").required(true).args(["day", "month", "from"]))]
pub(super) struct DayRange {
    /// One day, as 2026-11-01
    #[arg(long, value_name = "DATE")]
    day: Option<NaiveDate>,
    /// One month, as 2026-11
    #[arg(long, value_name = "MONTH", value_parser = Month::from_str)]
    month: Option<Month>,
    /// The first day, as 2026-11-01
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<NaiveDate>,
    /// The last day, inclusive
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// The time zone of days and times: the account's, or UTC
    #[arg(long, value_enum, default_value = "account")]
    time_zone: Zone,
    /// The date of an entry that decides; a day of a value date is always one of the account's zone
    #[arg(long, value_enum, default_value_t, value_name = "TIME")]
    by: By,
}

/// The date of an entry that decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum By {
    #[default]
    BookingTime,
    ValueDate,
}

/// A calendar month: its first and its last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month {
    first: NaiveDate,
    last: NaiveDate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Zone {
    Account,
    Utc,
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let month = || {
            // Exactly YYYY-MM: chrono would also accept signs and other numbers of digits.
            let is_month = text.len() == 7 && text.bytes().filter(u8::is_ascii_digit).count() == 6;
            let first = is_month
                .then(|| NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok())??;
            let last = first.checked_add_months(Months::new(1))?.pred_opt()?;
            Some(Self { first, last })
        };
        month().ok_or("not a month such as 2026-11")
    }
}

impl DayRange {
    /// Returns the first and the last day.
    pub(super) fn ends(&self) -> Result<(NaiveDate, NaiveDate), CommandError> {
        match (self.day, self.month, self.from, self.to) {
            (Some(day), ..) => Ok((day, day)),
            (_, Some(month), ..) => Ok((month.first, month.last)),
            (_, _, Some(from), Some(to)) => Ok((from, to)),
            _ => Err(CommandError::usage(
                "give --day, --month, or --from and --to",
            )),
        }
    }

    /// Returns true for days by value date, which are never those of UTC.
    pub(super) fn is_by_value_date(&self) -> Result<bool, CommandError> {
        match (self.by, self.time_zone) {
            (By::BookingTime, _) => Ok(false),
            (By::ValueDate, Zone::Account) => Ok(true),
            (By::ValueDate, Zone::Utc) => Err(CommandError::usage(
                "--by value-date counts days of the account's zone, not of UTC",
            )),
        }
    }

    /// Returns the name of the choice in the contract.
    pub(super) const fn by(&self) -> &'static str {
        match self.by {
            By::BookingTime => "booking-time",
            By::ValueDate => "value-date",
        }
    }

    /// Returns the calendar of the days.
    pub(super) const fn calendar(&self) -> Days {
        match self.time_zone {
            Zone::Account => Days::OfAccount,
            Zone::Utc => Days::OfUtc,
        }
    }

    /// Returns the name of the time zone.
    pub(super) fn zone<'a>(&self, account: &'a Account) -> &'a str {
        match self.time_zone {
            Zone::Account => account.time_zone.as_str(),
            Zone::Utc => "UTC",
        }
    }
}

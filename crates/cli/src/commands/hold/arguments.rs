//! The arguments of `neobank hold`.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use neobank_domain::Money;
use neobank_domain::ledger::Metadata;

use crate::commands::attributes::AttributeArguments;
use crate::commands::moment;

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Reserve an amount on an account
    ///
    /// The balance stays, and the amount is no longer available, until captures have taken it, it is
    /// released, or its time runs out.
    Create(Box<CreateArguments>),
    /// Transfer an amount that a hold has reserved
    Capture(Box<CaptureArguments>),
    /// Make all that remains of a hold available again
    Release(ReleaseArguments),
    /// List holds, the newest first
    List(ListArguments),
    /// Show a hold and its changes
    Show {
        /// The hold: its identifier or its idempotency key
        hold: String,
    },
    /// Record the end of holds whose time is over
    ///
    /// A hold is over at its time, whether or not its end is recorded.
    Expire(ExpireArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The account that has the money: its identifier, its number, or SOURCE/ID of an import
    #[arg(long)]
    pub(super) account: String,
    /// The amount with its currency, such as "250.00 CZK"
    #[arg(long, allow_hyphen_values = true)]
    pub(super) amount: Money,
    /// The only account that captures may pay; otherwise each capture names one
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) to: Option<String>,
    /// The time at which the hold is over, as 2026-12-06T12:00:00+01:00, or a day of UTC, which
    /// begins at midnight; a hold without an end by default
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// The time from now until the hold is over, such as 90min or "7days 12h"; under a key that has a
    /// hold already, the end of that hold stays
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        allow_hyphen_values = true,
        conflicts_with = "expires_at"
    )]
    pub(super) expires_in: Option<TimeDelta>,
    /// The idempotency key: a repeated request with the same key makes one hold; the default is a
    /// new key
    #[arg(long)]
    pub(super) key: Option<String>,
    /// A description of the hold
    #[arg(long, default_value = "")]
    pub(super) description: String,
    /// Data of your own to keep with the hold: a JSON object, such as '{"order": 4711}'
    #[arg(long, value_name = "JSON")]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Debug, Args)]
pub(crate) struct CaptureArguments {
    /// The hold: its identifier or its idempotency key
    pub(super) hold: String,
    /// The amount with its currency, such as "250.00 CZK"; all that remains by default
    #[arg(long, allow_hyphen_values = true)]
    pub(super) amount: Option<Money>,
    /// The account that is paid, for a hold that names none
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) to: Option<String>,
    /// Leave the rest of the hold to later captures, instead of releasing it
    #[arg(long)]
    pub(super) keep_rest: bool,
    /// The idempotency key: a repeated request with the same key moves the money once; the default
    /// is a new key
    #[arg(long)]
    pub(super) key: Option<String>,
    /// A description of the transfer
    #[arg(long, default_value = "")]
    pub(super) description: String,
    #[command(flatten)]
    pub(super) attributes: AttributeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArguments {
    /// The hold: its identifier or its idempotency key
    pub(super) hold: String,
    /// The idempotency key: a repeated request with the same key releases the hold once; the default
    /// is a new key
    #[arg(long)]
    pub(super) key: Option<String>,
    /// Data of your own to keep with the release: a JSON object, such as '{"order": 4711}'
    #[arg(long, value_name = "JSON")]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The account that has the money: its identifier, its number, or SOURCE/ID of an import
    #[arg(long, required_unless_present = "due")]
    pub(super) account: Option<String>,
    /// List the holds whose time is over and whose end is not recorded, instead of the open ones
    #[arg(long)]
    pub(super) due: bool,
    /// List the holds that have ended too
    #[arg(long, conflicts_with = "due")]
    pub(super) all: bool,
    /// The most holds to list: 1 to 10000
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub(super) limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExpireArguments {
    /// The most holds to end, in the order of their ends: 1 to 10000
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    pub(super) limit: u16,
}

impl HoldCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "hold create",
            Self::Capture(_) => "hold capture",
            Self::Release(_) => "hold release",
            Self::List(_) => "hold list",
            Self::Show { .. } => "hold show",
            Self::Expire(_) => "hold expire",
        }
    }
}

/// The longest time from now: the end lies before the year 10000, which is the last that a hold can
/// have.
const DURATION_MAX: TimeDelta = TimeDelta::days(365 * 1_000);

/// Reads a duration, such as `90min`.
fn duration(text: &str) -> Result<TimeDelta, String> {
    let duration: Duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let duration = TimeDelta::from_std(duration).ok();
    let duration = duration.filter(|duration| *duration <= DURATION_MAX);
    duration.ok_or_else(|| "the duration is too long: at most 365000 days".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_a_limit() {
        assert_eq!(duration("90min"), Ok(TimeDelta::minutes(90)));
        assert_eq!(duration("7days 12h"), Ok(TimeDelta::hours(7 * 24 + 12)));
        for wrong in ["", "soon", "90", "-1h", "8000years", "400000000years"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

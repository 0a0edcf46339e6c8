//! The command `neobank preferences`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use neobank_domain::preferences::{self, PreferenceUpdate};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::customer;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Table, cell};

#[derive(Debug, Subcommand)]
pub(crate) enum PreferencesCommand {
    /// Show a customer's preferences
    Show {
        /// The customer's identifier, number or e-mail address
        customer: String,
    },
    /// Set preferences; those that are not named stay
    Set(SetArguments),
    /// Remove preferences
    Unset {
        /// The customer's identifier, number or e-mail address
        customer: String,
        /// The names of the preferences
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// The customer's identifier, number or e-mail address
    customer: String,
    /// A name and a value: JSON such as true, 5, null or {"size": 3}, and any other text is a text
    #[arg(required = true, value_name = "NAME=VALUE")]
    members: Vec<Member>,
}

/// One preference: its name, and its value as a JSON text, so that no number is rounded.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    value: String,
}

impl FromStr for Member {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (name, value) = text
            .split_once('=')
            .ok_or("not a name and a value, such as language=cs")?;
        if name.trim().is_empty() {
            return Err("the name is empty");
        }
        // At any depth: a value that is nested too deep is an error, and no text.
        let is_json = serde_json::from_str::<&RawValue>(value).is_ok();
        Ok(Self {
            name: name.to_owned(),
            value: if is_json {
                value.to_owned()
            } else {
                Value::from(value).to_string()
            },
        })
    }
}

impl PreferencesCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Show { .. } => "preferences show",
            Self::Set(_) => "preferences set",
            Self::Unset { .. } => "preferences unset",
        }
    }

    fn customer(&self) -> &str {
        match self {
            Self::Show { customer } | Self::Unset { customer, .. } => customer,
            Self::Set(arguments) => &arguments.customer,
        }
    }
}

pub(crate) async fn run(
    command: &PreferencesCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    let database = connection.open(name).await?;
    let customer = customer::find(&database, command.customer()).await?;
    let id = customer.customer_id;
    match command {
        PreferencesCommand::Show { .. } => {}
        PreferencesCommand::Set(arguments) => {
            let update = PreferenceUpdate::from_json(id, &object(&arguments.members))?;
            let change = connection.begin_change(&database).await?;
            preferences::merge(&change, &[update]).await?;
            change.commit().await?;
        }
        PreferencesCommand::Unset { names, .. } => {
            let change = connection.begin_change(&database).await?;
            preferences::remove(&change, id, names).await?;
            change.commit().await?;
        }
    }
    let found = preferences::find(&database, id).await?;
    let table = table(&found);
    let data = json!({
        "customer_id": id,
        "customer_number": customer.customer_number,
        "preferences": found,
    });
    Output::new(name, data, vec![Block::Table(table)])
}

/// Returns the members as one JSON object. A name that is given twice occurs in it twice, which the
/// reader of the object rejects.
fn object(members: &[Member]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|member| format!("{}: {}", Value::from(member.name.as_str()), member.value))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn table(preferences: &Map<String, Value>) -> Table {
    let mut table = Table::new(&["Name", "Value"], "the customer has no preferences");
    for (name, value) in preferences {
        table.row([cell(name), cell(value)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_texts() {
        let read = |text: &str| text.parse::<Member>().map(|member| member.value);
        for (given, expected) in [
            ("a=true", "true"),
            ("a=5", "5"),
            ("a=cs", "\"cs\""),
            ("a=\"5\"", "\"5\""),
            ("a=", "\"\""),
            ("a=b=c", "\"b=c\""),
            ("a={\"b\": 1}", "{\"b\": 1}"),
            ("a=1} , {", "\"1} , {\""),
        ] {
            assert_eq!(read(given).unwrap(), expected, "{given}");
        }
        for wrong in ["a", "=1", " =1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(read(&format!("a={deep}")).unwrap(), deep);
        let members: Vec<Member> = ["b=1", "a\"=x", "b=2"]
            .map(|one| one.parse().unwrap())
            .into();
        assert_eq!(object(&members), r#"{"b": 1, "a\"": "x", "b": 2}"#);
    }
}

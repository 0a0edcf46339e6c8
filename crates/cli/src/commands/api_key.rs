//! The commands `neobank api-key create`, `list` and `revoke`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use neobank_domain::api_keys::{self, ApiKey, NewApiKey, Scope};
use neobank_domain::{AccountId, ApiKeyId, CustomerId};
use neobank_server::ApiKeySecret;
use serde_json::json;

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell, optional};

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Create a key and print it; it is shown only this once
    Create(CreateArguments),
    /// List keys without their secrets, the newest first
    List,
    /// Revoke a key; a running service rejects it within seconds
    Revoke {
        /// The key's identifier
        #[arg(value_name = "KEY")]
        api_key: ApiKeyId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The name of the program that gets the key
    #[arg(long)]
    name: String,
    /// A permission; may be given several times: accounts:read, transfers:write, holds:write,
    /// adjustments:write, customers:write, events:read, audit:read or admin
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// Limit the key to the accounts of this customer; may be given several times
    #[arg(long, value_name = "CUSTOMER")]
    customer: Vec<CustomerId>,
    /// Limit the key to this account; may be given several times
    #[arg(long, value_name = "ACCOUNT")]
    account: Vec<AccountId>,
    /// The time from which the key is invalid, as 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<DateTime<Utc>>,
}

impl ApiKeyCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "api-key create",
            Self::List => "api-key list",
            Self::Revoke { .. } => "api-key revoke",
        }
    }
}

pub(crate) async fn run(
    command: &ApiKeyCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    let database = connection.open(name).await?;
    match command {
        ApiKeyCommand::Create(arguments) => {
            let secret = ApiKeySecret::generate();
            let secret = secret.map_err(|error| CommandError::failed("runtime", error))?;
            let mut new = NewApiKey::new(
                &arguments.name,
                secret.prefix(),
                secret.hash(),
                arguments.scope.clone(),
            );
            new.bindings.customers.clone_from(&arguments.customer);
            new.bindings.accounts.clone_from(&arguments.account);
            new.expires_at = arguments.expires_at;
            let change = connection.begin_change(&database).await?;
            let created = api_keys::create(&change, &new).await?;
            change.commit().await?;
            let fields = vec![
                ("key", cell(secret.reveal()).style(Style::Good)),
                ("identifier", cell(created.api_key_id)),
                ("scopes", cell(Scope::join(&created.scopes))),
                ("expires", optional(created.expires_at)),
            ];
            let note = "The key is shown only this once.".to_owned();
            let blocks = vec![Block::Fields(fields), Block::Note(note)];
            let data = json!({ "key": secret.reveal(), "api_key": created });
            Output::new(name, data, blocks)
        }
        ApiKeyCommand::List => {
            let found = api_keys::list(&database).await?;
            let blocks = vec![Block::Table(table(&found))];
            Output::new(name, json!({ "api_keys": found }), blocks)
        }
        ApiKeyCommand::Revoke { api_key } => {
            let change = connection.begin_change(&database).await?;
            let revoked = api_keys::revoke(&change, *api_key).await?;
            change.commit().await?;
            let fields = vec![
                ("identifier", cell(revoked.api_key_id)),
                ("revoked", optional(revoked.revoked_at)),
            ];
            Output::new(
                name,
                json!({ "api_key": revoked }),
                vec![Block::Fields(fields)],
            )
        }
    }
}

fn table(keys: &[ApiKey]) -> Table {
    let columns = [
        "Identifier",
        "Name",
        "Prefix",
        "Scopes",
        "Expires",
        "Last use",
        "Revoked",
    ];
    let mut table = Table::new(&columns, "there are no keys");
    for key in keys {
        table.row([
            cell(key.api_key_id),
            cell(&key.name),
            cell(&key.prefix),
            cell(Scope::join(&key.scopes)),
            optional(key.expires_at),
            optional(key.last_used_at),
            optional(key.revoked_at),
        ]);
    }
    table
}

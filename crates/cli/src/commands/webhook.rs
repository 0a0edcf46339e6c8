//! The commands `neobank webhook create`, `list`, `rotate`, `replay`, `enable`, `disable` and
//! `delete`.

use clap::{Args, Subcommand};
use neobank_db::{Executor, Transaction};
use neobank_domain::WebhookId;
use neobank_domain::webhooks::{
    self, NewWebhook, Webhook, WebhookEventType, WebhookSecret, WebhookUpdate,
};
use neobank_server::{WebhookOptions, WebhookUrl, generate_webhook_secret, reveal_webhook_secret};
use serde_json::json;

use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell, optional, text};

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Create a webhook and print its secret, which is shown only this once
    Create(CreateArguments),
    /// List webhooks with their positions and failures, in the order of their creation
    List,
    /// Give a webhook a new secret and print it; the secret of before signs too for a while
    Rotate {
        /// The webhook's identifier
        #[arg(value_name = "WEBHOOK")]
        webhook: WebhookId,
        /// The hours for which the secret of before signs too, at most 720; 0 ends it at once
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
        overlap_hours: u32,
    },
    /// Set a webhook's position back or forward; it gets the events after it
    Replay {
        /// The webhook's identifier
        #[arg(value_name = "WEBHOOK")]
        webhook: WebhookId,
        /// The position behind which the events are sent; 0 sends all of them
        #[arg(long, value_name = "POSITION")]
        after: i64,
    },
    /// Send events to a disabled webhook again, from its position
    Enable {
        /// The webhook's identifier
        #[arg(value_name = "WEBHOOK")]
        webhook: WebhookId,
    },
    /// Send a webhook no events until it is enabled; its position stays
    Disable {
        /// The webhook's identifier
        #[arg(value_name = "WEBHOOK")]
        webhook: WebhookId,
    },
    /// Delete a webhook with its secrets, its position and its dead letters
    Delete {
        /// The webhook's identifier
        #[arg(value_name = "WEBHOOK")]
        webhook: WebhookId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The address that gets the events, such as https://shop.example/events
    address: String,
    /// At most 200 characters, for people
    #[arg(long, default_value = "")]
    description: String,
    /// A type of events; may be given several times: transfer.posted, hold.authorised, hold.captured,
    /// hold.released or hold.expired; all without it
    #[arg(long, value_name = "TYPE")]
    event_type: Vec<WebhookEventType>,
    /// The seconds from the first attempt after which an event becomes a dead letter, at most 2592000
    #[arg(long, value_name = "SECONDS", default_value_t = Webhook::DEAD_AFTER_SECONDS)]
    dead_after: u32,
    /// The position behind which it begins; the end of the sealed order without it
    #[arg(long, value_name = "POSITION")]
    after: Option<i64>,
    /// Accept a private address and http, which a service with --webhook-private-addresses reaches
    #[arg(long)]
    private_address: bool,
}

impl WebhookCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "webhook create",
            Self::List => "webhook list",
            Self::Rotate { .. } => "webhook rotate",
            Self::Replay { .. } => "webhook replay",
            Self::Enable { .. } => "webhook enable",
            Self::Disable { .. } => "webhook disable",
            Self::Delete { .. } => "webhook delete",
        }
    }
}

pub(crate) async fn run(
    command: &WebhookCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let name = command.name();
    let database = connection.open(name).await?;
    if matches!(command, WebhookCommand::List) {
        return list(name, &database).await;
    }
    let change = connection.begin_change(&database).await?;
    let output = execute(command, &change).await?;
    change.commit().await?;
    Ok(output)
}

async fn list(name: &'static str, on: &impl Executor) -> Result<Output, CommandError> {
    let found = webhooks::list(on).await?;
    let blocks = vec![Block::Table(table(&found))];
    Output::new(name, json!({ "webhooks": found }), blocks)
}

/// Makes a change in its transaction.
async fn execute(command: &WebhookCommand, change: &Transaction) -> Result<Output, CommandError> {
    let name = command.name();
    let changed = match command {
        WebhookCommand::Create(arguments) => {
            let secret = secret()?;
            let created = webhooks::create(change, &arguments.new_webhook()?, &secret).await?;
            return with_secret(name, &created, &secret);
        }
        WebhookCommand::Rotate {
            webhook,
            overlap_hours,
        } => {
            let secret = secret()?;
            let overlap = overlap_hours.saturating_mul(3_600);
            let rotated = webhooks::rotate_secret(change, *webhook, &secret, overlap).await?;
            return with_secret(name, &rotated, &secret);
        }
        WebhookCommand::Delete { webhook } => {
            webhooks::delete(change, *webhook).await?;
            let fields = vec![("deleted", cell(webhook))];
            let data = json!({ "deleted": webhook });
            return Output::new(name, data, vec![Block::Fields(fields)]);
        }
        WebhookCommand::Replay { webhook, after } => {
            webhooks::replay(change, *webhook, *after).await?
        }
        WebhookCommand::Enable { webhook } => enable(change, *webhook, true).await?,
        WebhookCommand::Disable { webhook } => enable(change, *webhook, false).await?,
        WebhookCommand::List => return list(name, change).await,
    };
    let blocks = vec![Block::Table(table(std::slice::from_ref(&changed)))];
    Output::new(name, json!({ "webhook": changed }), blocks)
}

impl CreateArguments {
    fn new_webhook(&self) -> Result<NewWebhook, CommandError> {
        let mut options = WebhookOptions::default();
        options.private_addresses = self.private_address;
        let url = WebhookUrl::parse(&self.address, &options);
        let url = url.map_err(|error| CommandError::usage(format!("the address: {error}")))?;
        let mut new = NewWebhook::new(url.as_str());
        new.description.clone_from(&self.description);
        new.event_types.clone_from(&self.event_type);
        new.dead_after_seconds = self.dead_after;
        new.after = self.after;
        Ok(new)
    }
}

fn secret() -> Result<WebhookSecret, CommandError> {
    generate_webhook_secret().map_err(|error| CommandError::failed("runtime", error))
}

async fn enable(
    change: &Transaction,
    webhook: WebhookId,
    is_enabled: bool,
) -> Result<Webhook, CommandError> {
    let mut update = WebhookUpdate::default();
    update.is_enabled = Some(is_enabled);
    Ok(webhooks::update(change, webhook, &update).await?)
}

fn with_secret(
    name: &'static str,
    webhook: &Webhook,
    secret: &WebhookSecret,
) -> Result<Output, CommandError> {
    let secret = reveal_webhook_secret(secret);
    let fields = vec![
        ("secret", cell(&secret).style(Style::Good)),
        ("identifier", cell(webhook.webhook_id)),
        ("address", text(&webhook.url)),
        ("position", cell(webhook.position)),
        ("old secret until", optional(webhook.previous_secret_until)),
    ];
    let note = "The secret is shown only this once.".to_owned();
    let blocks = vec![Block::Fields(fields), Block::Note(note)];
    let data = json!({ "secret": secret, "webhook": webhook });
    Output::new(name, data, blocks)
}

fn table(webhooks: &[Webhook]) -> Table {
    let columns = [
        "Identifier",
        "Address",
        "Events",
        "Enabled",
        "Position",
        "Waiting",
        "Dead letters",
        "Last error",
    ];
    let mut table = Table::new(&columns, "there are no webhooks");
    for webhook in webhooks {
        let failure = webhook.failure.as_ref().map(|failure| &failure.last_error);
        let error = webhook.disabled_reason.as_ref().or(failure);
        table.row([
            cell(webhook.webhook_id),
            text(&webhook.url),
            text(&WebhookEventType::join(&webhook.event_types)),
            cell(if webhook.is_enabled { "yes" } else { "no" }),
            cell(webhook.position),
            cell(webhook.lag()),
            cell(webhook.dead_letters),
            optional(error),
        ]);
    }
    table
}

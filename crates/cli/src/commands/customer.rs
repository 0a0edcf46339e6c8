//! The command `neobank customer`.

use chrono::NaiveDate;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use neobank_db::Executor;
use neobank_domain::customers::{
    self, Customer, CustomerCursor, CustomerFilter, CustomerStatus, CustomerType, CustomerUpdate,
    KycStatus, NewCustomer,
};
use neobank_domain::{CustomerId, import, shortened};
use serde_json::json;

use super::views::CustomerView;
use crate::connection::Connection;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell, optional};

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Create a customer
    Create(CreateArguments),
    /// Show one customer
    Show {
        /// The identifier, the number, the e-mail address in upper or lower case, or SOURCE/ID of
        /// an import
        customer: String,
    },
    /// Find customers, the newest first
    Find(FindArguments),
    /// Update a customer
    Update(UpdateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// Given name; for a business, the name without its last word
    #[arg(long)]
    first_name: String,
    /// Family name; for a business, the last word of its name
    #[arg(long)]
    last_name: String,
    /// E-mail address, unique without regard to case
    #[arg(long)]
    email: Option<String>,
    /// The primary telephone number
    #[arg(long)]
    phone: Option<String>,
    /// The secondary telephone number
    #[arg(long)]
    second_phone: Option<String>,
    /// Date of birth, as 1985-12-10
    #[arg(long, value_name = "DATE")]
    born: Option<NaiveDate>,
    /// The customer type
    #[arg(long = "type", default_value = "individual", value_parser = customer_type())]
    customer_type: CustomerType,
}

#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// A substring of the e-mail address, without regard to case
    #[arg(long)]
    email: Option<String>,
    /// A substring of a telephone number
    #[arg(long)]
    phone: Option<String>,
    /// The customer's status
    #[arg(long, value_parser = customer_status())]
    status: Option<CustomerStatus>,
    /// The customer type
    #[arg(long = "type", value_parser = customer_type())]
    customer_type: Option<CustomerType>,
    /// The greatest number of customers
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The cursor that the previous page printed
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArguments {
    /// The identifier, the number, the e-mail address in upper or lower case, or SOURCE/ID of an
    /// import
    customer: String,
    /// Given name; for a business, the name without its last word
    #[arg(long)]
    first_name: Option<String>,
    /// Family name; for a business, the last word of its name
    #[arg(long)]
    last_name: Option<String>,
    /// E-mail address, unique without regard to case
    #[arg(long)]
    email: Option<String>,
    /// The primary telephone number
    #[arg(long)]
    phone: Option<String>,
    /// The secondary telephone number
    #[arg(long)]
    second_phone: Option<String>,
    /// The customer's status
    #[arg(long, value_parser = customer_status())]
    status: Option<CustomerStatus>,
    /// The status of the identity check
    #[arg(long, value_parser = kyc_status())]
    kyc: Option<KycStatus>,
    /// Clear a field; can be given several times
    #[arg(long, value_name = "FIELD", value_enum)]
    clear: Vec<Clearable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Clearable {
    Email,
    Phone,
    SecondPhone,
}

impl CustomerCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "customer create",
            Self::Show { .. } => "customer show",
            Self::Find(_) => "customer find",
            Self::Update(_) => "customer update",
        }
    }
}

pub(crate) async fn run(
    command: &CustomerCommand,
    connection: &Connection,
) -> Result<Output, CommandError> {
    let database = connection.open("customer").await?;
    let name = command.name();
    match command {
        CustomerCommand::Create(arguments) => {
            let change = connection.begin_change(&database).await?;
            let created = customers::create(&change, &arguments.customer()).await?;
            change.commit().await?;
            one(name, &created)
        }
        CustomerCommand::Show { customer } => one(name, &find(&database, customer).await?),
        CustomerCommand::Find(arguments) => page(name, &database, arguments).await,
        CustomerCommand::Update(arguments) => {
            let update = arguments.update()?;
            let customer = find(&database, &arguments.customer).await?.customer_id;
            let change = connection.begin_change(&database).await?;
            let updated = customers::update(&change, customer, &update).await?;
            change.commit().await?;
            one(name, &updated)
        }
    }
}

/// Finds a customer by identifier, e-mail address, number, or an import's source and identifier,
/// such as `old-bank/17`.
pub(super) async fn find(on: &impl Executor, named: &str) -> Result<Customer, CommandError> {
    let found = match named.parse::<CustomerId>() {
        Ok(customer) => customers::find(on, customer).await?,
        Err(_) if named.contains('@') => customers::find_by_email(on, named).await?,
        Err(_) => match customers::find_by_number(on, named).await? {
            Some(found) => Some(found),
            None => of_source(on, named).await?,
        },
    };
    found.ok_or_else(|| {
        CommandError::failed(
            "unknown_customer",
            format!("unknown customer: {:?}", shortened(named)),
        )
    })
}

/// Finds an imported customer by a text with its source and its identifier there.
async fn of_source(on: &impl Executor, named: &str) -> Result<Option<Customer>, CommandError> {
    let Some((source, source_id)) = named.split_once('/') else {
        return Ok(None);
    };
    Ok(customers::find(on, import::customer_id(source, source_id)).await?)
}

async fn page(
    name: &'static str,
    on: &impl Executor,
    arguments: &FindArguments,
) -> Result<Output, CommandError> {
    let after = arguments
        .after
        .as_deref()
        .map(str::parse::<CustomerCursor>)
        .transpose()?;
    let filter = CustomerFilter::default()
        .with_email(arguments.email.clone())
        .with_phone(arguments.phone.clone())
        .with_status(arguments.status)
        .with_customer_type(arguments.customer_type)
        .with_limit(arguments.limit)
        .with_after(after);
    let page = customers::search(on, &filter).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    let mut table = Table::new(
        &[
            "Number",
            "Name",
            "E-mail",
            "Phone",
            "Type",
            "Status",
            "KYC",
            "Identifier",
        ],
        "no customer matches",
    );
    for customer in &page.customers {
        table.row([
            cell(&customer.customer_number),
            cell(format!("{} {}", customer.first_name, customer.last_name)),
            optional(customer.email.as_ref()),
            optional(customer.phone_primary.as_ref()),
            cell(customer.customer_type),
            cell(customer.status).style(style(customer.status)),
            cell(customer.kyc_status),
            cell(customer.customer_id),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    if let Some(next) = &next {
        blocks.push(Block::Note(format!("there are more: --after {next}")));
    }
    let views: Vec<_> = page.customers.iter().map(CustomerView::from).collect();
    Output::new(name, json!({ "customers": views, "next": next }), blocks)
}

fn one(name: &'static str, customer: &Customer) -> Result<Output, CommandError> {
    let fields = vec![
        ("identifier", cell(customer.customer_id)),
        ("number", cell(&customer.customer_number)),
        (
            "name",
            cell(format!("{} {}", customer.first_name, customer.last_name)),
        ),
        ("e-mail", optional(customer.email.as_ref())),
        ("phone", optional(customer.phone_primary.as_ref())),
        ("second phone", optional(customer.phone_secondary.as_ref())),
        ("born", optional(customer.date_of_birth)),
        ("type", cell(customer.customer_type)),
        (
            "status",
            cell(customer.status).style(style(customer.status)),
        ),
        ("KYC", cell(customer.kyc_status)),
        ("created", cell(customer.created_at)),
        ("updated", cell(customer.updated_at)),
    ];
    let view = CustomerView::from(customer);
    Output::new(
        name,
        json!({ "customer": view }),
        vec![Block::Fields(fields)],
    )
}

const fn style(status: CustomerStatus) -> Style {
    match status {
        CustomerStatus::Active => Style::Good,
        CustomerStatus::Suspended => Style::Bad,
        _ => Style::Warning,
    }
}

impl CreateArguments {
    fn customer(&self) -> NewCustomer {
        let mut new = NewCustomer::individual(&self.first_name, &self.last_name);
        new.email.clone_from(&self.email);
        new.phone_primary.clone_from(&self.phone);
        new.phone_secondary.clone_from(&self.second_phone);
        new.date_of_birth = self.born;
        new.customer_type = self.customer_type;
        new
    }
}

impl UpdateArguments {
    fn update(&self) -> Result<CustomerUpdate, CommandError> {
        let mut update = CustomerUpdate::default();
        update.first_name.clone_from(&self.first_name);
        update.last_name.clone_from(&self.last_name);
        update.email = self.clearable("email", &self.email, Clearable::Email)?;
        update.phone_primary = self.clearable("phone", &self.phone, Clearable::Phone)?;
        let second = self.clearable("second-phone", &self.second_phone, Clearable::SecondPhone)?;
        update.phone_secondary = second;
        update.customer_status = self.status;
        update.kyc_status = self.kyc;
        Ok(update)
    }

    fn clearable(
        &self,
        field: &str,
        value: &Option<String>,
        clearable: Clearable,
    ) -> Result<Option<Option<String>>, CommandError> {
        match (value, self.clear.contains(&clearable)) {
            (Some(value), true) => Err(CommandError::usage(format!(
                "--{field} {value:?} and --clear {field} cannot both hold"
            ))),
            (Some(value), false) => Ok(Some(Some(value.clone()))),
            (None, true) => Ok(Some(None)),
            (None, false) => Ok(None),
        }
    }
}

fn customer_type() -> impl TypedValueParser<Value = CustomerType> {
    PossibleValuesParser::new(["individual", "business"]).try_map(named)
}

fn customer_status() -> impl TypedValueParser<Value = CustomerStatus> {
    PossibleValuesParser::new(["active", "inactive", "suspended", "closed"]).try_map(named)
}

fn kyc_status() -> impl TypedValueParser<Value = KycStatus> {
    PossibleValuesParser::new(["pending", "verified", "rejected", "expired"]).try_map(named)
}

/// Parses a name as the domain does.
fn named<T: serde::de::DeserializeOwned>(name: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(name.into())
}

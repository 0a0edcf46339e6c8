//! The command `neobank ops pgbouncer`: computes a file for PgBouncer, without a server.

use clap::Args;
use neobank_ops::pgbouncer::{ClientTls, PgbouncerConfig, PgbouncerVersion, PoolDatabase};
use serde_json::json;

use crate::error::CommandError;
use crate::output::{Block, Output};

#[derive(Debug, Args)]
pub(crate) struct PgbouncerArguments {
    /// The version of PgBouncer: 1.18 or newer
    #[arg(long, value_name = "VERSION")]
    target_version: PgbouncerVersion,
    /// The database
    #[arg(long, value_name = "NAME")]
    database: String,
    /// The server: a name, an address, or the folder of a Unix socket
    #[arg(long)]
    host: String,
    /// The server's port
    #[arg(long, default_value_t = 5432)]
    port: u16,
    /// Connections of one pool
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pool_size: u32,
    /// The number of users; each has a pool of its own
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    users: u32,
    /// The greatest number of clients
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    max_clients: u32,
    /// The server's max_connections
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    max_connections: u32,
    /// Connections of other clients, which bypass PgBouncer
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    other_connections: u32,
    /// PgBouncer instances with this file before the same server
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    instances: u32,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    listen: String,
    /// The port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 6432)]
    listen_port: u16,
    /// The file of users and secrets
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/pgbouncer/userlist.txt"
    )]
    auth_file: String,
    /// A PEM file of the authorities that must have signed the server's certificate; needed for a
    /// server of another machine
    #[arg(long, value_name = "FILE")]
    server_ca: Option<String>,
    /// A PEM file of the certificate for clients; needed for clients of other machines
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<String>,
    /// A PEM file of that certificate's key
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<String>,
    /// Allow passwords and data on the network in plain text
    #[arg(long)]
    plain_text: bool,
}

pub(super) fn run(
    name: &'static str,
    arguments: &PgbouncerArguments,
) -> Result<Output, CommandError> {
    let database = PoolDatabase::new(&arguments.database, &arguments.host, arguments.port);
    let mut config = PgbouncerConfig::new(arguments.target_version, database);
    config.pool_size = arguments.pool_size;
    config.users = arguments.users;
    config.max_client_conn = arguments.max_clients;
    config.listen_addr = Some(arguments.listen.clone());
    config.listen_port = arguments.listen_port;
    config.auth_file.clone_from(&arguments.auth_file);
    config.budget.max_connections = arguments.max_connections;
    config.budget.other_connections = arguments.other_connections;
    config.budget.instances = arguments.instances;
    config.server_tls_ca_file.clone_from(&arguments.server_ca);
    config.client_tls = arguments
        .client_certificate
        .clone()
        .zip(arguments.client_key.clone())
        .map(|(cert_file, key_file)| ClientTls::new(cert_file, key_file));
    config.plain_text = arguments.plain_text;
    let ini = config
        .ini()
        .map_err(|error| CommandError::failed("pgbouncer", error))?;
    let text = ini.trim_end().to_owned();
    Output::new(
        name,
        json!({ "pgbouncer_ini": ini }),
        vec![Block::Text(text)],
    )
}

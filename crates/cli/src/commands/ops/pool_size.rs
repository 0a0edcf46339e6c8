//! The command `neobank ops pool-size`: computes a size, without a server.

use clap::Args;
use neobank_ops::pool_size::{PoolSize, PoolSizeInput, pool_size};

use super::subject::word;
use crate::error::CommandError;
use crate::output::{Block, Output, Style, Table, cell};

#[derive(Debug, Args)]
pub(crate) struct PoolSizeArguments {
    /// The server's max_connections
    #[arg(long, value_name = "COUNT")]
    max_connections: u32,
    /// The mean time that a transaction holds a connection, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", allow_hyphen_values = true)]
    mean_hold: f64,
    /// Transactions per second of all instances together
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    transactions_per_second: f64,
    /// Physical cores of the database's machine
    #[arg(long, value_name = "COUNT")]
    cores: Option<u32>,
    /// Instances that share the server, each with a pool of this size
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    instances: u32,
    /// Connections for other purposes: monitoring, migrations, people
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    other_connections: u32,
    /// Threads or tasks of an instance that use connections at a time
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    threads: u32,
    /// The greatest number of connections that one of them holds at a time
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    connections_per_thread: u32,
}

pub(super) fn run(
    name: &'static str,
    arguments: &PoolSizeArguments,
) -> Result<Output, CommandError> {
    let mut input = PoolSizeInput::new(
        arguments.max_connections,
        arguments.mean_hold,
        arguments.transactions_per_second,
    );
    input.physical_cores = arguments.cores;
    input.instances = arguments.instances;
    input.other_connections = arguments.other_connections;
    input.threads = arguments.threads;
    input.connections_per_thread = arguments.connections_per_thread;
    let size = pool_size(&input).map_err(|error| CommandError::failed("pool_size", error))?;
    let blocks = blocks(&size);
    Output::new(name, size, blocks)
}

fn blocks(size: &PoolSize) -> Vec<Block> {
    let mut table = Table::new(
        &["Bound", "Kind", ">Connections", "Formula", "Source"],
        "no bounds",
    );
    for bound in &size.bounds {
        let style = if bound.name == size.binds {
            Style::Warning
        } else {
            Style::Plain
        };
        table.row([
            cell(bound.name.as_str()).style(style),
            cell(word(bound.kind)),
            cell(bound.connections),
            cell(bound.formula),
            cell(bound.source),
        ]);
    }
    let (met, style) = if size.demand_is_met {
        ("met", Style::Good)
    } else {
        ("NOT met: the demand exceeds the size", Style::Bad)
    };
    vec![
        Block::Fields(vec![
            ("connections for each instance", cell(size.size)),
            ("the deciding bound", cell(size.binds.as_str())),
            ("demand", cell(met).style(style)),
        ]),
        Block::Table(table),
    ]
}

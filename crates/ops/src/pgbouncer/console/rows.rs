//! The rows of the pages.

use neobank_db::{DatabaseError, TextRow};
use serde::Serialize;

/// A row of `SHOW POOLS`: a pool, one for each database and user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowPool {
    /// The database's name for clients.
    pub database: String,
    /// The user.
    pub user: String,
    /// Clients that have a server connection, or are idle without needing one.
    pub cl_active: Option<i64>,
    /// Clients that wait for a server connection.
    pub cl_waiting: Option<i64>,
    /// Clients whose cancel request was forwarded (1.18).
    pub cl_active_cancel_req: Option<i64>,
    /// Clients whose cancel request waits (1.18).
    pub cl_waiting_cancel_req: Option<i64>,
    /// Server connections that a client uses.
    pub sv_active: Option<i64>,
    /// Server connections that carry a cancel request (1.18).
    pub sv_active_cancel: Option<i64>,
    /// Server connections that wait for a cancel request to end (1.18).
    pub sv_being_canceled: Option<i64>,
    /// Server connections that are ready for a client.
    pub sv_idle: Option<i64>,
    /// Server connections that must be checked before they are used again.
    pub sv_used: Option<i64>,
    /// Server connections that are being checked or reset.
    pub sv_tested: Option<i64>,
    /// Server connections that are being opened.
    pub sv_login: Option<i64>,
    /// The wait of the first waiting client, in whole seconds.
    pub maxwait: Option<i64>,
    /// The microseconds to add to `maxwait`.
    pub maxwait_us: Option<i64>,
    /// The pool mode.
    pub pool_mode: Option<String>,
}

impl ShowPool {
    pub(super) fn read(row: &TextRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: text(row, "database")?,
            user: text(row, "user")?,
            cl_active: number(row, "cl_active")?,
            cl_waiting: number(row, "cl_waiting")?,
            cl_active_cancel_req: number(row, "cl_active_cancel_req")?,
            cl_waiting_cancel_req: number(row, "cl_waiting_cancel_req")?,
            sv_active: number(row, "sv_active")?,
            sv_active_cancel: number(row, "sv_active_cancel")?,
            sv_being_canceled: number(row, "sv_being_canceled")?,
            sv_idle: number(row, "sv_idle")?,
            sv_used: number(row, "sv_used")?,
            sv_tested: number(row, "sv_tested")?,
            sv_login: number(row, "sv_login")?,
            maxwait: number(row, "maxwait")?,
            maxwait_us: number(row, "maxwait_us")?,
            pool_mode: row.get("pool_mode").map(str::to_owned),
        })
    }
}

/// A row of `SHOW STATS`: the totals of a database since PgBouncer started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowStats {
    /// The database's name for clients.
    pub database: String,
    /// Transactions.
    pub total_xact_count: Option<i64>,
    /// Statements.
    pub total_query_count: Option<i64>,
    /// Bytes from clients and servers.
    pub total_received: Option<i64>,
    /// Bytes to clients and servers.
    pub total_sent: Option<i64>,
    /// Microseconds in transactions.
    pub total_xact_time: Option<i64>,
    /// Microseconds in statements.
    pub total_query_time: Option<i64>,
    /// Microseconds that clients waited for a server connection.
    pub total_wait_time: Option<i64>,
    /// The number of times that a client got a server connection (1.23).
    pub total_server_assignment_count: Option<i64>,
    /// Prepared statements of clients (1.24).
    pub total_client_parse_count: Option<i64>,
    /// Prepared statements on servers (1.24).
    pub total_server_parse_count: Option<i64>,
    /// Executions of prepared statements (1.24).
    pub total_bind_count: Option<i64>,
    /// Transactions per second in the last period.
    pub avg_xact_count: Option<i64>,
    /// Statements per second in the last period.
    pub avg_query_count: Option<i64>,
    /// Mean microseconds of a transaction in the last period.
    pub avg_xact_time: Option<i64>,
    /// Mean microseconds of a statement in the last period.
    pub avg_query_time: Option<i64>,
    /// Microseconds of waiting in the last period.
    pub avg_wait_time: Option<i64>,
}

impl ShowStats {
    pub(super) fn read(row: &TextRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: text(row, "database")?,
            total_xact_count: number(row, "total_xact_count")?,
            total_query_count: number(row, "total_query_count")?,
            total_received: number(row, "total_received")?,
            total_sent: number(row, "total_sent")?,
            total_xact_time: number(row, "total_xact_time")?,
            total_query_time: number(row, "total_query_time")?,
            total_wait_time: number(row, "total_wait_time")?,
            total_server_assignment_count: number(row, "total_server_assignment_count")?,
            total_client_parse_count: number(row, "total_client_parse_count")?,
            total_server_parse_count: number(row, "total_server_parse_count")?,
            total_bind_count: number(row, "total_bind_count")?,
            avg_xact_count: number(row, "avg_xact_count")?,
            avg_query_count: number(row, "avg_query_count")?,
            avg_xact_time: number(row, "avg_xact_time")?,
            avg_query_time: number(row, "avg_query_time")?,
            avg_wait_time: number(row, "avg_wait_time")?,
        })
    }
}

/// A row of `SHOW DATABASES`: a database that clients may name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowDatabase {
    /// The database's name for clients.
    pub name: String,
    /// The server's port.
    pub port: Option<i64>,
    /// Connections of one pool.
    pub pool_size: Option<i64>,
    /// Connections that a pool keeps open (1.16).
    pub min_pool_size: Option<i64>,
    /// Further connections of a pool; `reserve_pool_size` from 1.24 on.
    pub reserve_pool: Option<i64>,
    /// The most connections of all its pools; 0 for no limit.
    pub max_connections: Option<i64>,
    /// Open connections.
    pub current_connections: Option<i64>,
    /// The most clients (1.24).
    pub max_client_connections: Option<i64>,
    /// Connected clients (1.24).
    pub current_client_connections: Option<i64>,
    /// Seconds after which a server connection is closed (1.23).
    pub server_lifetime: Option<i64>,
    /// 1 when it is paused.
    pub paused: Option<i64>,
    /// 1 when it is disabled.
    pub disabled: Option<i64>,
    /// The server; none for the console.
    pub host: Option<String>,
    /// The name on the server.
    pub database: Option<String>,
    /// The user on the server, if it is not the client's.
    pub force_user: Option<String>,
    /// The database's own pool mode, if it is not the general one.
    pub pool_mode: Option<String>,
}

impl ShowDatabase {
    pub(super) fn read(row: &TextRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            name: text(row, "name")?,
            port: number(row, "port")?,
            pool_size: number(row, "pool_size")?,
            min_pool_size: number(row, "min_pool_size")?,
            reserve_pool: match number(row, "reserve_pool")? {
                None => number(row, "reserve_pool_size")?,
                known => known,
            },
            max_connections: number(row, "max_connections")?,
            current_connections: number(row, "current_connections")?,
            max_client_connections: number(row, "max_client_connections")?,
            current_client_connections: number(row, "current_client_connections")?,
            server_lifetime: number(row, "server_lifetime")?,
            paused: number(row, "paused")?,
            disabled: number(row, "disabled")?,
            host: row.get("host").map(str::to_owned),
            database: row.get("database").map(str::to_owned),
            force_user: row.get("force_user").map(str::to_owned),
            pool_mode: row.get("pool_mode").map(str::to_owned),
        })
    }
}

/// A row of `SHOW CLIENTS`: a connection of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowClient {
    /// The user.
    pub user: String,
    /// The database's name for clients.
    pub database: String,
    /// The port of the peer.
    pub port: Option<i64>,
    /// Seconds of the current wait.
    pub wait: Option<i64>,
    /// The microseconds to add to `wait`.
    pub wait_us: Option<i64>,
    /// 1 when it is closed as soon as it is free.
    pub close_needed: Option<i64>,
    /// The process identifier of the peer, where known.
    pub remote_pid: Option<i64>,
    /// Prepared statements that are kept for it (1.21).
    pub prepared_statements: Option<i64>,
    /// Its number (1.24).
    pub id: Option<i64>,
    /// Its state.
    pub state: Option<String>,
    /// The address of the peer.
    pub addr: Option<String>,
    /// `yes` or a kind of replication for a replication connection (1.23).
    pub replication: Option<String>,
    /// The time when it was opened.
    pub connect_time: Option<String>,
    /// The time of its last request.
    pub request_time: Option<String>,
    /// Its partner: the server of a client, the client of a server.
    pub link: Option<String>,
    /// The cipher; none or empty for plain text.
    pub tls: Option<String>,
    /// The client's `application_name` (1.18).
    pub application_name: Option<String>,
}

impl ShowClient {
    pub(super) fn read(row: &TextRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            user: text(row, "user")?,
            database: text(row, "database")?,
            port: number(row, "port")?,
            wait: number(row, "wait")?,
            wait_us: number(row, "wait_us")?,
            close_needed: number(row, "close_needed")?,
            remote_pid: number(row, "remote_pid")?,
            prepared_statements: number(row, "prepared_statements")?,
            id: number(row, "id")?,
            state: row.get("state").map(str::to_owned),
            addr: row.get("addr").map(str::to_owned),
            replication: row.get("replication").map(str::to_owned),
            connect_time: row.get("connect_time").map(str::to_owned),
            request_time: row.get("request_time").map(str::to_owned),
            link: row.get("link").map(str::to_owned),
            tls: row.get("tls").map(str::to_owned),
            application_name: row.get("application_name").map(str::to_owned),
        })
    }
}

/// A row of `SHOW SERVERS`: a connection to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowServer {
    /// The user.
    pub user: String,
    /// The database's name for clients.
    pub database: String,
    /// The port of the peer.
    pub port: Option<i64>,
    /// Seconds of the current wait.
    pub wait: Option<i64>,
    /// The microseconds to add to `wait`.
    pub wait_us: Option<i64>,
    /// 1 when it is closed as soon as it is free.
    pub close_needed: Option<i64>,
    /// The process identifier of the peer, where known.
    pub remote_pid: Option<i64>,
    /// Prepared statements that are kept for it (1.21).
    pub prepared_statements: Option<i64>,
    /// Its number (1.24).
    pub id: Option<i64>,
    /// Its state.
    pub state: Option<String>,
    /// The address of the peer.
    pub addr: Option<String>,
    /// `yes` or a kind of replication for a replication connection (1.23).
    pub replication: Option<String>,
    /// The time when it was opened.
    pub connect_time: Option<String>,
    /// The time of its last request.
    pub request_time: Option<String>,
    /// Its partner: the server of a client, the client of a server.
    pub link: Option<String>,
    /// The cipher; none or empty for plain text.
    pub tls: Option<String>,
    /// The client's `application_name` (1.18).
    pub application_name: Option<String>,
}

impl ShowServer {
    pub(super) fn read(row: &TextRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            user: text(row, "user")?,
            database: text(row, "database")?,
            port: number(row, "port")?,
            wait: number(row, "wait")?,
            wait_us: number(row, "wait_us")?,
            close_needed: number(row, "close_needed")?,
            remote_pid: number(row, "remote_pid")?,
            prepared_statements: number(row, "prepared_statements")?,
            id: number(row, "id")?,
            state: row.get("state").map(str::to_owned),
            addr: row.get("addr").map(str::to_owned),
            replication: row.get("replication").map(str::to_owned),
            connect_time: row.get("connect_time").map(str::to_owned),
            request_time: row.get("request_time").map(str::to_owned),
            link: row.get("link").map(str::to_owned),
            tls: row.get("tls").map(str::to_owned),
            application_name: row.get("application_name").map(str::to_owned),
        })
    }
}

/// A row of `SHOW CONFIG`: a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowSetting {
    /// Its name.
    pub key: String,
    /// Its value; none for null.
    pub value: Option<String>,
    /// Its default.
    pub default: Option<String>,
    /// `yes` when a reload changes it.
    pub changeable: Option<String>,
}

impl ShowSetting {
    pub(super) fn read(row: &TextRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            key: text(row, "key")?,
            value: row.get("value").map(str::to_owned),
            default: row.get("default").map(str::to_owned),
            changeable: row.get("changeable").map(str::to_owned),
        })
    }
}

impl ShowPool {
    /// Returns the wait of the first waiting client, in microseconds.
    #[must_use]
    pub fn max_wait_microseconds(&self) -> Option<i64> {
        let seconds = self.maxwait?;
        Some(
            seconds
                .saturating_mul(1_000_000)
                .saturating_add(self.maxwait_us.unwrap_or(0)),
        )
    }

    /// Returns the number of connections to the server in any state.
    #[must_use]
    pub fn server_connections(&self) -> i64 {
        [
            self.sv_active,
            self.sv_active_cancel,
            self.sv_being_canceled,
            self.sv_idle,
            self.sv_used,
            self.sv_tested,
            self.sv_login,
        ]
        .into_iter()
        .flatten()
        .fold(0, i64::saturating_add)
    }
}

pub(super) fn text(row: &TextRow, column: &str) -> Result<String, DatabaseError> {
    row.get(column)
        .map(str::to_owned)
        .ok_or_else(|| DatabaseError::Row {
            reason: format!("there is no {column}"),
        })
}

fn number(row: &TextRow, column: &str) -> Result<Option<i64>, DatabaseError> {
    let Some(text) = row.get(column).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| DatabaseError::Row {
        reason: format!("{column} is no whole number: {text:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, Option<&str>)]) -> TextRow {
        let owned =
            |(name, text): &(&str, Option<&str>)| ((*name).to_owned(), text.map(str::to_owned));
        TextRow::new(columns.iter().map(owned).collect())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let pool = ShowPool::read(&row(&[
            ("of_a_later_version", Some("?")),
            ("sv_idle", Some("3")),
            ("user", Some("teller")),
            ("maxwait_us", Some("5")),
            ("maxwait", Some("2")),
            ("database", Some("bank")),
            ("sv_active", Some("4")),
            ("pool_mode", Some("transaction")),
        ]))
        .unwrap();
        assert_eq!(
            (pool.database.as_str(), pool.user.as_str()),
            ("bank", "teller")
        );
        assert_eq!(pool.max_wait_microseconds(), Some(2_000_005));
        assert_eq!(pool.server_connections(), 7);
        assert_eq!(pool.cl_waiting, None);
    }

    #[test]
    fn renamed_columns_are_found_by_both_names() {
        for column in ["reserve_pool", "reserve_pool_size"] {
            let database = ShowDatabase::read(&row(&[("name", Some("bank")), (column, Some("5"))]));
            assert_eq!(database.unwrap().reserve_pool, Some(5));
        }
    }

    #[test]
    fn unreadable_column_is_named() {
        let missing = ShowPool::read(&row(&[("user", Some("teller"))])).unwrap_err();
        assert!(
            missing.to_string().contains("there is no database"),
            "{missing}"
        );
        let wrong = ShowStats::read(&row(&[
            ("database", Some("bank")),
            ("total_query_count", Some("many")),
        ]));
        assert!(wrong.unwrap_err().to_string().contains("total_query_count"));
    }
}

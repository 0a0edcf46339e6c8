//! The HBA file: the clients that may connect.

use std::net::IpAddr;

use super::{PgbouncerError, values};

/// A line of the HBA file: databases, users and addresses of clients that may connect with a
/// password (SCRAM). PgBouncer rejects a client that no line matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HbaRule {
    /// The databases as clients name them; empty for all.
    pub databases: Vec<String>,
    /// The users; empty for all.
    pub users: Vec<String>,
    /// The origin of the connection.
    pub from: HbaSource,
}

impl HbaRule {
    /// Creates a rule for every user and every database, for connections from `from`.
    #[must_use]
    pub const fn new(from: HbaSource) -> Self {
        Self {
            databases: Vec::new(),
            users: Vec::new(),
            from,
        }
    }

    /// Sets the databases as clients name them; empty for all.
    #[must_use]
    pub fn with_databases(mut self, databases: Vec<String>) -> Self {
        self.databases = databases;
        self
    }

    /// Sets the users; empty for all.
    #[must_use]
    pub fn with_users(mut self, users: Vec<String>) -> Self {
        self.users = users;
        self
    }
}

/// The origin of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HbaSource {
    /// The Unix socket.
    Socket,
    /// A network, in plain text or with TLS.
    Network {
        /// Its first address.
        address: IpAddr,
        /// The number of leading bits that must match.
        bits: u8,
    },
    /// A network, with TLS only.
    NetworkTls {
        /// Its first address.
        address: IpAddr,
        /// The number of leading bits that must match.
        bits: u8,
    },
}

/// Returns the text of the HBA file. PgBouncer skips a line that it cannot read, and reports it
/// only in its log.
///
/// # Errors
///
/// [`PgbouncerError::Invalid`].
///
/// # Example
///
/// ```
/// use neobank_ops::pgbouncer::{HbaRule, HbaSource, hba_file};
///
/// let rule = HbaRule::new(HbaSource::Socket).with_databases(vec!["bank".into()]);
/// assert_eq!(hba_file(&[rule])?, "local \"bank\" all scram-sha-256\n");
/// # Ok::<(), neobank_ops::pgbouncer::PgbouncerError>(())
/// ```
pub fn hba_file(rules: &[HbaRule]) -> Result<String, PgbouncerError> {
    let mut text = String::new();
    for rule in rules {
        let (kind, address) = match rule.from {
            HbaSource::Socket => ("local", String::new()),
            HbaSource::Network { address, bits } => ("host", network(address, bits)?),
            HbaSource::NetworkTls { address, bits } => ("hostssl", network(address, bits)?),
        };
        text.push_str(&format!(
            "{kind} {} {}{address} scram-sha-256\n",
            names("hba.databases", &rule.databases)?,
            names("hba.users", &rule.users)?,
        ));
    }
    Ok(text)
}

fn names(field: &str, names: &[String]) -> Result<String, PgbouncerError> {
    if names.is_empty() {
        return Ok("all".to_owned());
    }
    let quoted: Result<Vec<_>, _> = names
        .iter()
        .map(|name| values::double_quoted(field, name, 63))
        .collect();
    Ok(quoted?.join(","))
}

fn network(address: IpAddr, bits: u8) -> Result<String, PgbouncerError> {
    let outside = match address {
        IpAddr::V4(address) => match bits {
            0..=32 => u128::from(u32::from(address).checked_shl(u32::from(bits)).unwrap_or(0)),
            _ => 1,
        },
        IpAddr::V6(address) => match bits {
            0..=128 => u128::from(address)
                .checked_shl(u32::from(bits))
                .unwrap_or(0),
            _ => 1,
        },
    };
    if outside != 0 {
        return Err(PgbouncerError::invalid(
            "hba.from",
            &format!("{address}/{bits}"),
            "the first address of a network and its bits",
        ));
    }
    Ok(format!(" {address}/{bits}"))
}

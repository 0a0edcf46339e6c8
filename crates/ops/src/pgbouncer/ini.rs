//! The file `pgbouncer.ini`.

use std::collections::BTreeSet;

use super::config::{AuthQuery, PgbouncerConfig, PoolDatabase, PoolMode};
use super::{PgbouncerError, PgbouncerVersion, budget, has_setting, values};

/// The query honours `VALID UNTIL` (CVE-2025-2291), and qualifies every object and operator with
/// its schema (CVE-2025-12819).
pub(super) const AUTH_QUERY: &str = "SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() \
    THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin";

impl PgbouncerConfig {
    /// Returns the text of `pgbouncer.ini`.
    ///
    /// # Errors
    ///
    /// [`PgbouncerError`] names the invalid field, or the exceeded budget with its figures.
    ///
    /// # Example
    ///
    /// ```
    /// use neobank_ops::pgbouncer::{PgbouncerConfig, PoolDatabase};
    ///
    /// let mut config = PgbouncerConfig::new("1.25".parse()?, PoolDatabase::new("bank", "db.example", 5432));
    /// // A server of another machine is reached by TLS.
    /// assert!(config.ini().is_err());
    /// config.server_tls_ca_file = Some("/etc/ssl/bank/root.crt".to_owned());
    /// let text = config.ini()?;
    /// assert!(text.contains("bank = host='db.example' port=5432 dbname='bank'\n"));
    /// assert!(text.contains("max_prepared_statements = 200\n"));
    /// # Ok::<(), neobank_ops::pgbouncer::PgbouncerError>(())
    /// ```
    pub fn ini(&self) -> Result<String, PgbouncerError> {
        let budget = budget::check(self)?;
        let mut text = format!(
            "; For PgBouncer {}.\n; Connections to the server: {} of {}. File descriptors: {} of {}.\n\n[databases]\n",
            self.version, budget.connections, budget.available, budget.files, self.file_descriptors,
        );
        text.push_str(&self.database_lines()?);
        text.push_str("\n[pgbouncer]\n");
        for (key, value) in self.settings()? {
            if !has_setting(self.version, &key) {
                return Err(PgbouncerError::UnknownSetting {
                    key,
                    version: self.version,
                });
            }
            let line = format!("{key} = {value}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        Ok(text)
    }

    fn database_lines(&self) -> Result<String, PgbouncerError> {
        let mut names = BTreeSet::new();
        let mut lines = String::new();
        for database in &self.databases {
            if !names.insert(&database.name) {
                return Err(PgbouncerError::invalid(
                    "databases.name",
                    &database.name,
                    "another name for each database",
                ));
            }
            lines.push_str(&database_line(database)?);
        }
        match lines.is_empty() {
            true => Err(PgbouncerError::invalid("databases", "", "at least one")),
            false => Ok(lines),
        }
    }

    fn settings(&self) -> Result<Vec<(String, String)>, PgbouncerError> {
        let mut settings = self.network()?;
        settings.extend(self.authentication()?);
        settings.extend(self.pools()?);
        settings.extend(self.encryption()?);
        for (field, file) in [("pidfile", &self.pidfile), ("logfile", &self.logfile)] {
            if let Some(file) = file {
                settings.push((field, values::plain(field, file)?.to_owned()));
            }
        }
        let mut settings: Vec<_> = settings
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        for (key, value) in &self.further {
            let field = format!("further.{key}");
            if settings.iter().any(|(written, _)| written == key) {
                return Err(PgbouncerError::invalid(
                    &field,
                    value,
                    "set by its own field",
                ));
            }
            settings.push((key.clone(), values::plain(&field, value)?.to_owned()));
        }
        Ok(settings)
    }

    fn network(&self) -> Result<Vec<(&'static str, String)>, PgbouncerError> {
        let optional = |field, value: &Option<String>| {
            value.as_deref().map_or(Ok(String::new()), |value| {
                values::plain(field, value).map(str::to_owned)
            })
        };
        if self.listen_addr.is_none() && self.unix_socket_dir.is_none() {
            return Err(PgbouncerError::invalid(
                "listen_addr",
                "",
                "an address where there is no unix_socket_dir",
            ));
        }
        Ok(vec![
            ("listen_addr", optional("listen_addr", &self.listen_addr)?),
            ("listen_port", port("listen_port", self.listen_port)?),
            (
                "unix_socket_dir",
                optional("unix_socket_dir", &self.unix_socket_dir)?,
            ),
        ])
    }

    fn authentication(&self) -> Result<Vec<(&'static str, String)>, PgbouncerError> {
        let mut settings = Vec::new();
        match &self.auth_hba_file {
            Some(file) => {
                settings.push(("auth_type", "hba".to_owned()));
                settings.push((
                    "auth_hba_file",
                    values::plain("auth_hba_file", file)?.to_owned(),
                ));
            }
            None => settings.push(("auth_type", "scram-sha-256".to_owned())),
        }
        settings.push((
            "auth_file",
            values::plain("auth_file", &self.auth_file)?.to_owned(),
        ));
        if let Some(query) = &self.auth_query {
            settings.extend(look_up(query)?);
        }
        settings.push((
            "admin_users",
            values::users("admin_users", &self.admin_users)?,
        ));
        settings.push((
            "stats_users",
            values::users("stats_users", &self.stats_users)?,
        ));
        Ok(settings)
    }

    fn pools(&self) -> Result<Vec<(&'static str, String)>, PgbouncerError> {
        let follows = self.version >= PgbouncerVersion::PREPARED_STATEMENTS;
        if self.max_prepared_statements > 0 && !(follows && self.pool_mode == PoolMode::Transaction)
        {
            return Err(PgbouncerError::PreparedStatements {
                value: self.max_prepared_statements,
                version: self.version,
                mode: self.pool_mode.as_str(),
            });
        }
        let mut settings = vec![
            ("pool_mode", self.pool_mode.as_str().to_owned()),
            ("max_client_conn", self.max_client_conn.to_string()),
            ("default_pool_size", self.pool_size.to_string()),
            ("min_pool_size", self.min_pool_size.to_string()),
            ("reserve_pool_size", self.reserve_pool_size.to_string()),
            ("reserve_pool_timeout", "3".to_owned()),
        ];
        if let Some(most) = self.max_db_connections {
            settings.push(("max_db_connections", most.to_string()));
        }
        if follows {
            // Written also when it is 0, because the default became 200 in 1.24.
            settings.push((
                "max_prepared_statements",
                self.max_prepared_statements.to_string(),
            ));
        }
        if self.pool_mode == PoolMode::Session {
            settings.push(("server_reset_query", "DISCARD ALL".to_owned()));
        }
        // Some drivers send these parameters, and PgBouncer rejects unknown ones.
        settings.push((
            "ignore_startup_parameters",
            "extra_float_digits, options".to_owned(),
        ));
        // The driver's own limits are shorter; these apply to clients that have none.
        settings.push(("query_wait_timeout", "30".to_owned()));
        settings.push(("idle_transaction_timeout", "60".to_owned()));
        settings.push(("server_connect_timeout", "5".to_owned()));
        Ok(settings)
    }

    /// Rejects a configuration that lets passwords and data leave the machine in plain text, unless
    /// `plain_text` allows it.
    fn check_encryption(&self) -> Result<(), PgbouncerError> {
        if self.plain_text {
            return Ok(());
        }
        let far = |database: &&PoolDatabase| !is_of_this_machine(&database.host);
        if let (None, Some(database)) = (&self.server_tls_ca_file, self.databases.iter().find(far))
        {
            return Err(PgbouncerError::invalid(
                "server_tls_ca_file",
                "",
                &format!(
                    "a file of authorities, because the server {:?} is not on this machine, or plain_text must say that \
                     nothing protects what is sent",
                    database.host
                ),
            ));
        }
        let listens_far = self
            .listen_addr
            .as_deref()
            .is_some_and(|addresses| !addresses.split(',').map(str::trim).all(is_of_this_machine));
        if listens_far && self.client_tls.is_none() {
            return Err(PgbouncerError::invalid(
                "client_tls",
                "",
                "a certificate, because clients of other machines may connect, or plain_text must say that nothing \
                 protects what is sent",
            ));
        }
        Ok(())
    }

    fn encryption(&self) -> Result<Vec<(&'static str, String)>, PgbouncerError> {
        self.check_encryption()?;
        let mut settings = Vec::new();
        if let Some(tls) = &self.client_tls {
            settings.push(("client_tls_sslmode", "require".to_owned()));
            let certificate = values::plain("client_tls.cert_file", &tls.cert_file)?;
            settings.push(("client_tls_cert_file", certificate.to_owned()));
            let key = values::plain("client_tls.key_file", &tls.key_file)?;
            settings.push(("client_tls_key_file", key.to_owned()));
        }
        match &self.server_tls_ca_file {
            Some(file) => {
                let file = values::plain("server_tls_ca_file", file)?;
                settings.push(("server_tls_sslmode", "verify-full".to_owned()));
                settings.push(("server_tls_ca_file", file.to_owned()));
            }
            None => settings.push(("server_tls_sslmode", "disable".to_owned())),
        }
        Ok(settings)
    }
}

/// Returns `true` for a Unix socket's folder, or an address of this machine alone.
fn is_of_this_machine(host: &str) -> bool {
    host.starts_with('/') || host == "localhost" || host == "::1" || host.starts_with("127.")
}

fn database_line(database: &PoolDatabase) -> Result<String, PgbouncerError> {
    let mut line = format!(
        "{} = host={} port={} dbname={}",
        values::key("databases.name", &database.name)?,
        values::quoted("databases.host", &database.host)?,
        port("databases.port", database.port)?,
        values::quoted_name("databases.database", &database.database)?,
    );
    if let Some(size) = database.pool_size {
        line.push_str(&format!(" pool_size={size}"));
    }
    line.push('\n');
    Ok(line)
}

fn look_up(query: &AuthQuery) -> Result<Vec<(&'static str, String)>, PgbouncerError> {
    let text = query.query.as_deref().unwrap_or(AUTH_QUERY);
    if !text.contains("$1") {
        return Err(PgbouncerError::invalid(
            "auth_query.query",
            text,
            "a query with $1 for the user's name",
        ));
    }
    let user = values::plain("auth_query.user", &query.user)?;
    let mut settings = vec![
        ("auth_user", user.to_owned()),
        (
            "auth_query",
            values::plain("auth_query.query", text)?.to_owned(),
        ),
    ];
    if let Some(database) = &query.database {
        let database = values::key("auth_query.database", database)?;
        settings.push(("auth_dbname", database.to_owned()));
    }
    Ok(settings)
}

fn port(field: &str, port: u16) -> Result<String, PgbouncerError> {
    match port {
        0 => Err(PgbouncerError::invalid(field, "0", "1 to 65535")),
        _ => Ok(port.to_string()),
    }
}

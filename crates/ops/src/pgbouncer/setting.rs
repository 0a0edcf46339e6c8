//! The keys of the section `[pgbouncer]`, and the first version with each.

use super::PgbouncerVersion;

/// Returns `true` if this version of PgBouncer knows a key of the section `[pgbouncer]`. PgBouncer
/// does not start with any other.
///
/// # Example
///
/// ```
/// use neobank_ops::pgbouncer::{PgbouncerVersion, has_setting};
///
/// assert!(!has_setting("1.20".parse()?, "max_prepared_statements"));
/// assert!(has_setting("1.21".parse()?, "max_prepared_statements"));
/// # Ok::<(), neobank_ops::pgbouncer::PgbouncerError>(())
/// ```
#[must_use]
pub fn has_setting(version: PgbouncerVersion, key: &str) -> bool {
    KEYS.iter()
        .any(|(name, since)| *name == key && *since <= version.minor())
}

/// Returns the keys of a version, in alphabetical order.
pub fn settings(version: PgbouncerVersion) -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter(move |(_, since)| *since <= version.minor())
        .map(|(name, _)| *name)
}

/// The keys come from PgBouncer's own `main.c` at the tags of 1.18.0 to 1.25.0; 18 stands for 1.18
/// or older. No version in between removed a key.
const KEYS: &[(&str, u8)] = &[
    ("admin_users", 18),
    ("application_name_add_host", 18),
    ("auth_dbname", 19),
    ("auth_file", 18),
    ("auth_hba_file", 18),
    ("auth_ident_file", 23),
    ("auth_ldap_options", 25),
    ("auth_query", 18),
    ("auth_type", 18),
    ("auth_user", 18),
    ("autodb_idle_timeout", 18),
    ("cancel_wait_timeout", 19),
    ("client_idle_timeout", 18),
    ("client_login_timeout", 18),
    ("client_tls13_ciphers", 25),
    ("client_tls_ca_file", 18),
    ("client_tls_cert_file", 18),
    ("client_tls_ciphers", 18),
    ("client_tls_dheparams", 18),
    ("client_tls_ecdhcurve", 18),
    ("client_tls_key_file", 18),
    ("client_tls_protocols", 18),
    ("client_tls_sslmode", 18),
    ("conffile", 18),
    ("default_pool_size", 18),
    ("disable_pqexec", 18),
    ("dns_max_ttl", 18),
    ("dns_nxdomain_ttl", 18),
    ("dns_zone_check_period", 18),
    ("idle_transaction_timeout", 18),
    ("ignore_startup_parameters", 18),
    ("job_name", 18),
    ("listen_addr", 18),
    ("listen_backlog", 18),
    ("listen_port", 18),
    ("log_connections", 18),
    ("log_disconnections", 18),
    ("log_pooler_errors", 18),
    ("log_stats", 18),
    ("logfile", 18),
    ("max_client_conn", 18),
    ("max_db_client_connections", 24),
    ("max_db_connections", 18),
    ("max_packet_size", 18),
    ("max_prepared_statements", 21),
    ("max_user_client_connections", 24),
    ("max_user_connections", 18),
    ("min_pool_size", 18),
    ("peer_id", 19),
    ("pidfile", 18),
    ("pkt_buf", 18),
    ("pool_mode", 18),
    ("query_timeout", 18),
    ("query_wait_notify", 25),
    ("query_wait_timeout", 18),
    ("reserve_pool_size", 18),
    ("reserve_pool_timeout", 18),
    ("resolv_conf", 18),
    ("sbuf_loopcnt", 18),
    ("scram_iterations", 25),
    ("server_check_delay", 18),
    ("server_check_query", 18),
    ("server_connect_timeout", 18),
    ("server_fast_close", 18),
    ("server_idle_timeout", 18),
    ("server_lifetime", 18),
    ("server_login_retry", 18),
    ("server_reset_query", 18),
    ("server_reset_query_always", 18),
    ("server_round_robin", 18),
    ("server_tls13_ciphers", 25),
    ("server_tls_ca_file", 18),
    ("server_tls_cert_file", 18),
    ("server_tls_ciphers", 18),
    ("server_tls_key_file", 18),
    ("server_tls_protocols", 18),
    ("server_tls_sslmode", 18),
    ("service_name", 18),
    ("so_reuseport", 18),
    ("stats_period", 18),
    ("stats_users", 18),
    ("suspend_timeout", 18),
    ("syslog", 18),
    ("syslog_facility", 18),
    ("syslog_ident", 18),
    ("tcp_defer_accept", 18),
    ("tcp_keepalive", 18),
    ("tcp_keepcnt", 18),
    ("tcp_keepidle", 18),
    ("tcp_keepintvl", 18),
    ("tcp_socket_buffer", 18),
    ("tcp_user_timeout", 18),
    ("track_extra_parameters", 20),
    ("transaction_timeout", 25),
    ("unix_socket_dir", 18),
    ("unix_socket_group", 18),
    ("unix_socket_mode", 18),
    ("user", 18),
    ("verbose", 18),
];

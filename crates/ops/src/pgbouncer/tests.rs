use proptest::prelude::*;

use super::*;

fn config(version: &str) -> PgbouncerConfig {
    PgbouncerConfig::new(
        version.parse().unwrap(),
        PoolDatabase::new("bank", "127.0.0.1", 5432),
    )
}

/// A configuration with every optional field.
fn full(version: &str) -> PgbouncerConfig {
    let mut config = config(version);
    config.databases.push(PoolDatabase {
        name: "ledger.copy-2".to_owned(),
        host: "/run/postgresql".to_owned(),
        port: 5433,
        database: " it's; %d #1 \"x\" ".to_owned(),
        pool_size: Some(7),
    });
    config.max_db_connections = Some(40);
    config.unix_socket_dir = Some("/run/pgbouncer".to_owned());
    config.auth_hba_file = Some("/etc/pgbouncer/hba.conf".to_owned());
    config.auth_query = Some(AuthQuery::new("pgbouncer_auth"));
    config.admin_users = vec!["root_of_pool".to_owned()];
    config.stats_users = vec!["watcher".to_owned(), "other".to_owned()];
    config.client_tls = Some(ClientTls::new("/etc/tls/cert.pem", "/etc/tls/key.pem"));
    config.server_tls_ca_file = Some("/etc/tls/ca.pem".to_owned());
    config.pidfile = Some("/run/pgbouncer/pid".to_owned());
    config.logfile = Some("/var/log/pgbouncer.log".to_owned());
    config
        .further
        .insert("stats_period".to_owned(), "30".to_owned());
    config.budget.max_connections = 200;
    config
}

#[test]
fn files_of_several_versions_match_the_snapshots() {
    for version in ["1.18", "1.21", "1.25"] {
        insta::assert_snapshot!(format!("ini_{version}"), config(version).ini().unwrap());
        insta::assert_snapshot!(format!("ini_full_{version}"), full(version).ini().unwrap());
    }
    let mut session = config("1.25");
    session.pool_mode = PoolMode::Session;
    session.max_prepared_statements = 0;
    insta::assert_snapshot!("ini_session", session.ini().unwrap());
}

#[test]
fn only_known_keys_are_written() {
    for version in PgbouncerVersion::all() {
        let known: Vec<&str> = settings(version).collect();
        let text = full(&version.to_string()).ini().unwrap();
        let (_, section) = text.split_once("[pgbouncer]\n").unwrap();
        for line in section.lines() {
            let (key, _) = line.split_once(" =").unwrap();
            assert!(known.contains(&key), "{version} does not know {key}");
        }
        assert_eq!(
            text.contains("max_prepared_statements"),
            version >= PgbouncerVersion::PREPARED_STATEMENTS
        );
    }
}

#[test]
fn keys_appear_in_the_versions_of_the_changelog() {
    for (key, since) in [
        ("pool_mode", 18),
        ("auth_dbname", 19),
        ("peer_id", 19),
        ("cancel_wait_timeout", 19),
        ("track_extra_parameters", 20),
        ("max_prepared_statements", 21),
        ("auth_ident_file", 23),
        ("max_db_client_connections", 24),
        ("max_user_client_connections", 24),
        ("transaction_timeout", 25),
        ("query_wait_notify", 25),
        ("scram_iterations", 25),
        ("auth_ldap_options", 25),
        ("client_tls13_ciphers", 25),
    ] {
        for version in PgbouncerVersion::all() {
            assert_eq!(
                has_setting(version, key),
                version.minor() >= since,
                "{key} {version}"
            );
        }
    }
    let counts: Vec<usize> = PgbouncerVersion::all()
        .map(|version| settings(version).count())
        .collect();
    assert_eq!(counts, [85, 88, 89, 90, 90, 91, 93, 99]);
}

#[test]
fn settings_of_newer_versions_are_rejected() {
    let mut with = config("1.24");
    with.further
        .insert("transaction_timeout".to_owned(), "5".to_owned());
    assert_eq!(
        with.ini().unwrap_err().to_string(),
        "PgBouncer 1.24 has no setting \"transaction_timeout\""
    );
    let mut named = config("1.20");
    named.max_prepared_statements = 100;
    assert!(matches!(
        named.ini(),
        Err(PgbouncerError::PreparedStatements { value: 100, .. })
    ));
    let mut database = full("1.18");
    database.auth_query.as_mut().unwrap().database = Some("bank".to_owned());
    assert!(matches!(
        database.ini(),
        Err(PgbouncerError::UnknownSetting { .. })
    ));
    let mut twice = config("1.25");
    twice
        .further
        .insert("pool_mode".to_owned(), "statement".to_owned());
    assert!(
        twice
            .ini()
            .unwrap_err()
            .to_string()
            .starts_with("further.pool_mode is \"statement\"")
    );
}

#[test]
fn exceeded_budget_names_its_figures() {
    let mut zero = config("1.25");
    let mut config = config("1.25");
    config.users = 4;
    assert_eq!(
        config.ini().unwrap_err().to_string(),
        "the pools may open 100 connections, but the server has 97 for them: 100 less 3 that are reserved or others'"
    );
    config.max_db_connections = Some(90);
    config.ini().unwrap();
    config.budget.instances = 2;
    assert!(matches!(
        config.ini(),
        Err(PgbouncerError::TooManyConnections {
            needed: 180,
            available: 97,
            ..
        })
    ));
    config.budget.instances = 1;
    config.file_descriptors = 1024;
    assert_eq!(
        config.ini().unwrap_err().to_string(),
        "PgBouncer may need 1100 file descriptors (max_client_conn 1000, 90 to servers, 10 of its own), but its limit is 1024"
    );
    config.file_descriptors = 1100;
    config.ini().unwrap();
    config.auth_query = full("1.25").auth_query;
    config.max_db_connections = None;
    assert!(matches!(
        config.ini(),
        Err(PgbouncerError::TooManyConnections { needed: 125, .. })
    ));
    zero.pool_size = 0;
    assert_eq!(
        zero.ini().unwrap_err().to_string(),
        "pool_size is \"0\", but must be at least 1"
    );
}

#[test]
fn hostile_values_are_rejected_by_name() {
    type Change = fn(&mut PgbouncerConfig, String);
    let cases: [(&str, Change, &[&str]); 6] = [
        (
            "databases.name",
            |config, value| config.databases[0].name = value,
            &[
                "",
                "pgbouncer",
                "*",
                "a b",
                "a'b",
                "a;b",
                "\"a\"",
                "%include",
                "a\nb",
                "ä",
                "#a",
            ],
        ),
        (
            "databases.database",
            |config, value| config.databases[0].database = value,
            &["", "a\nb", "a\0b", "a\r"],
        ),
        (
            "databases.host",
            |config, value| config.databases[0].host = value,
            &["", "a\n[pgbouncer]"],
        ),
        (
            "admin_users",
            |config, value| config.admin_users = vec![value],
            &["", "a,b", " a", "a b", "a\nadmin_users = x"],
        ),
        (
            "auth_file",
            |config, value| config.auth_file = value,
            &["", " /a", "/a ", "/a\nauth_type = trust"],
        ),
        (
            "further.syslog_ident",
            |config, value| {
                config.further.insert("syslog_ident".to_owned(), value);
            },
            &["x\nauth_type = any", "", " x"],
        ),
    ];
    for (field, change, values) in cases {
        for value in values {
            let mut config = config("1.25");
            change(&mut config, (*value).to_owned());
            match config.ini() {
                Err(PgbouncerError::Invalid {
                    field: wrong,
                    value: given,
                    ..
                }) => {
                    assert_eq!((wrong.as_str(), given.as_str()), (field, *value));
                }
                other => panic!("{field} = {value:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn versions_are_read_and_written() {
    for (text, expected) in [
        ("1.18", "1.18"),
        ("1.25.2", "1.25"),
        ("PgBouncer 1.18.0", "1.18"),
        ("1.26", "1.26"),
    ] {
        assert_eq!(
            text.parse::<PgbouncerVersion>().unwrap().to_string(),
            expected
        );
    }
    for text in [
        "", "1", "1.17", "1.100", "2.20", "1.18.x", "1.18.0.1", "1.+20", " 1.20", "1.300",
    ] {
        assert!(text.parse::<PgbouncerVersion>().is_err(), "{text}");
    }
}

#[test]
fn unknown_newer_version_has_the_keys_of_the_newest() {
    assert!(
        config("1.26")
            .ini()
            .unwrap()
            .starts_with("; For PgBouncer 1.26.")
    );
    let mut with = config("1.26");
    with.further
        .insert("a_later_key".to_owned(), "1".to_owned());
    assert_eq!(
        with.ini().unwrap_err().to_string(),
        "PgBouncer 1.26 has no setting \"a_later_key\""
    );
}

#[test]
fn plain_text_to_other_machines_is_rejected_by_default() {
    let rejection = |change: fn(&mut PgbouncerConfig)| {
        let mut config = config("1.25");
        change(&mut config);
        config.ini().map_err(|error| error.to_string())
    };
    for host in ["db.example", "10.0.0.7", "127x.example"] {
        let mut far = config("1.25");
        far.databases.push(PoolDatabase::new("far", host, 5432));
        let error = far.ini().unwrap_err().to_string();
        let starts = error.starts_with("server_tls_ca_file is \"\"");
        assert!(starts && error.contains(host), "{error}");
        far.server_tls_ca_file = Some("/ca".to_owned());
        let text = far.ini().unwrap();
        assert!(
            text.contains("server_tls_sslmode = verify-full\n"),
            "{text}"
        );
        far.server_tls_ca_file = None;
        far.plain_text = true;
        assert!(
            far.ini()
                .unwrap()
                .contains("server_tls_sslmode = disable\n")
        );
    }
    let error = rejection(|config| config.listen_addr = Some("127.0.0.1, *".to_owned()));
    assert!(error.unwrap_err().starts_with("client_tls is \"\""));
    let near = rejection(|config| config.listen_addr = Some("127.0.0.1,::1".to_owned()));
    assert!(near.is_ok(), "{near:?}");
}

#[test]
fn a_configuration_survives_json() {
    let config = full("1.23");
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!(
        serde_json::from_value::<PgbouncerConfig>(json).unwrap(),
        config
    );
}

#[test]
fn hba_network_with_host_bits_is_rejected() {
    let rule = |address: &str, bits| {
        HbaRule::new(HbaSource::NetworkTls {
            address: address.parse().unwrap(),
            bits,
        })
        .with_databases(vec!["bank".to_owned(), "b\"2".to_owned()])
    };
    assert_eq!(
        hba_file(&[rule("10.0.0.0", 8), rule("::1", 128)]).unwrap(),
        "hostssl \"bank\",\"b\"\"2\" all 10.0.0.0/8 scram-sha-256\nhostssl \"bank\",\"b\"\"2\" all ::1/128 scram-sha-256\n"
    );
    for (address, bits) in [("10.0.0.1", 8), ("10.0.0.0", 33), ("::1", 129), ("::1", 64)] {
        assert!(
            hba_file(&[rule(address, bits)]).is_err(),
            "{address}/{bits}"
        );
    }
    assert!(hba_file(&[rule("0.0.0.0", 0), rule("::", 0)]).is_ok());
}

#[test]
fn a_secret_is_never_shown() {
    let user = PgbouncerUser::new("teller", "s3cret\n");
    let error = userlist(std::slice::from_ref(&user)).unwrap_err();
    assert!(!format!("{error} {error:?} {user:?}").contains("s3cret"));
}

/// Parses a connection string as PgBouncer's `cstr_get_pair` does.
fn read_pairs(mut text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    loop {
        text = text.trim_start_matches(' ');
        let Some((key, rest)) = text.split_once('=') else {
            return pairs;
        };
        let mut value = String::new();
        let mut rest = rest.chars();
        match rest.next() {
            Some('\'') => loop {
                match rest.next().unwrap() {
                    '\'' if rest.as_str().starts_with('\'') => {
                        rest.next();
                        value.push('\'');
                    }
                    '\'' => break,
                    character => value.push(character),
                }
            },
            first => {
                value.extend(first);
                while let Some(character) = rest.next().filter(|character| *character != ' ') {
                    value.push(character);
                }
            }
        }
        pairs.push((key.to_owned(), value));
        text = rest.as_str();
    }
}

proptest! {
    #[test]
    fn database_names_are_read_as_written(name in "[ -~äß']{1,15}") {
        let mut config = config("1.18");
        config.databases[0].database = name.clone();
        let text = config.ini().unwrap();
        let line = text.lines().find(|line| line.starts_with("bank")).unwrap();
        let pairs = read_pairs(line.strip_prefix("bank = ").unwrap());
        prop_assert_eq!(&pairs[2], &("dbname".to_owned(), name));
        prop_assert_eq!(pairs.len(), 3);
    }

    #[test]
    fn value_never_adds_a_line(value in any::<String>()) {
        let lines = config("1.25").ini().unwrap().lines().count();
        for change in [
            (|config, value| config.databases[0].database = value) as fn(&mut PgbouncerConfig, String),
            |config, value| config.databases[0].name = value,
            |config, value| config.auth_file = value,
            |config, value| config.stats_users = vec![value],
        ] {
            let mut config = config("1.25");
            change(&mut config, value.clone());
            if let Ok(text) = config.ini() {
                prop_assert_eq!(text.split('\n').count(), lines + 1);
            }
        }
    }
}

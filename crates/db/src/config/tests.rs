use super::*;

fn from(variables: &[(&str, &str)]) -> Result<DatabaseConfig, ConfigError> {
    DatabaseConfig::from_variables(|name| {
        variables
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn url_gives_every_part() {
    let config = DatabaseConfig::from_url(
        "postgresql://te%20ller:p%40ss@db.example:6000/bank?application_name=core&connect_timeout=3",
    )
    .unwrap();
    assert_eq!(config.user, "te ller");
    assert_eq!(config.password(), Some("p@ss"));
    assert_eq!(
        (config.hosts, config.ports),
        (vec!["db.example".to_owned()], vec![6000])
    );
    assert_eq!(config.database, "bank");
    assert_eq!(config.application_name, "core");
    assert_eq!(config.connect_timeout, Duration::from_secs(3));
    assert_eq!(
        config.tls,
        TlsMode::VerifyFull {
            root_certificate: None
        }
    );
}

#[test]
fn local_hosts_need_no_tls_and_others_do() {
    for host in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"] {
        let config = DatabaseConfig::from_url(&format!("postgresql://a@{host}/b")).unwrap();
        assert_eq!(config.tls, TlsMode::Disable, "{host}");
    }
    let config = DatabaseConfig::from_url("postgresql://a@localhost,db.example/b").unwrap();
    assert_ne!(config.tls, TlsMode::Disable);
}

#[test]
fn socket_folder_as_an_option() {
    let config =
        DatabaseConfig::from_url("postgresql://postgres@/postgres?host=/run/db&port=6543").unwrap();
    assert_eq!(
        (config.hosts, config.ports),
        (vec!["/run/db".to_owned()], vec![6543])
    );
}

#[test]
fn half_protected_modes_are_rejected() {
    for mode in ["allow", "prefer", "require", "verify-ca", "nonsense"] {
        let error =
            DatabaseConfig::from_url(&format!("postgresql://a@db.example/b?sslmode={mode}"))
                .unwrap_err();
        assert!(
            error.to_string().contains("sslmode") && error.to_string().contains(mode),
            "{error}"
        );
    }
}

#[test]
fn a_bad_value_is_named_and_the_password_never() {
    const PASSWORD: &str = "canary-7391";
    let url = |rest: &str| format!("postgresql://teller:{PASSWORD}@{rest}");
    for (url, named) in [
        (url("localhost:0/bank"), "port"),
        (url("localhost:port/bank"), "port"),
        (url("localhost/bank?nonsense=1"), "nonsense"),
        (
            url("localhost/bank?connect_timeout=soon"),
            "connect_timeout",
        ),
        (url("localhost/b%FF"), "database"),
        (url("a,b/bank?port=1,2,3"), "port"),
        (
            format!("mysql://teller:{PASSWORD}@localhost/bank"),
            "postgresql://",
        ),
        (format!("postgresql://:{PASSWORD}@localhost/bank"), "user"),
        (
            format!("postgresql://teller:{PASSWORD}@x@[::1/bank"),
            "host",
        ),
    ] {
        let error = DatabaseConfig::from_url(&url).unwrap_err();
        assert!(error.to_string().contains(named), "{url}: {error}");
        assert!(
            !format!("{error} {error:?}").contains(PASSWORD),
            "{error:?}"
        );
    }
    let config = DatabaseConfig::from_url(&url("localhost/bank")).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains(PASSWORD));
}

#[test]
fn environment_by_url_or_by_parts() {
    let by_parts = from(&[
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", "6000"),
        ("DB_NAME", "bank"),
        ("DB_USER", "teller"),
        ("DB_PASSWORD", "s3cret"),
        ("DB_POOL_MIN", "2"),
        ("DB_POOL_MAX", "7"),
        ("DB_ACQUIRE_TIMEOUT", "250ms"),
        ("DB_LOCK_TIMEOUT", "1s"),
        ("DB_POOLER", "transaction"),
        ("DB_ROLE", "neobank_app"),
        ("DB_APPLICATION_NAME", ""),
    ])
    .unwrap();
    assert_eq!((by_parts.pool_min, by_parts.pool_max), (2, 7));
    assert_eq!(by_parts.acquire_timeout, Duration::from_millis(250));
    assert_eq!(by_parts.lock_timeout, Duration::from_secs(1));
    assert_eq!(by_parts.password(), Some("s3cret"));
    assert_eq!(by_parts.pooler, Pooler::Transaction);
    assert_eq!(by_parts.role.as_deref(), Some("neobank_app"));
    assert_eq!(by_parts.application_name, "neobank");

    let by_url = from(&[
        ("DATABASE_URL", "postgres://a@localhost/b"),
        ("DB_TLS_MODE", "disable"),
    ])
    .unwrap();
    assert_eq!(by_url.database, "b");
}

#[test]
fn environment_names_what_is_wrong() {
    for (variables, message) in [
        (vec![], "DATABASE_URL, or DB_USER is missing"),
        (vec![("DB_USER", "a")], "DB_NAME is missing"),
        (
            vec![
                ("DATABASE_URL", "postgres://a@localhost/b"),
                ("DB_HOST", "c"),
            ],
            "both DATABASE_URL and DB_HOST are set; unset one",
        ),
        (
            vec![("DB_USER", "a"), ("DB_NAME", "b"), ("DB_POOL_MAX", "-1")],
            "DB_POOL_MAX is not a whole number: \"-1\"",
        ),
        (
            vec![("DB_USER", "a"), ("DB_NAME", "b"), ("DB_POOL_MAX", "0")],
            "pool_max is not at least 1: \"0\"",
        ),
        (
            vec![("DB_USER", "a"), ("DB_NAME", "b"), ("DB_POOL_MIN", "11")],
            "pool_min is not at most pool_max: \"11\"",
        ),
        (
            vec![
                ("DB_USER", "a"),
                ("DB_NAME", "b"),
                ("DB_STATEMENT_TIMEOUT", "30"),
            ],
            "DB_STATEMENT_TIMEOUT is not a duration with its unit, such as 500ms or 2s: \"30\"",
        ),
        (
            vec![
                ("DB_USER", "a"),
                ("DB_NAME", "b"),
                ("DB_LOCK_TIMEOUT", "0s"),
            ],
            "lock_timeout is not between 1 ms and 24 days: \"0ns\"",
        ),
        (
            vec![("DB_USER", "a"), ("DB_NAME", "b"), ("DB_PORT", "65536")],
            "DB_PORT is not a port from 1 to 65535: \"65536\"",
        ),
        (
            vec![("DB_USER", "a"), ("DB_NAME", "b"), ("DB_POOLER", "session")],
            "DB_POOLER is not none or transaction: \"session\"",
        ),
    ] {
        assert_eq!(from(&variables).unwrap_err().to_string(), message);
    }
}

/// A password with an unescaped `/`, `?`, `@` or `#` ends the part before it at another place than
/// intended.
#[test]
fn cut_password_is_never_shown() {
    for password in [
        "canary/7391",
        "canary?7391",
        "73/91canary",
        "7391?canary=x",
        "73/canary@91",
        "7391?sslmode=canary",
        "7391?port=canary&",
    ] {
        for rest in [
            "localhost/bank",
            "localhost:6000/bank?sslmode=disable",
            "localhost",
        ] {
            let url = format!("postgresql://teller:{password}@{rest}");
            let shown = match DatabaseConfig::from_url(&url) {
                Ok(config) => format!("{config:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(
                !shown.contains("canary") && !shown.contains("73"),
                "{url}: {shown}"
            );
        }
    }
    let config =
        DatabaseConfig::from_url("postgresql://a:b@localhost/c?application_name=d@e").unwrap();
    assert_eq!(config.application_name, "d@e");
    let config =
        DatabaseConfig::from_url("postgresql://localhost/c?user=a&application_name=d@e").unwrap();
    assert_eq!(config.application_name, "d@e");
}

#[test]
fn role_none_is_rejected() {
    let config = DatabaseConfig::from_url("postgresql://a@localhost/b")
        .unwrap()
        .with_role("none");
    assert!(config.validate().unwrap_err().to_string().contains("role"));
}

/// Returns the first cell of each row of the table under a heading.
fn documented(heading: &str) -> Vec<String> {
    let text = include_str!("../../../../docs/configuration.md");
    let section = text.split(heading).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned())
        .collect()
}

#[test]
fn documentation_lists_the_keys_and_variables_that_are_obeyed() {
    assert_eq!(documented("## Options of a URL"), keys::URL_KEYS);
    assert_eq!(
        documented("## Variables of the environment"),
        keys::VARIABLES
    );
}

#[test]
fn every_listed_key_is_read_and_others_are_rejected_by_name() {
    for key in keys::URL_KEYS {
        let url = format!("postgresql://a@localhost/b?{key}=");
        if let Err(error) = DatabaseConfig::from_url(&url) {
            assert!(!error.to_string().contains("not obeyed"), "{error}");
        }
    }
    for key in ["hostaddr", "service", "load_balance_hosts", "options"] {
        let error = DatabaseConfig::from_url(&format!("postgresql://a@localhost/b?{key}=x"));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(key) && error.contains("not obeyed"),
            "{error}"
        );
    }
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    for url in [None, Some("postgresql://a@localhost/b")] {
        let _ = DatabaseConfig::from_variables(|name| {
            asked.borrow_mut().insert(name.to_owned());
            match name {
                "DATABASE_URL" => url.map(str::to_owned),
                "DB_USER" | "DB_NAME" if url.is_none() => Some("x".to_owned()),
                _ => None,
            }
        });
    }
    assert!(asked.into_inner().iter().eq(keys::VARIABLES));
}

#[test]
fn options_of_libpq_mean_what_they_mean_there() {
    let read = |query: &str| {
        DatabaseConfig::from_url(&format!("postgresql://a@db.example/b?{query}")).unwrap()
    };
    let limit = read("connect_timeout=0").connect_timeout;
    assert!(limit > Duration::from_secs(86_400), "{limit:?}");
    assert_eq!(
        read("sslrootcert=system").tls,
        TlsMode::VerifyFull {
            root_certificate: None
        }
    );
    assert_eq!(
        read("channel_binding=require").channel_binding,
        ChannelBinding::Require
    );
    assert_eq!(
        read("target_session_attrs=read-write").target_session_attrs,
        TargetSessionAttrs::ReadWrite
    );
    // The name of an option within another's value is not an option.
    let config = read("application_name=xsslmode=disable");
    assert_ne!(config.tls, TlsMode::Disable);
}

#[test]
fn hosts_of_the_environment_are_read_like_those_of_a_url() {
    let variables = |port| {
        from(&[
            ("DB_USER", "a"),
            ("DB_NAME", "b"),
            ("DB_HOST", "127.0.0.1,[::1]"),
            ("DB_PORT", port),
        ])
    };
    let config = variables("1,2").unwrap();
    assert_eq!(config.hosts, ["127.0.0.1", "::1"]);
    assert_eq!(config.ports, [1, 2]);
    // Kubernetes sets this beside a service that is called db.
    let config = variables("tcp://10.0.0.1:6543").unwrap();
    assert_eq!(config.ports, [5432]);
    let config = from(&[
        ("DATABASE_URL", "postgresql://teller@localhost:6000/bank"),
        ("DB_PORT", "tcp://10.0.0.1:6543"),
        ("PGPASSFILE", "/run/secrets/pgpass"),
        ("HOME", "/home/teller"),
        // libpq's variables for another database are not read.
        ("PGHOST", "elsewhere.example"),
        ("PGDATABASE", "elsewhere"),
    ])
    .unwrap();
    assert_eq!((config.ports, &*config.database), (vec![6000], "bank"));
    assert_eq!(config.hosts, ["localhost"]);
    assert_eq!(
        config.passfile.unwrap().to_str(),
        Some("/run/secrets/pgpass")
    );
    let config = from(&[
        (
            "DATABASE_URL",
            "postgresql://teller@localhost/bank?passfile=/a/b",
        ),
        ("HOME", "/home/teller"),
    ]);
    assert_eq!(config.unwrap().passfile.unwrap().to_str(), Some("/a/b"));
    let config = from(&[
        ("DATABASE_URL", "postgresql://teller@localhost/bank"),
        ("HOME", "/home/teller"),
    ]);
    let passfile = config.unwrap().passfile.unwrap();
    assert_eq!(passfile.to_str(), Some("/home/teller/.pgpass"));
}

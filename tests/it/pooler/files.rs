//! `userlist.txt` and the HBA file: the running PgBouncer admits the users that they name, and no
//! others.

use neobank_db::{DatabaseConfig, DirectConnection, Pooler};
use neobank_ops::pgbouncer::{HbaRule, HbaSource, PgbouncerUser};

use super::{PASSWORD, drop_user, user_of};
use crate::harness::{LOOPBACK, Pgbouncer, TestBank};

on_both_versions!(only_users_of_the_files_are_admitted);

/// Both users are in `userlist.txt` with the server's own secrets. The HBA rules name only the
/// teller, on one database, from this machine.
async fn only_users_of_the_files_are_admitted(bank: TestBank) {
    let (teller, clerk) = (
        user_of(&bank, "teller").await,
        user_of(&bank, "clerk").await,
    );
    let server = DatabaseConfig::from_url(bank.url()).unwrap();
    let rule = |databases: &[&str], from| {
        let databases = databases.iter().map(|name| (*name).to_owned());
        HbaRule::new(from)
            .with_databases(databases.collect())
            .with_users(vec![teller.name.clone(), "it's \"hostile\"".to_owned()])
    };
    let elsewhere = HbaSource::Network {
        address: "10.0.0.0".parse().unwrap(),
        bits: 8,
    };
    let users = [teller.clone(), clerk.clone()];
    for (rules, is_let_in, what) in [
        (vec![rule(&["bank"], LOOPBACK)], true, "by name"),
        (vec![rule(&[], LOOPBACK)], true, "on every database"),
        (vec![rule(&["other"], LOOPBACK)], false, "another database"),
        (vec![rule(&["bank"], elsewhere)], false, "another network"),
        (
            vec![rule(&["bank"], HbaSource::Socket)],
            false,
            "the socket",
        ),
        (Vec::new(), false, "no rule"),
    ] {
        let pgbouncer = Pgbouncer::start_with_rules(
            &server,
            &server.database,
            &users,
            &rules,
            |_| (),
            |text| text,
        );
        let as_user = |user: &PgbouncerUser, password: &str| {
            let mut config = bank.config().with_password(password);
            config.user.clone_from(&user.name);
            config.role = None;
            pgbouncer.stand_before(&mut config);
            assert_eq!(config.pooler, Pooler::Transaction);
            config
        };
        let opened = DirectConnection::open(&as_user(&teller, PASSWORD)).await;
        assert_eq!(opened.is_ok(), is_let_in, "{what}: {}", pgbouncer.log());
        // In the list of users and with the right password, but in no rule.
        let rejected = DirectConnection::open(&as_user(&clerk, PASSWORD)).await;
        assert!(rejected.is_err(), "{what}: the clerk was let in");
        // In no list.
        let unknown = PgbouncerUser::new("unknown", PASSWORD);
        let rejected = DirectConnection::open(&as_user(&unknown, PASSWORD)).await;
        assert!(rejected.is_err(), "{what}: a stranger was let in");
        let rejected = DirectConnection::open(&as_user(&teller, "wrong")).await;
        assert!(rejected.is_err(), "{what}: a wrong password was let in");
        // PgBouncer parsed every line: it skips what it cannot parse, and reports that only in its
        // log.
        let log = pgbouncer.log();
        for complaint in ["hba line", "could not parse", "broken", "invalid"] {
            assert!(!log.to_lowercase().contains(complaint), "{what}: {log}");
        }
        drop(pgbouncer);
    }
    for user in [teller, clerk] {
        let mut config = bank.config();
        config.user = user.name;
        drop_user(&bank, &config).await;
    }
}

//! Names with special characters, through a real PgBouncer.

use neobank_db::{DatabaseConfig, Executor, statement};
use neobank_ops::pgbouncer::PgbouncerUser;

use super::connect;
use crate::harness::{EmptyDatabase, Pgbouncer};

on_empty_databases!(databases_and_users_with_special_names_are_reached);

async fn databases_and_users_with_special_names_are_reached(empty: EmptyDatabase) {
    let superuser = empty.superuser().await;
    let server = DatabaseConfig::from_url(&empty.url).unwrap();
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    for (number, hostile) in [
        "it's",
        "a;b",
        "100%",
        "%include x",
        "#1",
        " blanks ",
        "\"quoted\"",
        "a=b dbname=postgres",
        "[pgbouncer]",
        "\\",
        "žluťoučký kůň",
        "$1",
        "'; DROP TABLE x; --",
    ]
    .into_iter()
    .enumerate()
    {
        // Roles and databases belong to the server: another test has them under another number.
        let name = format!("{hostile}{}_{number}", server.database);
        let name = if hostile.starts_with(' ') {
            format!("{name} ")
        } else {
            name
        };
        superuser
            .execute(statement(
                &format!("CREATE DATABASE {} TEMPLATE template0", quote(&name)),
                [],
            ))
            .await
            .unwrap();
        superuser
            .execute(statement(
                &format!("CREATE ROLE {} LOGIN PASSWORD 'secret'", quote(&name)),
                [],
            ))
            .await
            .unwrap();
        let users = [PgbouncerUser::new(name.clone(), "secret")];
        let pgbouncer = Pgbouncer::start(&server, &name, &users, |_| ());
        let mut config = server.clone().with_password("secret");
        config.user.clone_from(&name);
        pgbouncer.stand_before(&mut config);
        let database = connect(&config).await;
        let (found, user): (String, String) = {
            let ask = async |what: &str| {
                database
                    .fetch_value::<String>(statement(&format!("SELECT {what}::text"), []))
                    .await
                    .unwrap()
            };
            (ask("current_database()").await, ask("current_user").await)
        };
        assert_eq!(
            (found.as_str(), user.as_str()),
            (name.as_str(), name.as_str())
        );
        database.close();
        drop(pgbouncer);
        superuser
            .execute(statement(
                &format!("DROP DATABASE {} WITH (FORCE)", quote(&name)),
                [],
            ))
            .await
            .unwrap();
        superuser
            .execute(statement(&format!("DROP ROLE {}", quote(&name)), []))
            .await
            .unwrap();
    }
}

//! Transfers through PgBouncer.

use neobank_db::{Executor, statement};
use neobank_domain::TransferRequest;
use neobank_ops::pgbouncer::{PgbouncerConsole, PgbouncerUser};

use super::{before, connect, drop_user};
use crate::harness::{Pgbouncer, TestBank, czk, single};

on_both_versions!(
    transfers_behind_a_pooler_keep_every_invariant,
    clients_never_receive_each_others_answers,
    wrong_password_is_rejected,
    users_are_looked_up,
);

async fn transfers_behind_a_pooler_keep_every_invariant(bank: TestBank) {
    let (pgbouncer, mut config) = before(&bank, |_| ()).await;
    config.pool_max = 8;
    let ledger = single(connect(&config).await);
    let mut accounts = Vec::new();
    for _ in 0..4 {
        accounts.push(bank.account(czk("100")).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..8_usize {
        let (ledger, accounts) = (ledger.clone(), accounts.clone());
        tasks.spawn(async move {
            for number in 0..10_usize {
                let from = accounts[(client + number) % 4];
                let to = accounts[(client + number + 1) % 4];
                ledger
                    .transfer(
                        TransferRequest::new(from, to, czk("1"))
                            .with_idempotency_key(format!("{client}-{number}")),
                    )
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    bank.assert_sound().await;
    let mut sum = czk("0");
    for account in accounts {
        sum = sum.checked_add(bank.balance(account).await).unwrap();
    }
    assert_eq!(sum, czk("400"));
    // 80 transfers, and the 4 deposits on a direct connection.
    assert_eq!(bank.count("banking.transfers").await, 84);
    let console = PgbouncerConsole::open(&pgbouncer.console()).await.unwrap();
    let servers = console.servers().await.unwrap();
    let ours = servers
        .iter()
        .filter(|server| server.user == config.user)
        .count();
    assert!(ours <= 2, "{servers:#?}");
    drop((ledger, pgbouncer));
    drop_user(&bank, &config).await;
}

async fn clients_never_receive_each_others_answers(bank: TestBank) {
    let (pgbouncer, mut config) = before(&bank, |_| ()).await;
    config.pool_max = 8;
    let database = connect(&config).await;
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..8_i64 {
        let database = database.clone();
        tasks.spawn(async move {
            for number in 0..50_i64 {
                // A text of its own for each client, with parameters.
                let sql = format!("SELECT $1::int8 * 1000 + $2::int8 + {client} - {client}");
                let answer: i64 = database
                    .fetch_value(statement(&sql, [client.into(), number.into()]))
                    .await
                    .unwrap();
                assert_eq!(answer, client * 1000 + number);
            }
        });
    }
    tasks.join_all().await;
    drop((database, pgbouncer));
    drop_user(&bank, &config).await;
}

async fn wrong_password_is_rejected(bank: TestBank) {
    let (pgbouncer, config) = before(&bank, |_| ()).await;
    let wrong = config.clone().with_password("wrong");
    let mut eager = wrong;
    eager.pool_min = 1;
    assert!(neobank_db::DirectConnection::open(&eager).await.is_err());
    assert!(neobank_db::DirectConnection::open(&config).await.is_ok());
    assert!(
        pgbouncer.log().contains("authentication failed"),
        "{}",
        pgbouncer.log()
    );
    drop(pgbouncer);
    drop_user(&bank, &config).await;
}

/// A user that is in no file: PgBouncer queries the server for the secret.
async fn users_are_looked_up(bank: TestBank) {
    let stranger = super::user_of(&bank, "stranger").await;
    let server = neobank_db::DatabaseConfig::from_url(bank.url()).unwrap();
    let superuser = bank.superuser().await;
    let auth = format!("auth_{}", server.database);
    superuser
        .execute(statement(
            &format!("CREATE ROLE {auth} LOGIN SUPERUSER PASSWORD 'looks up'"),
            [],
        ))
        .await
        .unwrap();
    let users = [PgbouncerUser::new(auth.clone(), "looks up")];
    let pgbouncer = Pgbouncer::start(&server, &server.database, &users, |config| {
        config.auth_query = Some(neobank_ops::pgbouncer::AuthQuery::new(auth.clone()));
    });
    let mut config = bank.config().with_password(super::PASSWORD);
    config.user.clone_from(&stranger.name);
    config.role = None;
    pgbouncer.stand_before(&mut config);
    let ledger = single(connect(&config).await);
    let (from, to) = (bank.account(czk("5")).await, bank.account(czk("0")).await);
    ledger
        .transfer(TransferRequest::new(from, to, czk("5")))
        .await
        .unwrap();
    assert_eq!(bank.balance(to).await, czk("5"));
    // An expired password is rejected, as the server itself does.
    superuser
        .execute(statement(
            &format!("ALTER ROLE \"{}\" VALID UNTIL '2020-01-01'", stranger.name),
            [],
        ))
        .await
        .unwrap();
    drop((ledger, pgbouncer));
    let pgbouncer = Pgbouncer::start(&server, &server.database, &users, |config| {
        config.auth_query = Some(neobank_ops::pgbouncer::AuthQuery::new(auth.clone()));
    });
    pgbouncer.stand_before(&mut config);
    assert!(
        neobank_db::DirectConnection::open(&config).await.is_err(),
        "{}",
        pgbouncer.log()
    );
    drop(pgbouncer);
    drop_user(&bank, &config).await;
    superuser
        .execute(statement(&format!("DROP ROLE {auth}"), []))
        .await
        .unwrap();
}

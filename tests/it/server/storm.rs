//! Transfers through kills of the service and of PostgreSQL, from callers that repeat their keys.
//!
//! `NEOBANK_SERVICE_TRANSFERS` is the number of transfers, such as 100000.

use std::collections::HashMap;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{AccountId, AccountType, Ledger, PostingRequest, audit};
use neobank_postgres::LocalServer;
use uuid::Uuid;

use super::killed::start;
use super::{send, transfer, with_key};
use crate::cli::program::data;
use crate::harness::{czk, migrate, own_server};

on_servers_of_their_own!(acknowledged_transfers_happen_once_through_faults);

/// The transfers without a number in the environment.
const TRANSFERS: usize = 1_500;
const CALLERS: usize = 32;
/// The transfers between two faults, unless there would be fewer than [`FAULTS_MIN`].
const TRANSFERS_BETWEEN: usize = 1_500;
const FAULTS_MIN: usize = 6;
const PAYEES: usize = 50;

/// A fault of the service or its database.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The service is killed, and another one started.
    Killed,
    /// The service is asked to stop, and another one started.
    Stopped,
    /// A process of PostgreSQL is killed, which ends all its connections and makes it recover.
    DatabaseCrash,
}

const FAULTS: [Fault; 3] = [Fault::Killed, Fault::DatabaseCrash, Fault::Stopped];

/// A bank on a server of its own, which other tests do not need.
struct Bank {
    server: LocalServer,
    payer: AccountId,
    payees: Vec<AccountId>,
}

async fn acknowledged_transfers_happen_once_through_faults(version: u32) {
    let wanted =
        std::env::var("NEOBANK_SERVICE_TRANSFERS").map_or(TRANSFERS, |text| text.parse().unwrap());
    let bank = Arc::new(Bank::on(version).await);
    let bearer = bank.key().await;
    let (mut child, address) = start(bank.server.url(), "127.0.0.1:0");
    let progress = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let caller = Caller {
                numbers: (caller..wanted).step_by(CALLERS),
                bank: Arc::clone(&bank),
                address: address.clone(),
                bearer: bearer.clone(),
                progress: Arc::clone(&progress),
            };
            tokio::spawn(caller.send_all())
        })
        .collect();

    let faults = FAULTS_MIN.max(wanted / TRANSFERS_BETWEEN);
    for number in 0..faults {
        while progress.load(Ordering::Relaxed) < wanted * number / faults {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child = bank
            .inject(FAULTS[number % FAULTS.len()], child, &address)
            .await;
    }
    let mut acknowledged = HashMap::new();
    let mut repeated = 0;
    for caller in callers {
        let (answers, repeats) = caller.await.unwrap();
        acknowledged.extend(answers);
        repeated += repeats;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged.len(), wanted);
    bank.assert_holds(&acknowledged).await;
    println!(
        "PostgreSQL {version}: {wanted} transfers acknowledged once through {faults} faults, \
         after {repeated} repeated requests"
    );
}

/// A caller that sends transfers under keys, each until it is acknowledged.
struct Caller {
    numbers: std::iter::StepBy<std::ops::Range<usize>>,
    bank: Arc<Bank>,
    address: String,
    bearer: String,
    progress: Arc<AtomicUsize>,
}

impl Caller {
    /// Returns the transfer of each key, and the number of repeated requests.
    async fn send_all(self) -> (HashMap<String, Uuid>, usize) {
        let (mut acknowledged, mut repeated) = (HashMap::new(), 0);
        for number in self.numbers {
            let key = format!("storm/{number}");
            let header = with_key(&key);
            let headers = [self.bearer.as_str(), header.as_str()];
            let to = self.bank.payees[number % PAYEES];
            let body = transfer(self.bank.payer, to, "1");
            loop {
                match send(&self.address, "POST", "/v1/transfers", &headers, &body).await {
                    Ok(answer) if answer.status == 201 => {
                        let transfer = answer.body["transfer_id"].as_str().unwrap();
                        acknowledged.insert(key, transfer.parse().unwrap());
                        break;
                    }
                    // The service says that it does not know, or that it stops.
                    Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                    Err(_) => {}
                }
                repeated += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        (acknowledged, repeated)
    }
}

impl Bank {
    async fn on(version: u32) -> Self {
        let server = own_server(version, &[]).await;
        migrate(server.url()).await;
        let database = connect(&server).await;
        let customer = customers::create(&database, &NewCustomer::individual("Ada", "Lovelace"))
            .await
            .unwrap();
        let mut opened = Vec::new();
        for _ in 0..=PAYEES {
            let new = NewAccount::new(
                customer.customer_id,
                AccountType::Checking,
                czk("0").currency(),
            );
            opened.push(accounts::open(&database, &new).await.unwrap().account_id);
        }
        let payer = opened.pop().unwrap();
        let deposit = PostingRequest::deposit(payer, czk("1000000"));
        Ledger::new(database).submit(deposit).await.unwrap();
        Self {
            server,
            payer,
            payees: opened,
        }
    }

    /// Returns the header of a key that may transfer.
    async fn key(&self) -> String {
        let create = ["api-key", "create", "--name", "storm"];
        let create = [
            &create[..],
            &["--scope", "transfers:write", "--actor", "admin:1"],
        ]
        .concat();
        let created = data(self.server.url(), &create).await;
        format!("authorization: Bearer {}", created["key"].as_str().unwrap())
    }

    /// Injects a fault, and returns the service that runs then.
    async fn inject(&self, fault: Fault, mut child: Child, address: &str) -> Child {
        match fault {
            Fault::Killed => child.kill().unwrap(),
            Fault::Stopped => kill("-TERM", child.id()),
            Fault::DatabaseCrash => {
                kill("-KILL", self.process_of_a_connection().await);
                return child;
            }
        }
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
        let ended = ended.await.unwrap();
        assert!(
            ended.success() || matches!(fault, Fault::Killed),
            "{fault:?}: {ended}"
        );
        start(self.server.url(), address).0
    }

    /// Returns a process of PostgreSQL that serves the service.
    async fn process_of_a_connection(&self) -> u32 {
        let sql = "SELECT max(pid) FROM pg_stat_activity
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let database = connect(&self.server).await;
        let process: i32 = database.fetch_value(statement(sql, [])).await.unwrap();
        process.try_into().unwrap()
    }

    /// Fails the test unless the journal has each acknowledged transfer once and no other.
    async fn assert_holds(&self, acknowledged: &HashMap<String, Uuid>) {
        let database = connect(&self.server).await;
        let sql = "SELECT count(*) FROM banking.transfers WHERE transfer_type = 'transfer'";
        let there: i64 = database.fetch_value(statement(sql, [])).await.unwrap();
        assert_eq!(there, acknowledged.len() as i64);
        let sql = "SELECT count(*) FROM jsonb_each_text($1) AS answer (key, transfer_id)
                   JOIN banking.transfers AS transfer
                       ON transfer.transfer_id = answer.transfer_id::uuid
                       AND transfer.idempotency_key LIKE '%' || answer.key";
        let answers = serde_json::to_value(acknowledged).unwrap();
        let values = [answers.into()];
        let equal: i64 = database.fetch_value(statement(sql, values)).await.unwrap();
        assert_eq!(equal, acknowledged.len() as i64);
        assert_eq!(audit::violations(&database).await.unwrap(), []);
    }
}

/// Connects to a server, also while it recovers.
async fn connect(server: &LocalServer) -> Database {
    let config = DatabaseConfig::from_url(server.url()).unwrap();
    for _ in 0..6_000 {
        if let Ok(database) = Database::connect(config.clone()).await
            && database.execute(statement("SELECT", [])).await.is_ok()
        {
            return database;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server does not come back");
}

fn kill(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

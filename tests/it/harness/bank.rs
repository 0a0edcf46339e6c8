//! One test's bank.

use neobank_db::{Database, DatabaseConfig, Executor, statement};
use neobank_domain::accounts::{self, NewAccount};
use neobank_domain::customers::{self, NewCustomer};
use neobank_domain::{
    Account, AccountId, AccountType, Currency, CustomerId, Ledger, Money, PostingRequest, audit,
};

use neobank_migration::{Rollout, RolloutOptions};

use super::{server, single};

/// A migrated database of its own, dropped with this value.
pub(crate) struct TestBank {
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    pub(crate) version: u32,
    url: String,
    name: String,
}

impl TestBank {
    /// Creates a bank on the server of this major version.
    pub(crate) async fn on(version: u32) -> Self {
        let (url, name) = server::new_database(version).await;
        let mut config = DatabaseConfig::from_url(&url)
            .unwrap()
            .with_role("neobank_app");
        config.pool_max = 40;
        config.acquire_timeout = std::time::Duration::from_secs(30);
        let database = Database::connect(config).await.unwrap();
        Self {
            // Each call has a transaction of its own; tests of group commit build another ledger.
            ledger: single(database.clone()),
            database,
            version,
            url,
            name,
        }
    }

    /// Returns the superuser's URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the configuration of an application: the role `neobank_app`, with the test's
    /// changes.
    pub(crate) fn config(&self) -> DatabaseConfig {
        DatabaseConfig::from_url(&self.url)
            .unwrap()
            .with_role("neobank_app")
    }

    /// Connects as an importer: a member of `neobank_import` alone.
    pub(crate) async fn importer(&self) -> Database {
        let config = DatabaseConfig::from_url(&self.url)
            .unwrap()
            .with_role("neobank_import");
        Database::connect(config).await.unwrap()
    }

    /// Opens an account that accepts entries of any time, as an importer.
    pub(crate) async fn open_long_ago(&self, new: NewAccount) -> AccountId {
        let new = new.with_opened_at("0001-01-01T00:00:00Z".parse().unwrap());
        let importer = self.importer().await;
        accounts::open(&importer, &new).await.unwrap().account_id
    }

    /// Connects as the superuser, without restrictions.
    pub(crate) async fn superuser(&self) -> Database {
        Database::connect(DatabaseConfig::from_url(&self.url).unwrap())
            .await
            .unwrap()
    }

    pub(crate) async fn customer(&self) -> CustomerId {
        customers::create(&self.database, &NewCustomer::individual("Ada", "Lovelace"))
            .await
            .unwrap()
            .customer_id
    }

    /// Opens a checking account with this balance, deposited from outside.
    pub(crate) async fn account(&self, balance: Money) -> AccountId {
        let new = NewAccount::new(
            self.customer().await,
            AccountType::Checking,
            balance.currency(),
        );
        let account = accounts::open(&self.database, &new)
            .await
            .unwrap()
            .account_id;
        if balance.is_positive() {
            self.ledger
                .submit(PostingRequest::deposit(account, balance))
                .await
                .unwrap();
        }
        account
    }

    pub(crate) async fn find(&self, account: AccountId) -> Account {
        accounts::find(&self.database, account)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn balance(&self, account: AccountId) -> Money {
        self.find(account).await.current_balance
    }

    /// Fails the test when the auditor finds a violation.
    pub(crate) async fn assert_sound(&self) {
        let violations = audit::violations(&self.database).await.unwrap();
        assert!(violations.is_empty(), "the auditor found: {violations:#?}");
    }

    /// Returns all rows of the money tables as one text: equal texts mean that nothing changed.
    pub(crate) async fn fingerprint(&self) -> String {
        let sql = "SELECT coalesce((SELECT string_agg(a::text, E'\\n' ORDER BY a.account_id) FROM banking.accounts AS a), '')
                || '/' || coalesce((SELECT string_agg(t::text, E'\\n' ORDER BY t.transfer_id) FROM banking.transfers AS t), '')
                || '/' || coalesce((SELECT string_agg(e::text, E'\\n' ORDER BY e.transaction_id)
                                    FROM banking.transactions AS e), '')";
        self.database.fetch_value(statement(sql, [])).await.unwrap()
    }

    /// Returns the number of deadlocks that the server itself has counted in this database. It
    /// counts with a delay of up to a second, so a test that expects none waits for that first.
    pub(crate) async fn deadlocks(&self) -> i64 {
        let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        let superuser = self.superuser().await;
        superuser.fetch_value(statement(sql, [])).await.unwrap()
    }

    pub(crate) async fn assert_no_deadlock(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        assert_eq!(self.deadlocks().await, 0);
    }

    /// Returns the number of a table's rows.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.database
            .fetch_value(statement(&format!("SELECT count(*) FROM {table}"), []))
            .await
            .unwrap()
    }
}

impl Drop for TestBank {
    fn drop(&mut self) {
        self.database.close();
        server::drop_database(self.version, &self.name);
    }
}

/// Disables every trigger and check of the ledger, as only their owner can; one statement.
pub(crate) const GUARDS_OFF: &str = "DO $$BEGIN
    ALTER TABLE banking.accounts DISABLE TRIGGER USER;
    ALTER TABLE banking.customers DISABLE TRIGGER USER;
    ALTER TABLE banking.transfers DISABLE TRIGGER USER;
    ALTER TABLE banking.transactions DISABLE TRIGGER USER;
END$$";

/// Enables them again.
pub(crate) const GUARDS_ON: &str = "DO $$
DECLARE
    v_guard record;
BEGIN
    FOR v_guard IN
        SELECT tgname, tgrelid::regclass AS of,
               CASE WHEN tgname LIKE '%\\_touch' OR tgname IN ('transactions_apply_entries', 'transfers_name_accounts')
                    THEN 'ENABLE' ELSE 'ENABLE ALWAYS' END AS how
        FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid IN ('banking.accounts'::regclass, 'banking.customers'::regclass,
                                               'banking.transfers'::regclass, 'banking.transactions'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', v_guard.of, v_guard.how, v_guard.tgname);
    END LOOP;
END$$";

/// An amount in koruna.
pub(crate) fn czk(text: &str) -> Money {
    Money::parse(text, Currency::from_code("CZK").unwrap()).unwrap()
}

pub(crate) async fn migrate(url: &str) {
    Rollout::connect(url, RolloutOptions::default())
        .await
        .unwrap()
        .up()
        .await
        .unwrap();
}

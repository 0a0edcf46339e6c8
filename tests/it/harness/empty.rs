//! An empty database.

use std::process::Command;

use neobank_db::{Database, DatabaseConfig, Executor, statement};

use super::server;

/// An empty database of its own, dropped with this value.
pub(crate) struct EmptyDatabase {
    pub(crate) version: u32,
    pub(crate) url: String,
    name: String,
}

impl EmptyDatabase {
    pub(crate) async fn on(version: u32) -> Self {
        let (url, name) = server::empty_database(version).await;
        Self { version, url, name }
    }

    /// As [`Self::on`], owned by a role that may log in and create roles, and nothing more; the URL
    /// is that role's.
    pub(crate) async fn owned_on(version: u32) -> Self {
        let (url, name) = server::owned_database(version).await;
        Self { version, url, name }
    }

    /// As [`Self::on`], in an encoding that cannot represent every character.
    pub(crate) async fn in_latin1_on(version: u32) -> Self {
        let (url, name) = server::latin1_database(version).await;
        Self { version, url, name }
    }

    /// Connects as the server's superuser.
    pub(crate) async fn superuser(&self) -> Database {
        Database::connect(DatabaseConfig::from_url(&self.superuser_url()).unwrap())
            .await
            .unwrap()
    }

    /// Returns the superuser's URL.
    pub(crate) fn superuser_url(&self) -> String {
        server::server(self.version).database_url(&self.name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a row to the migrated schema that a rollout must not destroy without confirmation.
    pub(crate) async fn add_customer(&self) {
        let sql = "INSERT INTO banking.customers (customer_id, customer_number, first_name, last_name, email,
                                                  date_of_birth)
                   VALUES (gen_random_uuid(), 'C1', 'A', 'B', 'a@bank.example', '1990-01-01')";
        let superuser = self.superuser().await;
        superuser.execute(statement(sql, [])).await.unwrap();
    }

    pub(crate) async fn customers(&self) -> i64 {
        let sql = "SELECT count(*) FROM banking.customers";
        let superuser = self.superuser().await;
        superuser.fetch_value(statement(sql, [])).await.unwrap()
    }

    /// Returns the schema as the server's own `pg_dump` writes it, without the lines that differ
    /// each time.
    pub(crate) fn dump(&self) -> String {
        let server = server::server(self.version);
        let output = Command::new(server.bin_directory().unwrap().join("pg_dump"))
            .args(["--schema-only", "--dbname"])
            .arg(server.database_url(&self.name))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

impl Drop for EmptyDatabase {
    fn drop(&mut self) {
        server::drop_database(self.version, &self.name);
    }
}

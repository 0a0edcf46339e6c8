//! A database with nothing in it.

use std::process::Command;

use neobank_db::{Database, DatabaseConfig};

use super::server;

/// A database of its own with nothing in it, dropped with this value.
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

    /// The database as its superuser.
    pub(crate) async fn superuser(&self) -> Database {
        Database::connect(DatabaseConfig::from_url(&self.url).unwrap())
            .await
            .unwrap()
    }

    /// The schema as the server's own `pg_dump` writes it, without the lines that differ each time.
    pub(crate) fn dump(&self) -> String {
        let server = server::server(self.version);
        let output = Command::new(server.bin_directory().unwrap().join("pg_dump"))
            .args(["--schema-only", "--dbname", &self.url])
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

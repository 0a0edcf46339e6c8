//! B1: a connection that is protected, or none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, TlsMode, statement};
use neobank_postgres::{Durability, LocalServer, ServerOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// A server whose certificate the test chooses, and the authority that clients are to trust.
struct ProtectedServer {
    server: LocalServer,
    superuser: Database,
    folder: PathBuf,
    trusted: tempfile::NamedTempFile,
    authority: CertifiedIssuer<'static, KeyPair>,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

impl ProtectedServer {
    async fn start(version: u32) -> Self {
        let server = tokio::task::spawn_blocking(move || {
            ServerOptions::default()
                .version(Some(version))
                .durability(Durability::Fast)
                .start()
                .unwrap()
        })
        .await
        .unwrap();
        let superuser = Database::connect(DatabaseConfig::from_url(server.url()).unwrap())
            .await
            .unwrap();
        let folder: String = superuser
            .fetch_value(statement("SELECT current_setting('data_directory')", []))
            .await
            .unwrap();
        let authority = authority("The bank's own");
        let trusted = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(trusted.path(), authority.pem()).unwrap();
        Self {
            server,
            superuser,
            folder: folder.into(),
            trusted,
            authority,
        }
    }

    /// Gives the server a certificate for a name, by an authority, until a year.
    async fn certify(&self, name: &str, by: &CertifiedIssuer<'static, KeyPair>, until: i32) {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, by).unwrap();
        for (file, text) in [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            give(&self.folder, &self.folder.join(file), &text);
        }
        for sql in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            self.superuser.execute(statement(sql, [])).await.unwrap();
        }
        // The server reads it in its own time; a session that starts afterwards has it.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    fn config(&self) -> DatabaseConfig {
        let mut config = DatabaseConfig::from_url(self.server.url()).unwrap();
        config.hosts = vec!["localhost".to_owned()];
        config.tls = TlsMode::VerifyFull {
            root_certificate: Some(self.trusted.path().to_owned()),
        };
        config
    }

    async fn refusal(&self) -> String {
        match Database::connect(self.config()).await {
            Err(DatabaseError::Connect { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
}

/// The server reads its key only from a file that is its own and nobody else's.
fn give(folder: &Path, file: &Path, text: &str) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    std::fs::write(file, text).unwrap();
    let owner = std::fs::metadata(folder).unwrap();
    chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn only_the_right_server_is_talked_to(version: u32) {
    let server = ProtectedServer::start(version).await;
    // A server without TLS: there is no falling back to a plain connection.
    let reason = server.refusal().await;
    assert!(reason.contains("TLS"), "{reason}");

    server.certify("localhost", &server.authority, 2999).await;
    let database = Database::connect(server.config()).await.unwrap();
    let protection: String = database
        .fetch_value(statement(
            "SELECT ssl || ' ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            [],
        ))
        .await
        .unwrap();
    assert_eq!(protection, "true TLSv1.3");
    a_statement_that_nobody_waits_for_ends(&server, &database).await;

    server
        .certify("other.example", &server.authority, 2999)
        .await;
    let reason = server.refusal().await;
    assert!(reason.contains("not valid for name"), "{reason}");

    server.certify("localhost", &server.authority, 2001).await;
    let reason = server.refusal().await;
    assert!(reason.contains("expired"), "{reason}");

    server
        .certify("localhost", &authority("Somebody else's"), 2999)
        .await;
    let reason = server.refusal().await;
    assert!(reason.contains("UnknownIssuer"), "{reason}");
    // The operating system's authorities do not know it either.
    let mut config = server.config();
    config.tls = TlsMode::VerifyFull {
        root_certificate: None,
    };
    assert!(Database::connect(config).await.is_err());
}

/// Behind TLS too, a dropped future ends its statement on the server, and its place in the pool is free.
async fn a_statement_that_nobody_waits_for_ends(server: &ProtectedServer, database: &Database) {
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    let sleepers = async || {
        let count: i64 = server
            .superuser
            .fetch_value(statement(asleep, []))
            .await
            .unwrap();
        count
    };
    let given_up = tokio::time::timeout(
        Duration::from_millis(200),
        database.execute(statement("SELECT pg_sleep(20)", [])),
    )
    .await;
    assert!(given_up.is_err());
    for _ in 0..300 {
        if sleepers().await == 0 {
            super::assert_all_come_back(database).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the statement still runs");
}

/// On one version alone: the wheel's PostgreSQL 18 is built without TLS, and TLS is the client's and OpenSSL's matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_server_is_talked_to_on_postgres_15() {
    only_the_right_server_is_talked_to(15).await;
}

//! Encrypted connections, and the rejection of every other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use neobank_db::{Database, DatabaseConfig, DatabaseError, Executor, TlsMode, statement};
use neobank_postgres::LocalServer;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// A server whose certificate the test chooses, and the authority that clients trust.
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
        let server = crate::harness::own_server(version, &[]).await;
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

    /// Installs a server certificate for a name, by an authority, valid until a year.
    async fn certify(&self, name: &str, by: &CertifiedIssuer<'static, KeyPair>, until: i32) {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, by).unwrap();
        self.install(&certificate.pem(), &key.serialize_pem()).await;
    }

    /// Installs a self-signed server certificate.
    async fn install_own(&self, common_name: &str, until: i32) -> String {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters
            .distinguished_name
            .push(DnType::CommonName, common_name);
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().pem();
        self.install(&certificate, &key.serialize_pem()).await;
        certificate
    }

    async fn install(&self, certificate: &str, key: &str) {
        for (file, text) in [("server.crt", certificate), ("server.key", key)] {
            give(&self.folder, &self.folder.join(file), text);
        }
        for sql in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            self.superuser.execute(statement(sql, [])).await.unwrap();
        }
        // The server reloads it asynchronously; a session that starts afterwards has it.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    fn trust(&self, certificates: &str) {
        std::fs::write(self.trusted.path(), certificates).unwrap();
    }

    async fn set(&self, setting: &str) {
        let sql = format!("ALTER SYSTEM SET {setting}");
        self.superuser.execute(statement(&sql, [])).await.unwrap();
    }

    fn config(&self) -> DatabaseConfig {
        let mut config = DatabaseConfig::from_url(self.server.url()).unwrap();
        config.hosts = vec!["localhost".to_owned()];
        config.tls = TlsMode::VerifyFull {
            root_certificate: Some(self.trusted.path().to_owned()),
        };
        config
    }

    async fn rejection(&self) -> String {
        match Database::connect(self.config()).await {
            Err(DatabaseError::Connect { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
}

/// Writes a key that only the server's user may read, as the server requires.
fn give(folder: &Path, file: &Path, text: &str) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    std::fs::write(file, text).unwrap();
    let owner = std::fs::metadata(folder).unwrap();
    chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn only_a_verified_server_is_accepted(version: u32) {
    let server = ProtectedServer::start(version).await;
    // The server has no TLS, and the client does not fall back to a plain connection.
    let reason = server.rejection().await;
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
    abandoned_statement_ends(&server, &database).await;

    server
        .certify("other.example", &server.authority, 2999)
        .await;
    let reason = server.rejection().await;
    assert!(reason.contains("not valid for name"), "{reason}");

    server.certify("localhost", &server.authority, 2001).await;
    let reason = server.rejection().await;
    assert!(reason.contains("expired"), "{reason}");

    server
        .certify("localhost", &authority("Another authority"), 2999)
        .await;
    let reason = server.rejection().await;
    assert!(reason.contains("UnknownIssuer"), "{reason}");
    // The operating system's authorities do not include it either.
    let mut config = server.config();
    config.tls = TlsMode::VerifyFull {
        root_certificate: None,
    };
    assert!(Database::connect(config).await.is_err());
}

/// Behind TLS too, a dropped future ends its statement on the server, and its slot in the pool is
/// free.
async fn abandoned_statement_ends(server: &ProtectedServer, database: &Database) {
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

/// On one version only: the wheel's PostgreSQL 18 is built without TLS, which is a matter of the
/// client and OpenSSL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_verified_server_is_accepted_on_postgres_15() {
    only_a_verified_server_is_accepted(15).await;
}

/// Runs a command of PostgreSQL's manual, "Creating Certificates".
fn openssl(folder: &Path, arguments: &str) {
    let output = std::process::Command::new("openssl")
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

async fn certificates_of_the_manual_are_accepted_or_explained(version: u32) {
    let server = ProtectedServer::start(version).await;
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let accepted = async |what: &str| {
        Database::connect(server.config())
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    };

    // Self-signed, and the clients' root: an authority's certificate without alternative names.
    openssl(
        folder.path(),
        "req -new -x509 -days 365 -nodes -text -out own.crt -keyout own.key -subj /CN=localhost",
    );
    server.trust(&read("own.crt"));
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        server
            .set(&format!("ssl_max_protocol_version = '{protocol}'"))
            .await;
        server.install(&read("own.crt"), &read("own.key")).await;
        accepted(protocol).await;
    }
    // The same name and key in another certificate.
    openssl(
        folder.path(),
        "req -new -x509 -days 365 -nodes -key own.key -out other.crt -subj /CN=localhost",
    );
    server.trust(&read("other.crt"));
    let reason = server.rejection().await;
    assert!(reason.contains("an authority's own"), "{reason}");

    // A self-signed certificate without extensions, which older commands create in version 1.
    openssl(
        folder.path(),
        "req -new -nodes -text -out old.csr -keyout old.key -subj /CN=localhost",
    );
    openssl(
        folder.path(),
        "x509 -req -in old.csr -text -days 365 -signkey old.key -out old.crt",
    );
    server.install(&read("old.crt"), &read("old.key")).await;
    server.trust(&read("old.crt"));
    accepted("version 1").await;

    // A leaf certificate of the manual's own authority.
    openssl(
        folder.path(),
        "x509 -req -in old.csr -text -days 365 -CA own.crt -CAkey own.key -CAcreateserial \
         -out leaf.crt",
    );
    server.install(&read("leaf.crt"), &read("old.key")).await;
    server.trust(&read("own.crt"));
    let reason = server.rejection().await;
    assert!(reason.contains("subjectAltName"), "{reason}");
    // The leaf certificate itself is trusted.
    server.trust(&(read("own.crt") + &read("leaf.crt")));
    accepted("pinned leaf").await;
    // A certificate of version 3 whose name is only the common name.
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    let key = KeyPair::generate().unwrap();
    let leaf = parameters.signed_by(&key, &server.authority).unwrap();
    server.install(&leaf.pem(), &key.serialize_pem()).await;
    server.trust(&server.authority.pem());
    let reason = server.rejection().await;
    assert!(reason.contains("it has no subjectAltName"), "{reason}");
}

async fn pinned_certificate_is_still_checked(version: u32) {
    let server = ProtectedServer::start(version).await;
    server.trust(&server.install_own("localhost", 2999).await);
    Database::connect(server.config()).await.unwrap();
    server.trust(&server.install_own("localhost", 2001).await);
    let reason = server.rejection().await;
    assert!(reason.contains("expired"), "{reason}");
    server.trust(&server.install_own("other.example", 2999).await);
    let reason = server.rejection().await;
    assert!(reason.contains("not valid for name"), "{reason}");
    // The certificate has the name, but the server has another key.
    let trusted = server.install_own("localhost", 2999).await;
    server.install_own("localhost", 2999).await;
    server.trust(&trusted);
    let reason = server.rejection().await;
    assert!(reason.contains("cannot be verified"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_the_manual_are_accepted_or_explained_on_postgres_15() {
    certificates_of_the_manual_are_accepted_or_explained(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_certificate_is_still_checked_on_postgres_15() {
    pinned_certificate_is_still_checked(15).await;
}

//! Certificates, created by the commands in PostgreSQL's manual ("Creating Certificates").

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kind of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificates {
    /// `openssl req -new -x509`: it is its own authority.
    SelfSigned,
    /// An authority of its own signs the server's, which has no extensions.
    LeafWithoutName,
    /// An authority of its own signs the server's, which has the name of the host.
    Leaf,
}

impl Certificates {
    /// Creates certificates for `localhost`, and returns the server's certificate, its key, and the
    /// file that a client must trust.
    pub(crate) fn make(self, folder: &Path) -> [PathBuf; 3] {
        let config = openssl_config(folder);
        let openssl = |arguments: &str| {
            let output = Command::new("openssl")
                .current_dir(folder)
                .env("OPENSSL_CONF", &config)
                .args(arguments.split(' '))
                .output()
                .expect("openssl is installed");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "openssl {arguments}: {said}");
        };
        match self {
            Self::SelfSigned => {
                openssl(
                    "req -new -x509 -days 365 -nodes -text -out server.crt -keyout server.key \
                     -subj /CN=localhost",
                );
                ["server.crt", "server.key", "server.crt"].map(|name| folder.join(name))
            }
            Self::LeafWithoutName | Self::Leaf => {
                let (name, copy) = if self == Self::Leaf {
                    (
                        " -addext subjectAltName=DNS:localhost",
                        " -copy_extensions copy",
                    )
                } else {
                    ("", "")
                };
                for command in [
                    "req -new -nodes -text -out root.csr -keyout root.key -subj /CN=root",
                    "x509 -req -in root.csr -text -days 3650 -extfile openssl.cnf \
                     -extensions v3_ca -signkey root.key -out root.crt",
                    &format!(
                        "req -new -nodes -text -out server.csr -keyout server.key \
                         -subj /CN=localhost{name}"
                    ),
                    &format!(
                        "x509 -req -in server.csr -text -days 365{copy} -CA root.crt \
                         -CAkey root.key -CAcreateserial -out server.crt"
                    ),
                ] {
                    openssl(command);
                }
                ["server.crt", "server.key", "root.crt"].map(|name| folder.join(name))
            }
        }
    }

    /// Puts them into the data folder of a server, as its own files, and returns the file that
    /// clients must trust.
    pub(crate) fn give(self, folder: &Path, data: &Path) -> PathBuf {
        let [certificate, key, trusted] = self.make(folder);
        let account = std::fs::metadata(data).unwrap();
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = data.join(name);
            std::fs::copy(from, &to).unwrap();
            chown(&to, Some(account.uid()), Some(account.gid())).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        trusted
    }
}

/// OpenSSL's own defaults, as Debian ships them: `req -x509` creates an authority.
fn openssl_config(folder: &Path) -> PathBuf {
    let file = folder.join("openssl.cnf");
    let text = "[req]\ndistinguished_name = name\nx509_extensions = v3_ca\n[name]\n\
                [v3_ca]\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid:always,issuer\n\
                basicConstraints = critical,CA:true\n";
    std::fs::write(&file, text).unwrap();
    file
}

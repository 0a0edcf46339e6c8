//! libpq's options for the choice of a server and its authentication.

use super::ConfigError;

/// The kind of server that a connection requires; libpq's `target_session_attrs`.
///
/// The client checks it as libpq does: by the parameters `in_hot_standby` and
/// `default_transaction_read_only`, which the server reports at the start and after each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetSessionAttrs {
    /// A primary where one of the hosts is one, otherwise the first host that answers. The default.
    /// libpq's default is `any`, which gives a writer a standby when that is listed first.
    #[default]
    PreferPrimary,
    /// The first host that answers.
    Any,
    /// A server whose sessions may write.
    ReadWrite,
    /// A server whose sessions may not write.
    ReadOnly,
    /// A server that is not in recovery.
    Primary,
    /// A server that is in recovery.
    Standby,
    /// A standby where one of the hosts is one, otherwise any.
    PreferStandby,
}

/// The role of a server, as it reports itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerRole {
    pub(crate) in_recovery: bool,
    pub(crate) read_only: bool,
}

impl TargetSessionAttrs {
    pub(super) fn read(field: &str, text: &str) -> Result<Self, ConfigError> {
        Ok(match text {
            "prefer-primary" => Self::PreferPrimary,
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            _ => {
                return Err(ConfigError::invalid(
                    field,
                    text,
                    "any, read-write, read-only, primary, standby, prefer-standby or \
                     prefer-primary",
                ));
            }
        })
    }

    /// Returns true when a second round over the hosts may take any server.
    pub(crate) const fn is_preference(self) -> bool {
        matches!(self, Self::PreferPrimary | Self::PreferStandby)
    }

    /// Returns the reason why a server is not of the wanted kind; `None` when it is.
    pub(crate) const fn objection(self, server: ServerRole) -> Option<&'static str> {
        let may_write = !server.in_recovery && !server.read_only;
        match self {
            Self::ReadWrite if !may_write => Some("its sessions are read only"),
            Self::ReadOnly if may_write => Some("its sessions may write"),
            Self::Primary | Self::PreferPrimary if server.in_recovery => Some("it is a standby"),
            Self::Standby | Self::PreferStandby if !server.in_recovery => {
                Some("it is not a standby")
            }
            _ => None,
        }
    }
}

/// The authentication methods that the server may use; libpq's `require_auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthMethods {
    none: bool,
    password: bool,
    md5: bool,
    scram: bool,
}

impl AuthMethods {
    /// Returns the methods for a server whose certificate was not verified: those that do not
    /// reveal the password.
    #[must_use]
    pub const fn without_tls() -> Self {
        Self {
            none: true,
            password: false,
            md5: false,
            scram: true,
        }
    }

    /// Returns every method that this crate knows.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            none: true,
            password: true,
            md5: true,
            scram: true,
        }
    }

    /// Parses libpq's list, such as `scram-sha-256` or `!password,!md5`.
    pub(super) fn read(field: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError::invalid(
                field,
                text,
                "a list of scram-sha-256, md5, password and none, each or none of them with ! in \
                 front",
            )
        };
        let excludes = text.starts_with('!');
        let mut methods = Self {
            none: excludes,
            password: excludes,
            md5: excludes,
            scram: excludes,
        };
        for part in text.split(',').map(str::trim) {
            let name = match (excludes, part.strip_prefix('!')) {
                (true, Some(name)) => name,
                (false, None) => part,
                _ => return Err(wrong()),
            };
            match name {
                "none" => methods.none = !excludes,
                "password" => methods.password = !excludes,
                "md5" => methods.md5 = !excludes,
                "scram-sha-256" => methods.scram = !excludes,
                _ => return Err(wrong()),
            }
        }
        Ok(methods)
    }

    /// Returns the reason against an authentication request, by its code in the protocol; `None`
    /// when it is allowed.
    pub(crate) const fn objection(self, code: i32) -> Option<&'static str> {
        match code {
            0 if !self.none => Some(
                "the server asked for no password, and require_auth does not allow that: it may be \
                 another server",
            ),
            3 if !self.password => Some(
                "the server asked for the password in clear, which is allowed only with verified TLS \
                 (sslmode=verify-full) or with require_auth=password",
            ),
            5 if !self.md5 => Some(
                "the server asked for the password by MD5, which is allowed only with verified TLS \
                 (sslmode=verify-full) or with require_auth=md5; set password_encryption = scram-sha-256 and the \
                 password again",
            ),
            10 if !self.scram => {
                Some("the server asked for SCRAM, and require_auth does not allow that")
            }
            _ => None,
        }
    }
}

/// The binding of the password's proof to the server's certificate; libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelBinding {
    /// The client never binds the proof.
    Disable,
    /// The client binds the proof where the server offers it. The default.
    #[default]
    Prefer,
    /// The client always binds the proof, and rejects a connection that does not allow it.
    Require,
}

impl ChannelBinding {
    pub(super) fn read(field: &str, text: &str) -> Result<Self, ConfigError> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            _ => {
                return Err(ConfigError::invalid(
                    field,
                    text,
                    "disable, prefer or require",
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_take_a_primary_and_readers_what_they_asked_for() {
        use TargetSessionAttrs::*;
        let role = |in_recovery, read_only| ServerRole {
            in_recovery,
            read_only,
        };
        for (attrs, primary, standby, read_only) in [
            (Any, true, true, true),
            (ReadWrite, true, false, false),
            (ReadOnly, false, true, true),
            (Primary, true, false, true),
            (PreferPrimary, true, false, true),
            (Standby, false, true, false),
            (PreferStandby, false, true, false),
        ] {
            let accepts = |server| attrs.objection(server).is_none();
            assert_eq!(accepts(role(false, false)), primary, "{attrs:?}");
            assert_eq!(accepts(role(true, false)), standby, "{attrs:?}");
            assert_eq!(accepts(role(false, true)), read_only, "{attrs:?}");
        }
    }

    #[test]
    fn lists_of_methods_are_read_as_libpq_reads_them() {
        let read = |text| AuthMethods::read("require_auth", text);
        let scram = read("scram-sha-256").unwrap();
        assert!(scram.objection(10).is_none() && scram.objection(0).is_some());
        let without = read("!password, !md5").unwrap();
        assert_eq!(without, AuthMethods::without_tls());
        for wrong in ["", "!md5,password", "kerberos"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

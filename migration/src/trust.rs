//! The owners of objects that a rollout reads and executes: another role's objects are neither read
//! nor run.

use neobank_db::DatabaseError;

use crate::error::RolloutError;
use crate::session::{Session, column};

/// The group roles that the schema grants privileges to. They belong to the whole cluster.
const GROUPS: &str = "('neobank_app', 'neobank_read', 'neobank_import')";

/// Objects in the given schemas of other roles than the current one, one sentence each. A trigger's
/// function runs with the privileges of the writing role, so the function's owner counts too.
const FOREIGN: &str = "
WITH me AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user
), own AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1)
), found AS (
    SELECT pg_catalog.format('the schema %I', nspname) AS what, nspowner AS owner FROM own
    UNION ALL
    SELECT pg_catalog.format('the relation %I.%I', own.nspname, c.relname), c.relowner
    FROM pg_catalog.pg_class AS c JOIN own ON own.oid = c.relnamespace
    UNION ALL
    SELECT pg_catalog.format('the function %I.%I', own.nspname, p.proname), p.proowner
    FROM pg_catalog.pg_proc AS p JOIN own ON own.oid = p.pronamespace
    UNION ALL
    SELECT pg_catalog.format('the operator %I.%s', own.nspname, o.oprname), o.oprowner
    FROM pg_catalog.pg_operator AS o JOIN own ON own.oid = o.oprnamespace
    UNION ALL
    SELECT pg_catalog.format('the type %I.%I', own.nspname, t.typname), t.typowner
    FROM pg_catalog.pg_type AS t JOIN own ON own.oid = t.typnamespace
    WHERE t.typrelid = 0 AND t.typelem = 0
    UNION ALL
    SELECT pg_catalog.format('the function of the trigger %I on %I.%I',
                             t.tgname, own.nspname, c.relname), p.proowner
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
    JOIN own ON own.oid = c.relnamespace
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE NOT t.tgisinternal AND n.nspname <> 'pg_catalog'
)
SELECT pg_catalog.format('%s belongs to %s', found.what, pg_catalog.pg_get_userbyid(found.owner))
FROM found, me WHERE found.owner <> me.oid
UNION ALL
SELECT pg_catalog.format('%s may create objects in the schema %I',
                         CASE WHEN acl.grantee = 0 THEN 'PUBLIC'
                              ELSE pg_catalog.pg_get_userbyid(acl.grantee)::text END,
                         own.nspname)
FROM own, LATERAL pg_catalog.aclexplode(own.nspacl) AS acl
WHERE acl.privilege_type = 'CREATE' AND acl.grantee <> own.nspowner
ORDER BY 1
LIMIT 10";

/// The records of earlier rollouts, if reading them would execute or trust another role's work. The
/// owner of the database and superusers may have run a rollout.
const UNREADABLE: &str = "
SELECT pg_catalog.format('%s belongs to %s', what, pg_catalog.pg_get_userbyid(owner)) FROM (
    SELECT pg_catalog.format('the schema %I', nspname) AS what, nspowner AS owner
    FROM pg_catalog.pg_namespace WHERE nspname = 'migration'
    UNION ALL
    SELECT pg_catalog.format('the relation migration.%I', c.relname), c.relowner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'migration'
) AS found
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS role
    WHERE role.oid = found.owner
      AND (role.rolsuper OR role.rolname = current_user
           OR role.oid = (SELECT datdba FROM pg_catalog.pg_database
                          WHERE datname = pg_catalog.current_database()))
)
UNION ALL
SELECT pg_catalog.format('migration.%I is no ordinary table', c.relname)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'migration' AND c.relname IN ('checksums', 'seaql_migrations')
  AND (c.relkind <> 'r' OR c.relrowsecurity)
ORDER BY 1
LIMIT 10";

/// Group roles that are more than groups: such a role has the bank's privileges at once.
const UNFIT_GROUPS: &str = "
SELECT pg_catalog.format('the role %I may log in or has attributes of an administrator; '
                         'it must be a plain group', rolname)
FROM pg_catalog.pg_roles
WHERE rolname IN GROUPS
  AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
ORDER BY 1";

/// Roles that have a group's privileges, or can grant them to themselves. PostgreSQL 16 added a
/// membership that only administers, which the creator of a role gets.
const MEMBERS: &str = "
SELECT pg_catalog.format('%I is a member of %I', member.rolname, grp.rolname)
       || CASE WHEN m.admin_option THEN ' and may add members' ELSE '' END
FROM pg_catalog.pg_auth_members AS m
JOIN pg_catalog.pg_roles AS grp ON grp.oid = m.roleid
JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
WHERE grp.rolname IN GROUPS AND member.rolname <> current_user
ORDER BY 1
LIMIT 10";

/// Other databases of the cluster where a group has privileges: its members there have the bank's
/// privileges here too. Dependencies of roles are recorded for the whole cluster.
const SHARED_GROUPS: &str = "
SELECT pg_catalog.format('the role %I is used by other databases of this cluster too, and its members have the same '
                         'privileges in all of them: %s; keep each bank in a cluster of its own', rolname,
                         pg_catalog.string_agg(pg_catalog.quote_ident(datname), ', ' ORDER BY place)
                             FILTER (WHERE place <= 5)
                         || CASE WHEN pg_catalog.count(*) > 5
                                 THEN pg_catalog.format(' and %s more', pg_catalog.count(*) - 5) ELSE '' END)
FROM (
    SELECT r.rolname, d.datname,
           pg_catalog.row_number() OVER (PARTITION BY r.oid ORDER BY d.oid) AS place
    FROM pg_catalog.pg_roles AS r CROSS JOIN pg_catalog.pg_database AS d
    WHERE r.rolname IN GROUPS AND d.datname <> pg_catalog.current_database() AND EXISTS (
        SELECT FROM pg_catalog.pg_shdepend AS s
        WHERE s.dbid = d.oid AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = r.oid)
) AS used
GROUP BY rolname
ORDER BY rolname";

/// A database to which PUBLIC may connect, and whose privileges the current role, which does not
/// own it, cannot change.
const OPEN_TO_EVERYONE: &str = "
SELECT pg_catalog.format('everyone may connect to the database %1$I, and only its owner %2$I can change that: have it '
                         'run REVOKE CONNECT, TEMPORARY ON DATABASE %1$I FROM PUBLIC, and GRANT CONNECT to neobank_app, '
                         'neobank_read and neobank_import', d.datname, pg_catalog.pg_get_userbyid(d.datdba))
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
  AND NOT pg_catalog.pg_has_role(current_user, d.datdba, 'USAGE')
  AND EXISTS (
      SELECT FROM pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS acl
      WHERE acl.grantee = 0)";

/// Rejects the records of a database where another role could have planted them.
pub(crate) async fn check_reading(session: &Session) -> Result<(), RolloutError> {
    reject(texts(session, UNREADABLE, None).await)
}

/// Rejects a change of a database where another role owns an object in the schemas, whose encoding
/// cannot represent every character, or whose group roles are more than groups.
pub(crate) async fn check_changing(
    session: &Session,
    schemas: &[&str],
) -> Result<(), RolloutError> {
    if session.encoding != "UTF8" {
        return Err(RolloutError::Encoding {
            database: session.database.clone(),
            encoding: session.encoding.clone(),
        });
    }
    check_reading(session).await?;
    let names = schemas.iter().copied().chain(["migration"]);
    let names: Vec<String> = names.map(str::to_owned).collect();
    reject(texts(session, FOREIGN, Some(names)).await)?;
    if schemas.contains(&"banking") {
        reject(texts(session, &UNFIT_GROUPS.replace("GROUPS", GROUPS), None).await)?;
    }
    Ok(())
}

/// Returns warnings for a person before a rollout, one sentence each.
pub(crate) async fn warnings(
    session: &Session,
    schemas: &[&str],
) -> Result<Vec<String>, DatabaseError> {
    let mut warnings = Vec::new();
    if session.is_superuser {
        warnings.push(format!(
            "{} is a superuser, and every function that runs with its owner's rights would be a \
             superuser's: roll out as an ordinary role that owns the database",
            session.role
        ));
    }
    if schemas.contains(&"banking") {
        for sql in [MEMBERS, SHARED_GROUPS, OPEN_TO_EVERYONE] {
            warnings.extend(texts(session, &sql.replace("GROUPS", GROUPS), None).await?);
        }
    }
    Ok(warnings)
}

fn reject(found: Result<Vec<String>, DatabaseError>) -> Result<(), RolloutError> {
    let problems = found.map_err(|error| RolloutError::database(&error))?;
    if problems.is_empty() {
        Ok(())
    } else {
        Err(RolloutError::Untrusted { problems })
    }
}

async fn texts(
    session: &Session,
    sql: &str,
    names: Option<Vec<String>>,
) -> Result<Vec<String>, DatabaseError> {
    let rows = session.rows(sql, names.map(Into::into)).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

-- By default every role that may log in to the server may connect to the database, take advisory
-- locks there and fill the disk with temporary tables. After this migration only the roles of the
-- bank may, and roles with a grant of the database's owner.
CREATE SCHEMA IF NOT EXISTS migration;
CREATE TABLE migration.former_privileges (
    role_name text NOT NULL,
    privilege text NOT NULL CHECK (privilege IN ('CONNECT', 'TEMPORARY')),
    PRIMARY KEY (role_name, privilege)
);
COMMENT ON TABLE migration.former_privileges IS 'The privileges of PUBLIC and the group roles on the database before the rollout.';

DO $$
DECLARE
    v_database pg_catalog.pg_database;
BEGIN
    SELECT * INTO STRICT v_database FROM pg_catalog.pg_database WHERE datname = current_database();
    INSERT INTO migration.former_privileges (role_name, privilege)
    SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee)::text END, acl.privilege_type
    FROM aclexplode(coalesce(v_database.datacl, acldefault('d', v_database.datdba))) AS acl
    WHERE acl.privilege_type IN ('CONNECT', 'TEMPORARY')
      AND (acl.grantee = 0 OR pg_get_userbyid(acl.grantee) IN ('neobank_app', 'neobank_read', 'neobank_import'));
    -- Only the owner of the database can; otherwise the rollout's warnings report it.
    IF NOT pg_has_role(current_user, v_database.datdba, 'USAGE') THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO neobank_app, neobank_read, neobank_import', current_database());
END
$$;

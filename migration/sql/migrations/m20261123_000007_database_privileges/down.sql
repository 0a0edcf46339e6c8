-- Restores the former privileges. Runs also before all schemas are dropped, in any state of the
-- database.
DO $$
DECLARE
    v_former record;
BEGIN
    IF to_regclass('migration.former_privileges') IS NULL OR NOT pg_has_role(current_user, (
        SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()), 'USAGE') THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM neobank_app, neobank_read, neobank_import', current_database());
    FOR v_former IN
        SELECT role_name, privilege FROM migration.former_privileges
        WHERE role_name IN ('PUBLIC', 'neobank_app', 'neobank_read', 'neobank_import') AND privilege IN ('CONNECT', 'TEMPORARY')
    LOOP
        EXECUTE format('GRANT %s ON DATABASE %I TO %s', v_former.privilege, current_database(), v_former.role_name);
    END LOOP;
END
$$;
DROP TABLE IF EXISTS migration.former_privileges;

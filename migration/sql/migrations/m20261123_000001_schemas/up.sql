-- The three schemas, and the group roles that privileges are granted to. Roles belong to the whole
-- cluster: another database may have created them already, even concurrently.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['neobank_app', 'neobank_read', 'neobank_import'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % is missing and % may not create it', v_role, current_user
                        USING ERRCODE = 'insufficient_privilege',
                              HINT = format('Have an administrator run: CREATE ROLE %I NOLOGIN;', v_role);
            END;
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA banking;
COMMENT ON SCHEMA banking IS 'Customers, accounts and the append-only journal of money.';

CREATE SCHEMA pooling;
COMMENT ON SCHEMA pooling IS 'Connections and connection pools: samples, sizing and health.';

CREATE SCHEMA concurrency;
COMMENT ON SCHEMA concurrency IS 'Locks, deadlocks, row versions and bloat.';

GRANT USAGE ON SCHEMA banking, pooling, concurrency TO neobank_app, neobank_read;
-- Imports the history of another system, and has no other privileges.
GRANT USAGE ON SCHEMA banking TO neobank_import;

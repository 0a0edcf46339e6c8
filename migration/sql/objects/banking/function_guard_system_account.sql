-- An account without a limit is a licence to make money, so only the schema's owner opens one (open_system_accounts()).
CREATE OR REPLACE FUNCTION banking.guard_system_account() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION '% may not open or change a system account', current_user
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Use banking.open_system_accounts(currency).';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.guard_system_account() FROM PUBLIC;

-- Rejects an account without a limit, which could create money, unless the schema's owner opens it
-- (open_system_accounts()) with the identifier and number that are reserved for it. No other
-- account may have a reserved one, because postings find the bank's own accounts by their
-- identifiers.
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
    IF NOT banking.is_system_account(
        NEW.account_id, NEW.account_number, NEW.account_type, NEW.currency_code, NEW.customer_id, NEW.overdraft_limit
    ) THEN
        RAISE EXCEPTION 'account % (%) uses an identifier or a number that is reserved for the bank''s own accounts',
                NEW.account_id, NEW.account_number
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts',
                  CONSTRAINT = 'accounts_identifier_is_reserved',
                  HINT = 'Use banking.open_system_accounts(currency).';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.guard_system_account() FROM PUBLIC;

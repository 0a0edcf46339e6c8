-- Rejects every change of a closed account but its reopening by banking.reopen_account(). The
-- setting counts only for roles that may change a balance; the application may set it, and may not
-- change one. follow_customer() has derived the new status from the owner's before.
CREATE OR REPLACE FUNCTION banking.guard_closed_account() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('neobank.reopening', true) = 'on'
        AND has_column_privilege('banking.accounts', 'current_balance', 'UPDATE')
        AND NEW.account_status IN ('active', 'blocked')
        AND NEW.closed_at IS NULL
        AND (NEW.account_type, NEW.overdraft_limit, NEW.time_zone, NEW.customer_id, NEW.opened_at)
            IS NOT DISTINCT FROM
            (OLD.account_type, OLD.overdraft_limit, OLD.time_zone, OLD.customer_id, OLD.opened_at)
    THEN
        IF NEW.account_status = 'blocked' THEN
            RAISE EXCEPTION 'the owner of account % is suspended or closed', OLD.account_number
                USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts',
                      CONSTRAINT = 'accounts_customer_is_served';
        END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'account % is closed', OLD.account_number
        USING ERRCODE = 'NB003', HINT = 'Reopen it with banking.reopen_account().';
END
$$;
REVOKE ALL ON FUNCTION banking.guard_closed_account() FROM PUBLIC;

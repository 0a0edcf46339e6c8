-- Validates the terms of an account, in place of check constraints. The server prepares every check
-- constraint for each statement and evaluates it for every version of a row, so each transfer would
-- pay for the check of a time zone. Terms seldom change. The checks that a balance can break are
-- constraints of the table.
CREATE OR REPLACE FUNCTION banking.check_account_terms() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_broken text;
BEGIN
    v_broken := CASE
        WHEN NOT (length(NEW.account_number) BETWEEN 1 AND 64 AND NEW.account_number !~ '[[:cntrl:]]')
            THEN 'accounts_account_number_is_a_number'
        WHEN NEW.held_balance < 0 THEN 'accounts_held_balance_not_negative'
        WHEN NEW.overdraft_limit < 0 THEN 'accounts_overdraft_limit_not_negative'
        -- PostgreSQL also accepts abbreviations, whose meaning depends on a setting, and POSIX
        -- specifications, which match almost any text.
        WHEN NEW.time_zone !~ '^(UTC|[A-Z][A-Za-z_-]*(/[A-Z][A-Za-z_-]*)+|Etc/GMT([+]([0-9]|1[0-2])|-([0-9]|1[0-4])))$'
            THEN 'accounts_time_zone_is_a_name'
        -- timezone() fails with 22023 for an unknown zone.
        WHEN timezone(NEW.time_zone, '2000-01-01 00:00:00+00'::timestamptz) IS NULL THEN 'accounts_time_zone_is_known'
        -- One day of tolerance allows for a clock that was set back.
        WHEN NOT (NEW.opened_at >= '0001-01-01 00:00:00+00' AND NEW.opened_at <= clock_timestamp() + interval '1 day')
            THEN 'accounts_opened_at_range'
        WHEN NOT (NEW.closed_at >= NEW.opened_at - interval '1 day'
                  AND NEW.closed_at <= clock_timestamp() + interval '1 day')
            THEN 'accounts_closed_at_range'
        -- Only the bank's own accounts have neither an owner nor a limit.
        WHEN (NEW.account_type = 'system') <> (NEW.customer_id IS NULL) THEN 'accounts_system_has_no_owner'
        WHEN (NEW.account_type = 'system') <> (NEW.overdraft_limit IS NULL) THEN 'accounts_system_has_no_limit'
        WHEN (NEW.account_status = 'closed') <> (NEW.closed_at IS NOT NULL) THEN 'accounts_closed_has_a_time'
    END;
    IF v_broken IS NOT NULL THEN
        RAISE EXCEPTION 'account % breaks %', NEW.account_number, v_broken
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts', CONSTRAINT = v_broken;
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.check_account_terms() FROM PUBLIC;

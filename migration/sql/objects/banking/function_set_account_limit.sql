-- Sets a limit of a customer's account, or changes its amount, and returns true; returns false, and
-- changes nothing, for an account that does not exist or is the bank's own. banking.change_log
-- records it. The change locks the account and increments its version: a decision that does not
-- know the limit fails.
-- SECURITY DEFINER, because no role may write limits itself.
CREATE OR REPLACE FUNCTION banking.set_account_limit(
    p_account_id uuid,
    p_entry_type text,
    p_limit_window text,
    p_amount numeric,
    p_transfer_type text DEFAULT NULL,
    p_window_hours integer DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_minor_units integer;
BEGIN
    UPDATE banking.accounts AS account
    SET has_limits = true, version = account.version + 1,
        updated_at = greatest(clock_timestamp(), account.updated_at + interval '1 microsecond')
    WHERE account.account_id = p_account_id AND account.account_type <> 'system'
    RETURNING account.minor_units INTO v_minor_units;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF scale(trim_scale(p_amount)) > v_minor_units THEN
        RAISE EXCEPTION 'the limit % has more decimals than the account''s currency', p_amount
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO banking.account_limits AS own
        (account_id, entry_type, transfer_type, limit_window, window_hours, amount, actor)
    VALUES
        (p_account_id, p_entry_type, p_transfer_type, p_limit_window, p_window_hours, p_amount,
         nullif(current_setting('neobank.actor', true), ''))
    ON CONFLICT ON CONSTRAINT account_limits_key DO UPDATE
    SET amount = excluded.amount, actor = excluded.actor, set_at = excluded.set_at;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.set_account_limit(uuid, text, text, numeric, text, integer) FROM PUBLIC;

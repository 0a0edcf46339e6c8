-- Removes a limit of an account and returns true; returns false, and changes nothing, if the account
-- has no such limit. banking.change_log records it.
-- SECURITY DEFINER, because no role may write limits itself.
CREATE OR REPLACE FUNCTION banking.remove_account_limit(
    p_account_id uuid,
    p_entry_type text,
    p_limit_window text,
    p_transfer_type text DEFAULT NULL,
    p_window_hours integer DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM banking.accounts AS account WHERE account.account_id = p_account_id
    FOR NO KEY UPDATE;
    DELETE FROM banking.account_limits AS own
    WHERE own.account_id = p_account_id
      AND own.entry_type = p_entry_type
      AND own.transfer_type IS NOT DISTINCT FROM p_transfer_type
      AND own.limit_window = p_limit_window
      AND own.window_hours IS NOT DISTINCT FROM p_window_hours;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE banking.accounts AS account
    SET has_limits = EXISTS (
            SELECT FROM banking.account_limits AS own WHERE own.account_id = p_account_id
        ),
        version = account.version + 1,
        updated_at = greatest(clock_timestamp(), account.updated_at + interval '1 microsecond')
    WHERE account.account_id = p_account_id;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.remove_account_limit(uuid, text, text, text, integer) FROM PUBLIC;

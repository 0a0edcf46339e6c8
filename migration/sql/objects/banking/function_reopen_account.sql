-- Makes a closed account active again, and returns true; returns false, and changes nothing, unless
-- the account exists and is closed. The owner must not be suspended or closed. The transaction must
-- name its actor (SET LOCAL neobank.actor = 'teller:42'), whom banking.change_log records.
-- SECURITY DEFINER, because guard_closed_account() rejects the application's own update.
CREATE OR REPLACE FUNCTION banking.reopen_account(p_account_id uuid) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_status text;
    v_ignored text := banking.require_actor('reopening an account', 'teller:42');
BEGIN
    SELECT account.account_status INTO v_status
    FROM banking.accounts AS account WHERE account.account_id = p_account_id
    FOR NO KEY UPDATE;
    IF v_status IS DISTINCT FROM 'closed' THEN
        RETURN false;
    END IF;
    v_ignored := set_config('neobank.reopening', 'on', true);
    UPDATE banking.accounts AS account SET account_status = 'active', closed_at = NULL
    WHERE account.account_id = p_account_id;
    v_ignored := set_config('neobank.reopening', 'off', true);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.reopen_account(uuid) FROM PUBLIC;

-- Returns what an account can spend at this moment, as the next decision of the ledger would say:
-- the book balance less the holds whose time has not run out, plus the overdraft limit. Null for an
-- account without a limit, and for one that does not exist.
CREATE OR REPLACE FUNCTION banking.available_balance(p_account_id uuid) RETURNS numeric
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT account.available_balance + coalesce((
        SELECT sum(hold.remaining)
        FROM banking.holds AS hold
        WHERE hold.account_id = account.account_id AND hold.hold_status = 'open'
          AND hold.expires_at <= clock_timestamp()
    ), 0)
    FROM banking.accounts AS account
    WHERE account.account_id = p_account_id
$$;
REVOKE ALL ON FUNCTION banking.available_balance(uuid) FROM PUBLIC;

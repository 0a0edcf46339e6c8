-- Returns the customers' accounts among these whose currency has closed days, each with the first
-- open day and the time at which that day begins in the account's zone. Nothing can be closed in
-- these currencies until the transaction ends.
-- The advisory lock is a queue: a closing that waits for it comes before later requests, which would
-- pass a waiting row lock. Any role can take the lock, so a request waits for it for 200 ms at most
-- and goes on without it. The row lock keeps a closing out, and makes a transaction with an older
-- snapshot fail.
-- SECURITY DEFINER, because a row lock needs the privilege to update the row.
CREATE OR REPLACE FUNCTION banking.lock_open_days(p_account_id uuid[])
RETURNS TABLE (account_id uuid, first_open_day date, opens_at timestamptz)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
    v_currency text;
BEGIN
    FOR v_currency IN
        SELECT DISTINCT account.currency_code FROM banking.accounts AS account
        WHERE account.account_id = ANY (p_account_id)
        ORDER BY account.currency_code
    LOOP
        FOR v_try IN 1..20 LOOP
            EXIT WHEN pg_try_advisory_xact_lock_shared(1312960566, hashtext(v_currency));
            PERFORM pg_sleep(0.01);
        END LOOP;
    END LOOP;
    -- The next statement begins behind the locks.
    PERFORM FROM banking.currencies AS currency
    WHERE currency.currency_code IN (
        SELECT account.currency_code FROM banking.accounts AS account
        WHERE account.account_id = ANY (p_account_id)
    )
    ORDER BY currency.currency_code
    FOR SHARE;
    RETURN QUERY
    SELECT account.account_id, currency.first_open_day,
           banking.start_of_day(currency.first_open_day, account.time_zone)
    FROM banking.accounts AS account
    JOIN banking.currencies AS currency ON currency.currency_code = account.currency_code
    WHERE account.account_id = ANY (p_account_id)
      AND account.customer_id IS NOT NULL
      AND currency.first_open_day IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.lock_open_days(uuid[]) FROM PUBLIC;

-- Internal: rejects transfers that are booked or value-dated before the first open day of their
-- currency. The booking day is that of each customer's account. The value dates are null, or have
-- one element for each transfer.
-- Only calls with value dates or with booking times of the past need it: see close_period().
CREATE OR REPLACE FUNCTION banking.require_open_days(
    p_transfers banking.new_transfer[],
    p_value_date date[] DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_closed record;
BEGIN
    SELECT transfer.transfer_id, transfer.currency_code, open_day.first_open_day INTO v_closed
    FROM unnest(p_transfers) WITH ORDINALITY AS transfer
    JOIN banking.lock_open_days(ARRAY(
        SELECT from_account_id FROM unnest(p_transfers) UNION SELECT to_account_id FROM unnest(p_transfers)
    )) AS open_day
        ON open_day.account_id IN (transfer.from_account_id, transfer.to_account_id)
    WHERE transfer.posted_at < open_day.opens_at
       OR p_value_date[transfer.ordinality] < open_day.first_open_day
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transfer % lies in a closed period: the first open day in % is %',
                v_closed.transfer_id, v_closed.currency_code, v_closed.first_open_day
            USING ERRCODE = 'NB007',
                  HINT = 'Book on an open day, or reopen the period with banking.reopen_period().';
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.require_open_days(banking.new_transfer[], date[]) FROM PUBLIC;

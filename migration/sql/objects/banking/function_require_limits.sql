-- Internal: rejects transfers that exceed a limit of one of their accounts. The caller has written
-- the transfers and updated the accounts, whose locks put all uses of their limits in one order.
-- The statements of this function have snapshots of their own, and so see all earlier uses. The
-- function compares each entry with the limit over the window that ends at the entry's time. Of
-- several entries at one time, the last one has the greatest use, so the function compares only
-- that one.
-- The callers, the posting functions, pin the planner's settings for the statements of this one.
CREATE OR REPLACE FUNCTION banking.require_limits(p_transfers banking.new_transfer[]) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_step record;
    v_used numeric;
BEGIN
    FOR v_step IN
        SELECT one.account_id, one.entry_type, one.transfer_type, one.limit_window,
               one.window_hours, one.amount AS limit_amount, side.posted_at,
               max(side.entry_number) AS entry_number, max(posted.amount) AS largest
        FROM (
            SELECT transfer.transfer_id, transfer.from_account_id AS account_id,
                   'debit' AS entry_type, transfer.from_entry_number AS entry_number,
                   transfer.posted_at
            FROM unnest(p_transfers) AS transfer
            UNION ALL
            SELECT transfer.transfer_id, transfer.to_account_id, 'credit',
                   transfer.to_entry_number, transfer.posted_at
            FROM unnest(p_transfers) AS transfer
        ) AS side
        CROSS JOIN LATERAL (
            SELECT * FROM banking.account_limits AS own
            WHERE own.account_id = side.account_id AND own.entry_type = side.entry_type
            OFFSET 0
        ) AS one
        CROSS JOIN LATERAL (
            SELECT named.transfer_type, named.amount FROM banking.transfers AS named
            WHERE named.transfer_id = side.transfer_id
            OFFSET 0
        ) AS posted
        WHERE banking.limit_counts(one.transfer_type, posted.transfer_type)
        GROUP BY one.limit_number, one.account_id, one.entry_type, one.transfer_type,
                 one.limit_window, one.window_hours, one.amount, side.posted_at
    LOOP
        IF v_step.limit_window = 'transfer' THEN
            v_used := v_step.largest;
        ELSE
            v_used := banking.limit_use(
                v_step.account_id, v_step.entry_type, v_step.transfer_type,
                banking.limit_window_start(
                    v_step.limit_window, v_step.window_hours, v_step.posted_at,
                    (SELECT account.time_zone FROM banking.accounts AS account
                     WHERE account.account_id = v_step.account_id)
                ),
                v_step.entry_number
            );
        END IF;
        IF (v_used <= v_step.limit_amount) IS NOT TRUE THEN
            RAISE EXCEPTION 'account % exceeds its limit of % (%, %)', v_step.account_id,
                    v_step.limit_amount, v_step.entry_type, v_step.limit_window
                USING ERRCODE = 'NB008',
                      HINT = 'Lock the account first, and read banking.limit_uses().';
        END IF;
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.require_limits(banking.new_transfer[]) FROM PUBLIC;

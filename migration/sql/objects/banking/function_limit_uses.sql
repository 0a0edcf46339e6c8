-- Returns the limits of accounts, each with what its window that ends at p_at has used, and with the
-- time at which the use of a day ends. A caller that holds the accounts' locks sees their last uses.
-- SECURITY DEFINER, because the functions that it calls are internal.
CREATE OR REPLACE FUNCTION banking.limit_uses(p_account_id uuid[], p_at timestamptz)
RETURNS TABLE (
    account_id uuid,
    entry_type text,
    transfer_type text,
    limit_window text,
    window_hours integer,
    amount numeric,
    currency_code text,
    used numeric,
    ends_at timestamptz,
    actor text,
    set_at timestamptz
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As in banking.post_transfers().
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
BEGIN
    RETURN QUERY
    SELECT one.account_id, one.entry_type::text, one.transfer_type::text, one.limit_window::text,
           one.window_hours, one.amount::numeric, account.currency_code,
           CASE WHEN one.limit_window = 'transfer' THEN 0
                ELSE banking.limit_use(
                    one.account_id, one.entry_type, one.transfer_type,
                    banking.limit_window_start(one.limit_window, one.window_hours, moment.at, account.time_zone),
                    account.last_entry_number
                )
           END,
           CASE WHEN one.limit_window = 'day'
                THEN banking.start_of_day(
                    (moment.at AT TIME ZONE account.time_zone)::date + 1, account.time_zone
                )
           END,
           one.actor::text, one.set_at
    FROM banking.account_limits AS one
    JOIN banking.accounts AS account ON account.account_id = one.account_id
    -- No entry is earlier than the account's last one.
    CROSS JOIN LATERAL (SELECT greatest(p_at, account.last_entry_at) AS at) AS moment
    WHERE one.account_id = ANY (p_account_id)
    ORDER BY one.account_id, one.entry_type, one.transfer_type NULLS FIRST, one.limit_window,
             one.window_hours;
END
$$;
REVOKE ALL ON FUNCTION banking.limit_uses(uuid[], timestamptz) FROM PUBLIC;

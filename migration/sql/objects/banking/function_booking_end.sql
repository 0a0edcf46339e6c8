-- Internal: returns the times at which a day has ended in the first and in the last of the zones of
-- the customers' accounts in a currency. The days of the bank's own accounts are not counted.
CREATE OR REPLACE FUNCTION banking.booking_end(
    p_currency_code text,
    p_day date,
    OUT first_end timestamptz,
    OUT last_end timestamptz
)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(min(banking.start_of_day(p_day + 1, zone.time_zone)), banking.start_of_day(p_day + 1, 'UTC')),
           coalesce(max(banking.start_of_day(p_day + 1, zone.time_zone)), banking.start_of_day(p_day + 1, 'UTC'))
    FROM (
        SELECT DISTINCT account.time_zone FROM banking.accounts AS account
        WHERE account.currency_code = p_currency_code AND account.customer_id IS NOT NULL
    ) AS zone
$$;
REVOKE ALL ON FUNCTION banking.booking_end(text, date) FROM PUBLIC;

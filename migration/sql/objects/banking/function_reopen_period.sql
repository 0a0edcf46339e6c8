-- Undoes the newest closing of a currency, and returns the first open day afterwards, which is null
-- if nothing is closed then. The transaction must name its actor (SET LOCAL neobank.actor).
-- SECURITY DEFINER, because no role may write the closings itself.
CREATE OR REPLACE FUNCTION banking.reopen_period(p_currency_code text) RETURNS date
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := banking.require_actor('reopening a period', 'controller:1');
    v_open_day date;
    v_closing banking.period_closings;
    v_ignored text;
BEGIN
    SELECT currency.first_open_day INTO v_open_day
    FROM banking.currencies AS currency WHERE currency.currency_code = p_currency_code
    FOR NO KEY UPDATE;
    -- The newest closing in force is the last one that led to this day.
    SELECT * INTO v_closing FROM banking.period_closings AS closing
    WHERE closing.currency_code = p_currency_code AND closing.closing_type = 'closed'
      AND closing.first_open_day = v_open_day
    ORDER BY closing.closing_number DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing is closed in %', p_currency_code
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'period_closings',
                  CONSTRAINT = 'period_closings_has_a_closing';
    END IF;
    v_ignored := set_config('neobank.closing', 'on', true);
    UPDATE banking.currencies AS currency SET first_open_day = v_closing.previous_open_day
    WHERE currency.currency_code = p_currency_code;
    INSERT INTO banking.period_closings
        (currency_code, closing_type, closed_through, first_open_day, previous_open_day, ended_at,
         actor, database_role, occurred_at)
    VALUES
        (p_currency_code, 'reopened', v_closing.closed_through, v_closing.previous_open_day,
         v_open_day, v_closing.ended_at, v_actor, session_user, clock_timestamp());
    v_ignored := set_config('neobank.closing', 'off', true);
    RETURN v_closing.previous_open_day;
END
$$;
REVOKE ALL ON FUNCTION banking.reopen_period(text) FROM PUBLIC;

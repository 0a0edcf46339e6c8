-- Closes the days of a currency until a booking day, that day included: nothing is booked or
-- value-dated into them any more. The transaction must name its actor (SET LOCAL neobank.actor).
-- Returns the first open day.
--
-- The day must have ended five minutes ago in every zone of the currency's accounts. A transfer that
-- is booked at the server's time then lies in an open day, even if its time was read up to a minute
-- before it is posted; the posting functions look at closings only for an older booking time or a
-- value date. What was posted before in transactions that are still running is waited for, up to ten
-- seconds. Requests with a booking time or a value date hold a shared lock on the currency's row,
-- which this function updates.
-- SECURITY DEFINER, because no role may write the closings itself.
CREATE OR REPLACE FUNCTION banking.close_period(p_currency_code text, p_day date) RETURNS date
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := banking.require_actor('closing a period', 'controller:1');
    v_until timestamptz := clock_timestamp() + interval '10 seconds';
    v_first_end timestamptz;
    v_last_end timestamptz;
    v_posting text[];
    v_open_day date;
    v_ignored text;
    v_lock_timeout text := current_setting('lock_timeout');
BEGIN
    IF p_currency_code IS NULL OR p_day IS NULL THEN
        RAISE EXCEPTION 'p_currency_code and p_day must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;

    SELECT ending.first_end, ending.last_end INTO v_first_end, v_last_end
    FROM banking.booking_end(p_currency_code, p_day) AS ending;
    IF v_last_end + interval '5 minutes' > clock_timestamp() THEN
        RAISE EXCEPTION 'the day % can be closed in % from % on', p_day, p_currency_code,
                v_last_end + interval '5 minutes'
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'period_closings',
                  CONSTRAINT = 'period_closings_day_has_ended';
    END IF;

    -- Every transaction that has posted holds this lock until it ends.
    v_posting := ARRAY(
        SELECT DISTINCT held.virtualtransaction FROM pg_locks AS held
        WHERE held.locktype = 'relation' AND held.relation = 'banking.transfers'::regclass
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.mode = 'RowExclusiveLock' AND held.granted
          AND held.pid IS DISTINCT FROM pg_backend_pid()
    );
    WHILE EXISTS (
        SELECT FROM pg_locks AS held
        WHERE held.locktype = 'relation' AND held.relation = 'banking.transfers'::regclass
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.mode = 'RowExclusiveLock' AND held.virtualtransaction = ANY (v_posting)
    ) LOOP
        IF clock_timestamp() > v_until THEN
            RAISE EXCEPTION 'transactions that have posted are still running'
                USING ERRCODE = 'lock_not_available',
                      HINT = 'Find them with neobank ops transactions, and close the period again.';
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;

    -- Behind the requests that have a booking time or a value date, and before later ones
    -- (lock_open_days()). Any role can take the lock, so it only orders the sessions: without it, the
    -- closing waits for the row.
    BEGIN
        v_ignored := set_config('lock_timeout', '5s', true);
        PERFORM pg_advisory_xact_lock(1312960566, hashtext(p_currency_code));
        v_ignored := set_config('lock_timeout', v_lock_timeout, true);
    EXCEPTION
        -- The end of the block has restored the setting.
        WHEN lock_not_available THEN NULL;
    END;
    SELECT currency.first_open_day INTO v_open_day
    FROM banking.currencies AS currency WHERE currency.currency_code = p_currency_code
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown currency: %', p_currency_code
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'period_closings',
                  CONSTRAINT = 'period_closings_currency_is_known';
    END IF;
    -- A zone may have come since.
    SELECT ending.first_end, ending.last_end INTO v_first_end, v_last_end
    FROM banking.booking_end(p_currency_code, p_day) AS ending;
    IF v_last_end + interval '5 minutes' > clock_timestamp() THEN
        RAISE EXCEPTION 'the day % can be closed in % from % on', p_day, p_currency_code,
                v_last_end + interval '5 minutes'
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'period_closings',
                  CONSTRAINT = 'period_closings_day_has_ended';
    END IF;
    IF p_day < v_open_day THEN
        RAISE EXCEPTION 'the day % is closed in % already; the first open day is %', p_day,
                p_currency_code, v_open_day
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'period_closings',
                  CONSTRAINT = 'period_closings_day_is_open';
    END IF;
    v_ignored := set_config('neobank.closing', 'on', true);
    UPDATE banking.currencies AS currency SET first_open_day = p_day + 1
    WHERE currency.currency_code = p_currency_code;
    INSERT INTO banking.period_closings
        (currency_code, closing_type, closed_through, first_open_day, previous_open_day, ended_at,
         actor, database_role, occurred_at)
    VALUES
        (p_currency_code, 'closed', p_day, p_day + 1, v_open_day, v_first_end, v_actor, session_user,
         clock_timestamp());
    v_ignored := set_config('neobank.closing', 'off', true);
    RETURN p_day + 1;
END
$$;
REVOKE ALL ON FUNCTION banking.close_period(text, date) FROM PUBLIC;

-- Rejects an account in a zone in which a closed day of its currency has not ended yet: a transfer
-- that is booked now would lie in that day. The lock keeps a concurrent closing away.
-- SECURITY DEFINER, because a row lock needs the privilege to update the row.
CREATE OR REPLACE FUNCTION banking.check_zone() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_open_day date;
BEGIN
    SELECT currency.first_open_day INTO v_open_day
    FROM banking.currencies AS currency WHERE currency.currency_code = NEW.currency_code
    FOR SHARE;
    IF banking.start_of_day(v_open_day, NEW.time_zone) > clock_timestamp() THEN
        RAISE EXCEPTION 'the days before % are closed in %, and it is earlier in the zone %',
                v_open_day, NEW.currency_code, NEW.time_zone
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts',
                  CONSTRAINT = 'accounts_time_zone_is_in_an_open_day';
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.check_zone() FROM PUBLIC;

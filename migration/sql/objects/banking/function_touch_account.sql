-- Increments an account's version and sets its time with every change of its terms.
CREATE OR REPLACE FUNCTION banking.touch_account() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.version := OLD.version + 1;
    -- The time increases even if the clock shows the same time as at the last update.
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.touch_account() FROM PUBLIC;

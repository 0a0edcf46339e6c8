-- In the place of two checks of the table: the server holds every check against every version of a row, so that each transfer
-- paid for two looks at a time zone that it does not touch. An account gets its zone once, and seldom another.
CREATE OR REPLACE FUNCTION banking.check_time_zone() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- PostgreSQL also takes abbreviations, whose meaning is a setting, and POSIX formulas, which match almost any text.
    IF NEW.time_zone !~ '^(UTC|[A-Z][A-Za-z_-]*(/[A-Z][A-Za-z_-]*)+|Etc/GMT([+]([0-9]|1[0-2])|-([0-9]|1[0-4])))$' THEN
        RAISE EXCEPTION 'not the name of a time zone: %', NEW.time_zone
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts', COLUMN = 'time_zone',
                  CONSTRAINT = 'accounts_time_zone_is_a_name', HINT = 'Europe/Prague and UTC are such names.';
    END IF;
    -- Fails with 22023 where there is no such zone.
    PERFORM timezone(NEW.time_zone, '2000-01-01 00:00:00+00'::timestamptz);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.check_time_zone() FROM PUBLIC;

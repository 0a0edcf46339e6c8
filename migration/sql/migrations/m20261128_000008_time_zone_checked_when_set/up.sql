-- The trigger is there before the checks go; from now on it is an object, which changes as such.
CREATE OR REPLACE FUNCTION banking.check_time_zone() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.time_zone !~ '^(UTC|[A-Z][A-Za-z_-]*(/[A-Z][A-Za-z_-]*)+|Etc/GMT([+]([0-9]|1[0-2])|-([0-9]|1[0-4])))$' THEN
        RAISE EXCEPTION 'not the name of a time zone: %', NEW.time_zone
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts', COLUMN = 'time_zone',
                  CONSTRAINT = 'accounts_time_zone_is_a_name', HINT = 'Europe/Prague and UTC are such names.';
    END IF;
    PERFORM timezone(NEW.time_zone, '2000-01-01 00:00:00+00'::timestamptz);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.check_time_zone() FROM PUBLIC;
CREATE OR REPLACE TRIGGER accounts_check_time_zone
    BEFORE INSERT OR UPDATE OF time_zone ON banking.accounts
    FOR EACH ROW WHEN (NEW.time_zone IS NOT NULL)
    EXECUTE FUNCTION banking.check_time_zone();
ALTER TABLE banking.accounts
    DROP CONSTRAINT accounts_time_zone_is_a_name,
    DROP CONSTRAINT accounts_time_zone_is_known;

-- Validates the fields of a customer: the texts, and the latest date of birth, which depends on the
-- clock and so cannot be a check constraint.
CREATE OR REPLACE FUNCTION banking.check_customer() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_broken text;
BEGIN
    v_broken := CASE
        WHEN NOT (length(NEW.customer_number) BETWEEN 1 AND 64 AND NEW.customer_number !~ '[[:cntrl:]]')
            THEN 'customers_customer_number_is_a_number'
        WHEN NEW.first_name ~ '[[:cntrl:]]' OR NEW.first_name !~ '[^[:space:]]' THEN 'customers_first_name_is_a_name'
        WHEN NEW.last_name ~ '[[:cntrl:]]' OR NEW.last_name !~ '[^[:space:]]' THEN 'customers_last_name_is_a_name'
        WHEN NEW.email !~ '^[^@[:space:][:cntrl:]]+@[^[:space:][:cntrl:]]+$' THEN 'customers_email_is_an_address'
        WHEN NEW.phone_primary !~ '^[0-9 +()./-]*[0-9][0-9 +()./-]*$' THEN 'customers_phone_primary_is_a_number'
        WHEN NEW.phone_secondary !~ '^[0-9 +()./-]*[0-9][0-9 +()./-]*$' THEN 'customers_phone_secondary_is_a_number'
        -- The latest date is tomorrow in UTC, because time zones east of UTC may have reached it.
        WHEN NEW.date_of_birth > (clock_timestamp() AT TIME ZONE 'UTC')::date + 1 THEN 'customers_date_of_birth_range'
    END;
    IF v_broken IS NOT NULL THEN
        RAISE EXCEPTION 'customer % breaks %', NEW.customer_number, v_broken
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'customers', CONSTRAINT = v_broken;
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.check_customer() FROM PUBLIC;

-- An account that would be active or blocked is what its owner's status says: blocked for one who is suspended or closed.
-- So it cannot be unfrozen or unblocked by hand, and nothing is opened for such a customer. The customer's row is locked
-- against a change of the status at the same moment.
-- SECURITY DEFINER, since locking a row needs the privilege to update it.
CREATE OR REPLACE FUNCTION banking.follow_customer() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_customer_status text;
BEGIN
    SELECT customer.customer_status INTO v_customer_status
    FROM banking.customers AS customer WHERE customer.customer_id = NEW.customer_id
    FOR SHARE;
    IF v_customer_status IN ('suspended', 'closed') THEN
        IF TG_OP = 'INSERT' THEN
            RAISE EXCEPTION 'customer % is %', NEW.customer_id, v_customer_status
                USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'accounts',
                      CONSTRAINT = 'accounts_customer_is_served';
        END IF;
        NEW.account_status := 'blocked';
    ELSE
        NEW.account_status := 'active';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION banking.follow_customer() FROM PUBLIC;

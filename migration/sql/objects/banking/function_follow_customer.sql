-- Derives the status of an account that would be active or blocked from its owner's status: blocked
-- while the owner is suspended or closed. So no role can unfreeze, unblock or open an account of
-- such a customer. The lock on the customer's row prevents a concurrent change of its status.
-- SECURITY DEFINER, because a row lock needs the privilege to update the row.
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

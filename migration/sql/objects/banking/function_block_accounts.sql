-- Blocks the accounts of a customer that becomes suspended or closed: no money moves to or from
-- them. When the customer becomes active again, so do the accounts. Frozen and closed accounts stay
-- as they are. The function locks the accounts in the order of their identifiers, as every writer
-- does. SECURITY DEFINER, because every role that may change a customer must also block the
-- accounts.
CREATE OR REPLACE FUNCTION banking.block_accounts() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_from text := CASE WHEN NEW.customer_status IN ('suspended', 'closed') THEN 'active' ELSE 'blocked' END;
    v_to text := CASE WHEN NEW.customer_status IN ('suspended', 'closed') THEN 'blocked' ELSE 'active' END;
BEGIN
    PERFORM FROM banking.accounts AS account
    WHERE account.customer_id = NEW.customer_id AND account.account_status = v_from
    ORDER BY account.account_id
    FOR NO KEY UPDATE;
    UPDATE banking.accounts AS account SET account_status = v_to
    WHERE account.customer_id = NEW.customer_id AND account.account_status = v_from;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.block_accounts() FROM PUBLIC;

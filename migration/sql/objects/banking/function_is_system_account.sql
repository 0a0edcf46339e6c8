-- Returns true for an account of the bank itself, with its reserved identifier, number and terms.
CREATE OR REPLACE FUNCTION banking.is_system_account(
    p_account_id uuid,
    p_account_number text,
    p_account_type text,
    p_currency_code text,
    p_customer_id uuid,
    p_overdraft_limit numeric
) RETURNS boolean
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p_account_type = 'system' AND p_customer_id IS NULL AND p_overdraft_limit IS NULL
        AND EXISTS (
            SELECT FROM unnest(ARRAY['external', 'interest', 'fees', 'adjustment', 'clearing', 'exchange']) AS purpose (name)
            WHERE p_account_id = banking.system_account_id(purpose.name, p_currency_code)
              AND p_account_number = 'SYS-' || upper(purpose.name) || '-' || p_currency_code
        )
$$;
REVOKE ALL ON FUNCTION banking.is_system_account(uuid, text, text, text, uuid, numeric) FROM PUBLIC;

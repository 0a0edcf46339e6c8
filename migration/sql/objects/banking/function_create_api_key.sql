-- Creates a key of the service. The transaction must name its actor (SET LOCAL neobank.actor). The
-- caller keeps the key itself; the database gets its prefix and its SHA-256.
-- SECURITY DEFINER, because no role may write keys itself.
CREATE OR REPLACE FUNCTION banking.create_api_key(
    p_api_key_id uuid,
    p_key_name text,
    p_key_prefix text,
    p_key_hash bytea,
    p_scopes text,
    p_customer_ids uuid[],
    p_account_ids uuid[],
    p_expires_at timestamptz DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := banking.require_actor('creating a key', 'controller:1');
BEGIN
    IF (SELECT count(*) FROM banking.customers AS customer WHERE customer.customer_id = ANY (p_customer_ids))
        IS DISTINCT FROM cardinality(p_customer_ids)::bigint
    THEN
        RAISE EXCEPTION 'a key is bound to customers that do not exist, or to one twice'
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'api_key_bindings',
                  CONSTRAINT = 'api_key_bindings_customers_exist';
    END IF;
    IF (SELECT count(*) FROM banking.accounts AS account
        WHERE account.account_id = ANY (p_account_ids) AND account.customer_id IS NOT NULL)
        IS DISTINCT FROM cardinality(p_account_ids)::bigint
    THEN
        RAISE EXCEPTION 'a key is bound to accounts that no customer has, or to one twice'
            USING ERRCODE = 'check_violation', SCHEMA = 'banking', TABLE = 'api_key_bindings',
                  CONSTRAINT = 'api_key_bindings_accounts_exist';
    END IF;
    INSERT INTO banking.api_keys (api_key_id, key_name, key_prefix, key_hash, scopes, created_by, expires_at)
    VALUES (p_api_key_id, p_key_name, p_key_prefix, p_key_hash, p_scopes, v_actor, p_expires_at);
    INSERT INTO banking.api_key_bindings (api_key_id, binding_number, customer_id, account_id)
    SELECT p_api_key_id, row_number() OVER (), bound.customer_id, bound.account_id
    FROM (
        SELECT customer_id, NULL::uuid AS account_id FROM unnest(p_customer_ids) AS customer_id
        UNION ALL
        SELECT NULL::uuid, account_id FROM unnest(p_account_ids) AS account_id
    ) AS bound;
END
$$;
REVOKE ALL ON FUNCTION banking.create_api_key(uuid, text, text, bytea, text, uuid[], uuid[], timestamptz) FROM PUBLIC;

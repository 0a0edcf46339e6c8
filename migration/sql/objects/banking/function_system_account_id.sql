-- Returns the identifier of an account of the bank itself: purpose and currency as a version 8
-- uuid.
CREATE OR REPLACE FUNCTION banking.system_account_id(p_purpose text, p_currency_code text) RETURNS uuid
LANGUAGE plpgsql
IMMUTABLE
STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_purpose_number integer := array_position(ARRAY['external', 'interest', 'fees', 'adjustment', 'clearing', 'exchange'], p_purpose);
BEGIN
    IF v_purpose_number IS NULL THEN
        RAISE EXCEPTION 'unknown purpose of a system account: %', quote_literal(p_purpose)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use external, interest, fees, adjustment, clearing or exchange.';
    END IF;
    IF p_currency_code !~ '^[A-Z]{3}$' THEN
        RAISE EXCEPTION 'not a currency code: %', quote_literal(p_currency_code)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use three capital letters, such as CZK.';
    END IF;
    RETURN (
        '00000000-0000-8000-8000-' || lpad(v_purpose_number::text, 2, '0') || '0000'
        || encode(convert_to(p_currency_code, 'UTF8'), 'hex')
    )::uuid;
END
$$;
REVOKE ALL ON FUNCTION banking.system_account_id(text, text) FROM PUBLIC;

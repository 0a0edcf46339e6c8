-- Internal: returns true if a limit counts a kind of transfer. A limit without a kind counts what
-- the customer asks for, and not what the bank itself books: interest, fees, corrections.
CREATE OR REPLACE FUNCTION banking.limit_counts(p_limit_type text, p_transfer_type text) RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN p_limit_type IS NULL
        THEN p_transfer_type <> ALL ('{interest,fee,adjustment,reversal}'::text[])
        ELSE p_transfer_type = p_limit_type
    END;
END
$$;
REVOKE ALL ON FUNCTION banking.limit_counts(text, text) FROM PUBLIC;

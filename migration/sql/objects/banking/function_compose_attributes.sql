-- Internal: returns what transfers have besides their amounts and accounts, one element for each. A
-- null array leaves its attribute out.
CREATE OR REPLACE FUNCTION banking.compose_attributes(
    p_transfers integer,
    p_group_id uuid[],
    p_reverses_transfer_id uuid[],
    p_hold_id uuid[],
    p_actor text[],
    p_metadata jsonb[],
    p_value_date date[]
) RETURNS banking.transfer_attributes[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_attributes banking.transfer_attributes[] := '{}';
BEGIN
    IF NOT (p_transfers = ALL (ARRAY[
            coalesce(cardinality(p_group_id), p_transfers),
            coalesce(cardinality(p_reverses_transfer_id), p_transfers),
            coalesce(cardinality(p_hold_id), p_transfers),
            coalesce(cardinality(p_actor), p_transfers),
            coalesce(cardinality(p_metadata), p_transfers),
            coalesce(cardinality(p_value_date), p_transfers)
    ]))
    THEN
        RAISE EXCEPTION 'arrays of different lengths' USING ERRCODE = 'NB002';
    END IF;
    FOR n IN 1..p_transfers LOOP
        v_attributes[n] := ROW(
            p_group_id[n], p_reverses_transfer_id[n], p_hold_id[n], p_actor[n], p_metadata[n],
            p_value_date[n]
        )::banking.transfer_attributes;
    END LOOP;
    RETURN v_attributes;
END
$$;
REVOKE ALL ON FUNCTION banking.compose_attributes(
    integer, uuid[], uuid[], uuid[], text[], jsonb[], date[]
) FROM PUBLIC;

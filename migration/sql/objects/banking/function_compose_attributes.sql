-- Internal: returns what transfers have besides their amounts and accounts, one element for each. A
-- null array leaves its attribute out. It rejects attributes that contradict the transfer:
-- * a reversal names the transfer that it reverses, and no other transfer does;
-- * the identifier of a transfer of a group is the group's, whose last 16 bits are zero, with the
--   number of the step in their place;
-- * a line of a journal entry and a side of an exchange belong to a group, and their other account
--   is the bank's clearing account or its position in the currency.
CREATE OR REPLACE FUNCTION banking.compose_attributes(
    p_transfers banking.new_transfer[],
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
    v_count integer := cardinality(p_transfers);
    v_attributes banking.transfer_attributes[] := '{}';
    v_transfer banking.new_transfer;
    v_purpose text;
BEGIN
    IF NOT (v_count = ALL (ARRAY[
            coalesce(cardinality(p_group_id), v_count),
            coalesce(cardinality(p_reverses_transfer_id), v_count),
            coalesce(cardinality(p_hold_id), v_count),
            coalesce(cardinality(p_actor), v_count),
            coalesce(cardinality(p_metadata), v_count),
            coalesce(cardinality(p_value_date), v_count)
    ]))
    THEN
        RAISE EXCEPTION 'arrays of different lengths' USING ERRCODE = 'NB002';
    END IF;
    FOR n IN 1..v_count LOOP
        v_transfer := p_transfers[n];
        IF (v_transfer.transfer_type = 'reversal') = (p_reverses_transfer_id[n] IS NULL) THEN
            RAISE EXCEPTION 'transfer % of type % cannot reverse %', v_transfer.transfer_id,
                    v_transfer.transfer_type, coalesce(p_reverses_transfer_id[n]::text, 'nothing')
                USING ERRCODE = 'NB002',
                      HINT = 'Reversals, and no other transfers, name the transfer that they '
                             'reverse.';
        END IF;
        IF left(v_transfer.transfer_id::text, 32) <> left(p_group_id[n]::text, 32)
            OR right(p_group_id[n]::text, 4) <> '0000'
        THEN
            RAISE EXCEPTION 'transfer % is no step of group %', v_transfer.transfer_id,
                    p_group_id[n]
                USING ERRCODE = 'NB002',
                      HINT = 'The last 16 bits of a group are zero. The identifier of the transfer '
                             'of step n, from 0, is that of the group plus n.';
        END IF;
        IF v_transfer.transfer_type IN ('journal_entry', 'exchange') THEN
            v_purpose := CASE v_transfer.transfer_type
                WHEN 'exchange' THEN 'exchange' ELSE 'clearing' END;
            IF (p_group_id[n] IS NOT NULL
                AND banking.system_account_id(v_purpose, v_transfer.currency_code)
                    IN (v_transfer.from_account_id, v_transfer.to_account_id)) IS NOT TRUE
            THEN
                RAISE EXCEPTION 'transfer % is no % of a group', v_transfer.transfer_id,
                        v_transfer.transfer_type
                    USING ERRCODE = 'NB002',
                          HINT = 'A line of a journal entry is against the clearing account, a '
                                 'side of an exchange against the position in its currency, and '
                                 'both belong to a group.';
            END IF;
        END IF;
        v_attributes[n] := ROW(
            p_group_id[n], p_reverses_transfer_id[n], p_hold_id[n], p_actor[n], p_metadata[n],
            p_value_date[n]
        )::banking.transfer_attributes;
    END LOOP;
    RETURN v_attributes;
END
$$;
REVOKE ALL ON FUNCTION banking.compose_attributes(
    banking.new_transfer[], uuid[], uuid[], uuid[], text[], jsonb[], date[]
) FROM PUBLIC;

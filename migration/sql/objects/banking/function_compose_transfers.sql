-- Internal: returns the parallel arrays of a posting function as one array of transfers.
-- Clients send parallel arrays. For a composite type, a client would have to look up the type's
-- identifier, and it would fail on a schema whose type has one field more.
-- p_not_before is the earliest time of an entry; NULL where each p_posted_at is final.
CREATE OR REPLACE FUNCTION banking.compose_transfers(
    p_transfer_id uuid[],
    p_transfer_type text[],
    p_amount numeric[],
    p_currency_code text[],
    p_description text[],
    p_idempotency_key text[],
    p_request_hash bytea[],
    p_posted_at timestamptz[],
    p_from_account_id uuid[],
    p_from_entry_number bigint[],
    p_from_balance numeric[],
    p_debit_id uuid[],
    p_debit_description text[],
    p_to_account_id uuid[],
    p_to_entry_number bigint[],
    p_to_balance numeric[],
    p_credit_id uuid[],
    p_credit_description text[],
    p_not_before timestamptz
) RETURNS banking.new_transfer[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_transfers banking.new_transfer[] := '{}';
BEGIN
    IF (cardinality(p_transfer_id) = ALL (ARRAY[
            cardinality(p_transfer_type), cardinality(p_amount), cardinality(p_currency_code),
            cardinality(p_description), cardinality(p_idempotency_key),
            cardinality(p_request_hash), cardinality(p_posted_at),
            cardinality(p_from_account_id), cardinality(p_from_entry_number),
            cardinality(p_from_balance), cardinality(p_debit_id),
            cardinality(p_debit_description), cardinality(p_to_account_id),
            cardinality(p_to_entry_number), cardinality(p_to_balance), cardinality(p_credit_id),
            cardinality(p_credit_description)
    ])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'arrays of different lengths' USING ERRCODE = 'NB002';
    END IF;
    -- Quicker than a query, which would have to be started.
    FOR n IN 1..cardinality(p_transfer_id) LOOP
        v_transfers[n] := ROW(
            p_transfer_id[n], p_transfer_type[n], p_amount[n], p_currency_code[n],
            p_description[n], p_idempotency_key[n], p_request_hash[n],
            greatest(p_posted_at[n], p_not_before), p_from_account_id[n], p_from_entry_number[n],
            p_from_balance[n], p_debit_id[n], p_debit_description[n], p_to_account_id[n],
            p_to_entry_number[n], p_to_balance[n], p_credit_id[n], p_credit_description[n]
        )::banking.new_transfer;
    END LOOP;
    RETURN v_transfers;
END
$$;
REVOKE ALL ON FUNCTION banking.compose_transfers(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[], uuid[], bigint[],
    numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[], timestamptz
) FROM PUBLIC;

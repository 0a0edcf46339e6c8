-- Internal: writes seals of at most 10,000 records each behind the last one, with the records in the
-- given order. The caller has locked banking.seals. Without records it writes nothing, unless
-- p_even_empty.
CREATE OR REPLACE FUNCTION banking.write_seals(
    p_kinds text[],
    p_ids uuid[],
    p_transactions_before bigint,
    p_transactions_running text,
    p_is_complete boolean,
    p_sealed_until timestamptz,
    p_epoch bigint,
    p_server_identifier bigint,
    p_even_empty boolean
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_count integer := coalesce(cardinality(p_ids), 0);
    v_from integer := 1;
    v_to integer;
    v_hashed bigint;
    v_seal banking.seals;
BEGIN
    SELECT seal.seal_number, seal.last_position, seal.head
    INTO v_seal.seal_number, v_seal.last_position, v_seal.head
    FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1;
    IF NOT FOUND THEN
        v_seal.seal_number := 0;
        v_seal.last_position := 0;
        v_seal.head := decode(repeat('00', 32), 'hex');
    END IF;
    WHILE v_from <= v_count OR (p_even_empty AND v_count = 0 AND v_from = 1) LOOP
        v_to := least(v_from + 9999, v_count);
        v_seal.seal_number := v_seal.seal_number + 1;
        v_seal.previous_head := v_seal.head;
        v_seal.format_version := 1;
        v_seal.record_count := v_to - v_from + 1;
        v_seal.first_position := v_seal.last_position + 1;
        v_seal.last_position := v_seal.last_position + v_seal.record_count;
        v_seal.record_kinds := convert_to(array_to_string(p_kinds[v_from:v_to], ''), 'UTF8');
        v_seal.record_ids := coalesce(
            (SELECT string_agg(uuid_send(given.id), ''::bytea ORDER BY given.place)
             FROM unnest(p_ids[v_from:v_to]) WITH ORDINALITY AS given (id, place)), ''::bytea);
        SELECT coalesce(string_agg(hashed.record_hash, ''::bytea ORDER BY hashed.place), ''::bytea),
               count(hashed.record_hash), min(hashed.transaction_number), max(hashed.transaction_number)
        INTO v_seal.record_hashes, v_hashed, v_seal.first_transaction_number,
             v_seal.last_transaction_number
        FROM banking.hash_records(v_seal.record_kinds, v_seal.record_ids) AS hashed;
        IF v_hashed <> v_seal.record_count THEN
            RAISE EXCEPTION '% of % records can be hashed', v_hashed, v_seal.record_count
                USING ERRCODE = 'internal_error';
        END IF;
        v_seal.transactions_before := p_transactions_before;
        v_seal.transactions_running := p_transactions_running;
        v_seal.is_complete := p_is_complete AND v_to = v_count;
        v_seal.sealed_until := CASE WHEN NOT p_is_complete AND v_to = v_count THEN p_sealed_until END;
        v_seal.epoch := p_epoch;
        v_seal.server_identifier := p_server_identifier;
        v_seal.sealed_at := clock_timestamp();
        v_seal.head := banking.seal_head(v_seal);
        INSERT INTO banking.seals SELECT v_seal.*;
        v_from := v_from + 10000;
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.write_seals(
    text[], uuid[], bigint, text, boolean, timestamptz, bigint, bigint, boolean
) FROM PUBLIC;

-- Recomputes the seals of a range and the hashes of their records, and returns what differs. A caller
-- divides a long chain into ranges; the first seal of each is compared with the one before it.
-- SECURITY DEFINER, because the functions that hash are not for callers.
CREATE OR REPLACE FUNCTION banking.verify_seals(p_first_seal bigint, p_last_seal bigint)
RETURNS TABLE (
    check_name text,
    record_kind text,
    record_id uuid,
    record_position bigint,
    seal_number bigint,
    detail text
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_seal banking.seals;
    v_number bigint;
    v_position bigint;
    v_head bytea;
BEGIN
    SELECT seal.seal_number, seal.last_position, seal.head INTO v_number, v_position, v_head
    FROM banking.seals AS seal
    WHERE seal.seal_number < p_first_seal
    ORDER BY seal.seal_number DESC LIMIT 1;
    v_number := coalesce(v_number, 0);
    v_position := coalesce(v_position, 0);
    v_head := coalesce(v_head, decode(repeat('00', 32), 'hex'));
    FOR v_seal IN
        SELECT * FROM banking.seals AS seal
        WHERE seal.seal_number BETWEEN p_first_seal AND p_last_seal
        ORDER BY seal.seal_number
    LOOP
        IF v_seal.seal_number IS DISTINCT FROM v_number + 1
            OR v_seal.first_position IS DISTINCT FROM v_position + 1
            OR v_seal.previous_head IS DISTINCT FROM v_head
        THEN
            RETURN QUERY SELECT
                'seal continues the one before', NULL::text, NULL::uuid, v_seal.first_position,
                v_seal.seal_number,
                format('seal %s at position %s with previous head %s follows seal %s up to position %s with head %s',
                       v_seal.seal_number, v_seal.first_position, encode(v_seal.previous_head, 'hex'),
                       v_number, v_position, encode(v_head, 'hex'));
        END IF;
        IF v_seal.head IS DISTINCT FROM banking.seal_head(v_seal) THEN
            RETURN QUERY SELECT
                'seal has the hash of its columns', NULL::text, NULL::uuid, v_seal.first_position,
                v_seal.seal_number,
                format('head %s, its columns have %s', encode(v_seal.head, 'hex'),
                       encode(banking.seal_head(v_seal), 'hex'));
        END IF;
        IF v_seal.format_version IS DISTINCT FROM 1 THEN
            RETURN QUERY SELECT
                'seal has a known format', NULL::text, NULL::uuid, v_seal.first_position,
                v_seal.seal_number, format('version %s', v_seal.format_version);
        ELSIF octet_length(v_seal.record_ids) = 16 * octet_length(v_seal.record_kinds)
            AND octet_length(v_seal.record_hashes) = 32 * octet_length(v_seal.record_kinds)
        THEN
            RETURN QUERY
            SELECT CASE WHEN hashed.record_hash IS NULL THEN 'sealed record exists'
                        ELSE 'sealed record is as it was sealed' END,
                   CASE hashed.record_kind WHEN 't' THEN 'transfer' WHEN 'h' THEN 'hold event'
                        ELSE hashed.record_kind END,
                   hashed.record_id, v_seal.first_position + hashed.place - 1, v_seal.seal_number,
                   CASE WHEN hashed.record_hash IS NULL THEN 'the record is missing'
                        ELSE format('the record has the hash %s', encode(hashed.record_hash, 'hex')) END
            FROM banking.hash_records(v_seal.record_kinds, v_seal.record_ids) AS hashed
            WHERE hashed.record_hash IS DISTINCT FROM
                      substring(v_seal.record_hashes FROM 32 * hashed.place - 31 FOR 32);
        END IF;
        v_number := v_seal.seal_number;
        v_position := v_seal.last_position;
        v_head := v_seal.head;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION banking.verify_seals(bigint, bigint) FROM PUBLIC;

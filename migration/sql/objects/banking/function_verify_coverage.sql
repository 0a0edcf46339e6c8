-- Returns the records that should be in a seal and are in none, those that are in two, and those with
-- a transaction number that the server has not given yet.
CREATE OR REPLACE FUNCTION banking.verify_coverage()
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
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '64MB'
AS $$
#variable_conflict use_column
DECLARE
    v_next bigint := greatest(
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        pg_current_xact_id_if_assigned()::text::bigint + 1
    );
    -- The last snapshot that is sealed. Without one, no record must be in a seal.
    v_before bigint := -1;
    v_running bigint[] := '{}';
BEGIN
    SELECT seal.transactions_before, string_to_array(seal.transactions_running, ',')::bigint[]
    INTO v_before, v_running
    FROM banking.seals AS seal WHERE seal.is_complete ORDER BY seal.seal_number DESC LIMIT 1;
    RETURN QUERY
    WITH sealed AS MATERIALIZED (
        SELECT encode(substring(loaded.ids FROM 16 * place - 15 FOR 16), 'hex')::uuid AS record_id
        FROM banking.seals AS seal
        CROSS JOIN LATERAL (SELECT seal.record_ids || ''::bytea AS ids OFFSET 0) AS loaded
        CROSS JOIN LATERAL generate_series(1, octet_length(loaded.ids) / 16) AS place
    ),
    record AS (
        SELECT 'transfer' AS record_kind, transfer.transfer_id AS record_id,
               transfer.transaction_number, transfer.created_at
        FROM banking.transfers AS transfer
        UNION ALL
        SELECT 'hold event', event.event_id, event.transaction_number, event.created_at
        FROM banking.hold_events AS event
    )
    SELECT CASE WHEN record.transaction_number >= v_next THEN 'transaction number was given'
                ELSE 'record is in a seal' END,
           record.record_kind, record.record_id, NULL::bigint, NULL::bigint,
           format('transaction %s, created at %s', coalesce(record.transaction_number::text, 'unknown'),
                  record.created_at)
    FROM record
    WHERE (record.transaction_number >= v_next
           OR (v_before >= 0
               AND (record.transaction_number IS NULL
                    OR (record.transaction_number < v_before
                        AND record.transaction_number <> ALL (v_running)))))
      AND NOT EXISTS (SELECT FROM sealed WHERE sealed.record_id = record.record_id)
    UNION ALL
    SELECT 'record is sealed once', NULL, sealed.record_id, NULL, NULL,
           format('sealed %s times', count(*))
    FROM sealed
    GROUP BY sealed.record_id
    HAVING count(*) > 1;
END
$$;
REVOKE ALL ON FUNCTION banking.verify_coverage() FROM PUBLIC;

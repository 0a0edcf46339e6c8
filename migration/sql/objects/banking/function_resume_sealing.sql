-- Continues the sealed order on a server whose transaction numbers do not continue the sealed ones:
-- after a logical restore or pg_upgrade. Posting waits while it seals every record that is not
-- sealed, in the order of time; then a new epoch begins. Only the owner may call it.
CREATE OR REPLACE FUNCTION banking.resume_sealing() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '64MB'
AS $$
DECLARE
    v_epoch bigint;
    v_server bigint := (SELECT control.system_identifier FROM pg_control_system() AS control);
    v_own bigint := pg_current_xact_id()::text::bigint;
    v_snapshot pg_snapshot;
    v_before bigint;
    v_running text;
    v_kinds text[];
    v_ids uuid[];
    v_done boolean;
BEGIN
    -- Every transaction that has written records ends first, so its records are visible below.
    LOCK TABLE banking.transfers, banking.hold_events, banking.seals IN SHARE ROW EXCLUSIVE MODE;
    v_epoch := coalesce(
        (SELECT seal.epoch FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1), 1);
    v_snapshot := pg_current_snapshot();
    v_before := pg_snapshot_xmax(v_snapshot)::text::bigint;
    v_running := array_to_string(ARRAY(
        SELECT running.number::text::bigint FROM pg_snapshot_xip(v_snapshot) AS running (number)
        UNION
        SELECT v_own WHERE v_own < v_before
        ORDER BY 1
    ), ',');
    WITH sealed AS (
        SELECT encode(substring(loaded.ids FROM 16 * place - 15 FOR 16), 'hex')::uuid AS record_id
        FROM banking.seals AS seal
        CROSS JOIN LATERAL (SELECT seal.record_ids || ''::bytea AS ids OFFSET 0) AS loaded
        CROSS JOIN LATERAL generate_series(1, seal.record_count::integer) AS place
    ),
    unsealed AS (
        SELECT 't' AS record_kind, transfer.transfer_id AS record_id, transfer.posted_at AS at,
               transfer.created_at
        FROM banking.transfers AS transfer
        UNION ALL
        SELECT 'h', event.event_id, event.occurred_at, event.created_at
        FROM banking.hold_events AS event
    )
    SELECT array_agg(record_kind ORDER BY at, created_at, record_kind DESC, record_id),
           array_agg(record_id ORDER BY at, created_at, record_kind DESC, record_id)
    INTO v_kinds, v_ids
    FROM unsealed
    WHERE NOT EXISTS (SELECT FROM sealed WHERE sealed.record_id = unsealed.record_id);
    IF v_ids IS NOT NULL THEN
        SELECT array_agg(v_kinds[given.place] ORDER BY given.rank),
               array_agg(v_ids[given.place] ORDER BY given.rank)
        INTO v_kinds, v_ids
        FROM unnest(banking.order_records(v_kinds, v_ids)) WITH ORDINALITY AS given (place, rank);
        -- Of the epoch that ends: their numbers may be given again.
        v_done := banking.write_seals(
            v_kinds, v_ids, v_before, v_running, true, NULL, v_epoch, v_server, false
        );
    END IF;
    v_done := banking.write_seals(
        '{}', '{}', v_before, v_running, true, NULL, v_epoch + 1, v_server, true
    );
    RETURN coalesce(cardinality(v_ids), 0);
END
$$;
REVOKE ALL ON FUNCTION banking.resume_sealing() FROM PUBLIC;

-- Seals committed transfers and hold events: gives them the next positions of the sealed order, and
-- continues the hash chain. A call seals at most p_records_max records, and those of equal time with
-- the last. Returns the number of records that the call has sealed, and whether others remain.
--
-- A call takes a snapshot, and seals every record of a transaction that has committed by then and is
-- not sealed. The transactions that ran at the snapshot are kept in the seal, and the next call looks
-- for their records, so no record can commit behind the sealed order. What a transaction saw is
-- committed before it, so the entries of an account are sealed in the order of their numbers: between
-- snapshots because of that, and within one by time, which never goes back on an account.
-- The order of transaction numbers alone would not do: a transaction has its number before it waits
-- for an account.
--
-- The records of before the column transaction_number come first, in snapshots of their own.
-- One call runs at a time: only the owner can take a lock on the table that conflicts.
CREATE OR REPLACE FUNCTION banking.seal(p_records_max integer DEFAULT 100000)
RETURNS TABLE (sealed_records bigint, has_more boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- The records of the last seconds are found by the block range index.
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
SET work_mem = '64MB'
AS $$
DECLARE
    v_last record;
    v_is_first boolean;
    v_epoch bigint;
    v_server bigint := (SELECT control.system_identifier FROM pg_control_system() AS control);
    v_snapshot pg_snapshot;
    v_next bigint;
    -- NULL if the caller's transaction has written nothing: its number will be a later one.
    v_own bigint := pg_current_xact_id_if_assigned()::text::bigint;
    v_newest bigint;
    -- The end and the running transactions of the last snapshot that is sealed, and of this one.
    v_base_before bigint := 0;
    v_base_running bigint[] := '{}';
    v_before bigint;
    v_running bigint[];
    -- True for the records without a number.
    v_is_unnumbered boolean := false;
    -- True if records of transactions that ran at the last snapshot may have committed.
    v_has_late boolean;
    v_sealed_until timestamptz := '-infinity';
    v_earlier_epochs uuid[] := '{}';
    v_kinds text[];
    v_ids uuid[];
    v_waiting bigint;
    v_taken bigint;
    v_is_inverted boolean;
    v_places integer[];
BEGIN
    IF p_records_max < 1 THEN
        RAISE EXCEPTION 'a seal of at most % records', p_records_max
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE banking.seals IN SHARE ROW EXCLUSIVE MODE;
    SELECT seal.seal_number, seal.transactions_before, seal.transactions_running, seal.is_complete,
           seal.sealed_until, seal.epoch, seal.server_identifier
    INTO v_last
    FROM banking.seals AS seal ORDER BY seal.seal_number DESC LIMIT 1;
    v_is_first := NOT FOUND;
    v_epoch := coalesce(v_last.epoch, 1);

    -- Taken after the lock, so that it is later than the previous call's. The statements below see
    -- at least what it has.
    v_snapshot := pg_current_snapshot();
    v_next := pg_snapshot_xmax(v_snapshot)::text::bigint;
    IF NOT v_is_first
        AND (v_last.server_identifier <> v_server OR v_last.transactions_before > v_next)
    THEN
        RAISE EXCEPTION 'the transaction numbers of this server do not continue the sealed ones'
            USING ERRCODE = 'NB005',
                  DETAIL = format('Sealed by server %s up to transaction %s; this is server %s at %s.',
                                  v_last.server_identifier, v_last.transactions_before, v_server, v_next),
                  HINT = 'After a restore or an upgrade, the owner calls banking.resume_sealing().';
    END IF;
    SELECT greatest(
        (SELECT max(transfer.transaction_number) FROM banking.transfers AS transfer
         WHERE transfer.transaction_number >= v_next),
        (SELECT max(event.transaction_number) FROM banking.hold_events AS event
         WHERE event.transaction_number >= v_next)
    ) INTO v_newest;
    IF v_newest >= greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, v_own + 1)
        AND v_epoch = 1
    THEN
        RAISE EXCEPTION 'a record has transaction number %, which this server has not given yet', v_newest
            USING ERRCODE = 'NB005',
                  HINT = 'After a restore or an upgrade, the owner calls banking.resume_sealing().';
    END IF;

    v_before := v_next;
    -- The caller's own transaction may still write.
    v_running := ARRAY(
        SELECT running.number::text::bigint FROM pg_snapshot_xip(v_snapshot) AS running (number)
        UNION
        SELECT v_own WHERE v_own < v_next
        ORDER BY 1
    );
    IF v_is_first THEN
        v_is_unnumbered :=
            EXISTS (SELECT FROM banking.transfers AS transfer WHERE transfer.transaction_number IS NULL)
            OR EXISTS (SELECT FROM banking.hold_events AS event WHERE event.transaction_number IS NULL);
    ELSE
        IF NOT v_last.is_complete THEN
            v_before := v_last.transactions_before;
            v_running := string_to_array(v_last.transactions_running, ',')::bigint[];
            v_sealed_until := v_last.sealed_until;
            v_is_unnumbered := v_before = 0;
        END IF;
        SELECT seal.transactions_before, string_to_array(seal.transactions_running, ',')::bigint[]
        INTO v_base_before, v_base_running
        FROM banking.seals AS seal WHERE seal.is_complete ORDER BY seal.seal_number DESC LIMIT 1;
        v_base_before := coalesce(v_base_before, 0);
        v_base_running := coalesce(v_base_running, '{}');
    END IF;
    IF v_is_unnumbered THEN
        v_before := 0;
        v_running := '{}';
    END IF;
    -- Records of earlier epochs are all sealed, and their numbers may come again.
    IF v_epoch > 1 THEN
        v_earlier_epochs := ARRAY(
            SELECT encode(substring(seal.record_ids FROM 16 * place - 15 FOR 16), 'hex')::uuid
            FROM banking.seals AS seal
            CROSS JOIN LATERAL generate_series(1, seal.record_count::integer) AS place
            WHERE seal.epoch < v_epoch
              AND seal.last_transaction_number >= least(v_base_before, v_base_running[1])
              AND seal.first_transaction_number < v_before
        );
    END IF;

    v_has_late := NOT v_is_unnumbered AND v_base_running <> '{}';

    -- Each arm has a condition that the index answers. With OR between them the server would read
    -- every record of some other index.
    WITH waiting AS MATERIALIZED (
        SELECT 't' AS record_kind, transfer.transfer_id AS record_id, transfer.posted_at AS at,
               transfer.created_at, transfer.from_account_id AS first_chain,
               transfer.from_entry_number AS first_number, transfer.to_account_id AS second_chain,
               transfer.to_entry_number AS second_number,
               CASE WHEN transfer.hold_id IS NOT NULL THEN transfer.transfer_id END AS capture,
               0::bigint AS capture_number
        FROM (
            SELECT new.* FROM banking.transfers AS new
            WHERE NOT v_is_unnumbered AND new.transaction_number >= v_base_before
            UNION ALL
            SELECT late.* FROM banking.transfers AS late
            WHERE v_has_late AND late.transaction_number = ANY (v_base_running)
            UNION ALL
            SELECT old.* FROM banking.transfers AS old
            WHERE v_is_unnumbered AND old.transaction_number IS NULL
        ) AS transfer
        WHERE (v_is_unnumbered
               OR (transfer.transaction_number < v_before
                   AND transfer.transaction_number <> ALL (v_running)))
          AND transfer.posted_at > v_sealed_until
          AND transfer.transfer_id <> ALL (v_earlier_epochs)
        UNION ALL
        SELECT 'h', event.event_id, coalesce(transfer.posted_at, event.occurred_at),
               event.created_at, event.hold_id, event.event_number, NULL, NULL, event.transfer_id,
               event.event_number
        FROM (
            SELECT new.* FROM banking.hold_events AS new
            WHERE NOT v_is_unnumbered AND new.transaction_number >= v_base_before
            UNION ALL
            SELECT late.* FROM banking.hold_events AS late
            WHERE v_has_late AND late.transaction_number = ANY (v_base_running)
            UNION ALL
            SELECT old.* FROM banking.hold_events AS old
            WHERE v_is_unnumbered AND old.transaction_number IS NULL
        ) AS event
        LEFT JOIN banking.transfers AS transfer ON transfer.transfer_id = event.transfer_id
        WHERE (v_is_unnumbered
               OR (event.transaction_number < v_before
                   AND event.transaction_number <> ALL (v_running)))
          AND coalesce(transfer.posted_at, event.occurred_at) > v_sealed_until
          AND event.event_id <> ALL (v_earlier_epochs)
    ),
    -- Records of one time are never divided, because their order is not that of the time.
    taken AS (
        SELECT * FROM waiting ORDER BY at FETCH FIRST p_records_max ROWS WITH TIES
    ),
    ordered AS MATERIALIZED (
        SELECT taken.*,
               row_number() OVER (ORDER BY at, created_at, record_kind DESC, record_id) AS place
        FROM taken
    ),
    linked AS (
        SELECT link.place, lag(link.place) OVER (PARTITION BY link.chain_id ORDER BY link.number) AS earlier
        FROM (
            SELECT place, first_chain AS chain_id, first_number AS number FROM ordered
            UNION ALL
            SELECT place, second_chain, second_number FROM ordered WHERE second_chain IS NOT NULL
            UNION ALL
            SELECT place, capture, capture_number FROM ordered WHERE capture IS NOT NULL
        ) AS link
    )
    SELECT (SELECT count(*) FROM waiting), count(*), max(ordered.at),
           array_agg(ordered.record_kind ORDER BY ordered.place),
           array_agg(ordered.record_id ORDER BY ordered.place),
           EXISTS (SELECT FROM linked WHERE linked.place < linked.earlier)
    INTO v_waiting, v_taken, v_sealed_until, v_kinds, v_ids, v_is_inverted
    FROM ordered;
    IF v_is_inverted THEN
        v_places := banking.order_records(v_kinds, v_ids);
        SELECT array_agg(v_kinds[given.place] ORDER BY given.rank),
               array_agg(v_ids[given.place] ORDER BY given.rank)
        INTO v_kinds, v_ids
        FROM unnest(v_places) WITH ORDINALITY AS given (place, rank);
    END IF;
    v_is_inverted := banking.write_seals(
        v_kinds, v_ids, v_before, array_to_string(v_running, ','), v_taken = v_waiting,
        v_sealed_until, v_epoch, v_server, false
    );
    PERFORM banking.summarise_transaction_numbers();
    sealed_records := v_taken;
    has_more := v_taken < v_waiting OR (v_is_unnumbered AND v_taken > 0);
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION banking.seal(integer) FROM PUBLIC;

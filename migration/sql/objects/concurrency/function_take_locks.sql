-- Takes the locks of all these names for the current transaction, or none of them, and assigns each
-- a fencing token.
--
-- The locks are taken in the order of their keys, so that two sessions with several names never
-- deadlock. One limit applies to the wait for all of them together; 0 does not wait. lock_timeout
-- is set for this function alone and has its old value afterwards.
--
-- Returns a row for each name with the outcome 'granted', or a single row with the reason:
-- 'timeout' (the name and its holder), 'leased' (the name and the lease's holder), 'collision' (the
-- name, and the name that has the same key), 'out_of_order' (the name, and the key that is held
-- already). In that case no lock is taken, and the transaction stays usable.
--
-- Only the holder of a name's lock writes the name into the registry, so the insert waits for no
-- other session. SECURITY DEFINER, because the application itself may not set a fencing token.
CREATE OR REPLACE FUNCTION concurrency.take_locks(
    p_namespaces text[],
    p_identifiers text[],
    p_timeout_ms integer,
    p_in_order boolean DEFAULT false
)
RETURNS TABLE (
    outcome text,
    namespace text,
    identifier text,
    fencing_token bigint,
    holders integer[],
    other_namespace text,
    other_identifier text,
    other_key bigint,
    lease_holder uuid,
    lease_expires_at timestamptz
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = 0
AS $$
#variable_conflict use_column
DECLARE
    v_deadline timestamptz := clock_timestamp() + make_interval(secs => p_timeout_ms / 1000.0);
    v_statement_timeout interval := current_setting('statement_timeout')::interval;
    v_remaining_ms numeric;
    v_outcome text := 'timeout';
    v_name record;
    v_highest_key bigint;
    v_registered concurrency.lock_names;
    v_lease concurrency.lock_leases;
    v_tokens bigint[] := ARRAY[]::bigint[];
    v_namespaces text[] := ARRAY[]::text[];
    v_identifiers text[] := ARRAY[]::text[];
    v_number integer;
BEGIN
    IF p_namespaces IS NULL OR p_identifiers IS NULL OR p_timeout_ms IS NULL OR p_in_order IS NULL
        OR array_position(p_namespaces, NULL) IS NOT NULL OR array_position(p_identifiers, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'p_namespaces, p_identifiers, p_timeout_ms and p_in_order must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF cardinality(p_namespaces) <> cardinality(p_identifiers) THEN
        RAISE EXCEPTION 'there are % namespaces and % identifiers', cardinality(p_namespaces), cardinality(p_identifiers)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_timeout_ms < 0 THEN
        RAISE EXCEPTION 'p_timeout_ms must not be negative: %', p_timeout_ms
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use 0 not to wait at all.';
    END IF;
    -- statement_timeout would abort the whole transaction before this wait ends.
    IF v_statement_timeout > interval '0' AND make_interval(secs => p_timeout_ms / 1000.0) >= v_statement_timeout THEN
        RAISE EXCEPTION 'p_timeout_ms must be below statement_timeout, which is %: %',
                current_setting('statement_timeout'), p_timeout_ms
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- A block with an EXCEPTION clause is a subtransaction, so its locks are released when it fails.
    BEGIN
        IF p_in_order THEN
            SELECT max(held.lock_key) INTO v_highest_key
            FROM concurrency.v_held_locks AS held
            WHERE held.process_id = pg_backend_pid() AND held.granted;
        END IF;
        FOR v_name IN
            SELECT DISTINCT concurrency.lock_key(wanted.namespace, wanted.identifier) AS lock_key, wanted.namespace, wanted.identifier
            FROM unnest(p_namespaces, p_identifiers) AS wanted (namespace, identifier)
            ORDER BY lock_key, namespace, identifier
        LOOP
            IF v_name.lock_key < v_highest_key AND NOT EXISTS (
                SELECT FROM concurrency.v_held_locks AS held
                WHERE held.process_id = pg_backend_pid() AND held.granted AND held.lock_key = v_name.lock_key
            ) THEN
                v_outcome := 'out_of_order';
                RAISE lock_not_available;
            END IF;
            v_remaining_ms := ceil(extract(epoch FROM v_deadline - clock_timestamp()) * 1000);
            IF p_timeout_ms > 0 AND v_remaining_ms >= 1 THEN
                PERFORM set_config('lock_timeout', v_remaining_ms::text, true);
                PERFORM pg_advisory_xact_lock(v_name.lock_key);
            ELSIF NOT pg_try_advisory_xact_lock(v_name.lock_key) THEN
                RAISE lock_not_available;
            END IF;
        END LOOP;

        -- All locks are held. From here on, only a session that checks one of these tokens in its
        -- own transaction can block this one.
        FOR v_name IN
            SELECT DISTINCT concurrency.lock_key(wanted.namespace, wanted.identifier) AS lock_key, wanted.namespace, wanted.identifier
            FROM unnest(p_namespaces, p_identifiers) AS wanted (namespace, identifier)
            ORDER BY lock_key, namespace, identifier
        LOOP
            v_remaining_ms := greatest(ceil(extract(epoch FROM v_deadline - clock_timestamp()) * 1000), 1);
            PERFORM set_config('lock_timeout', v_remaining_ms::text, true);
            DELETE FROM concurrency.lock_leases AS lease
            WHERE lease.lock_key = v_name.lock_key AND lease.expires_at <= clock_timestamp();
            SELECT * INTO v_lease FROM concurrency.lock_leases AS lease WHERE lease.lock_key = v_name.lock_key;
            IF FOUND THEN
                v_outcome := 'leased';
                RAISE lock_not_available;
            END IF;
            INSERT INTO concurrency.lock_names AS known (lock_key, namespace, identifier, fencing_token)
            VALUES (v_name.lock_key, v_name.namespace, v_name.identifier,
                    (SELECT floor.last_value + 1 FROM concurrency.fencing_token_floor AS floor))
            ON CONFLICT (lock_key) DO UPDATE SET fencing_token = known.fencing_token + 1
            RETURNING known.* INTO v_registered;
            IF v_registered.namespace <> v_name.namespace OR v_registered.identifier <> v_name.identifier THEN
                v_outcome := 'collision';
                RAISE lock_not_available;
            END IF;
            v_namespaces := v_namespaces || v_name.namespace;
            v_identifiers := v_identifiers || v_name.identifier;
            v_tokens := v_tokens || v_registered.fencing_token;
        END LOOP;
    EXCEPTION
        WHEN lock_not_available THEN
            RETURN QUERY SELECT
                v_outcome,
                v_name.namespace,
                v_name.identifier,
                NULL::bigint,
                CASE WHEN v_outcome = 'timeout' THEN ARRAY(
                    SELECT held.process_id FROM concurrency.v_held_locks AS held
                    WHERE held.lock_key = v_name.lock_key AND held.granted
                    ORDER BY held.process_id
                ) END,
                CASE WHEN v_outcome = 'collision' THEN v_registered.namespace END,
                CASE WHEN v_outcome = 'collision' THEN v_registered.identifier END,
                CASE WHEN v_outcome = 'out_of_order' THEN v_highest_key END,
                CASE WHEN v_outcome = 'leased' THEN v_lease.holder END,
                CASE WHEN v_outcome = 'leased' THEN v_lease.expires_at END;
            RETURN;
    END;

    FOR v_number IN 1 .. cardinality(v_tokens) LOOP
        RETURN QUERY SELECT 'granted'::text, v_namespaces[v_number], v_identifiers[v_number], v_tokens[v_number],
            NULL::integer[], NULL::text, NULL::text, NULL::bigint, NULL::uuid, NULL::timestamptz;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION concurrency.take_locks(text[], text[], integer, boolean) FROM PUBLIC;

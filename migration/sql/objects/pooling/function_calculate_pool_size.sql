-- Computes the size of one instance's pool: the lowest of the upper bounds, but never below the
-- floor under which threads that hold a connection and request another one can wait for each other
-- forever. The bounds, formulas and names equal those of Rust's pool_size. Returns a row for each
-- bound, and one for the size itself; it omits bounds of null inputs. A reserved number that is
-- null is this server's own setting.
CREATE OR REPLACE FUNCTION pooling.calculate_pool_size(
    p_max_connections integer,
    p_mean_hold_ms double precision,
    p_transactions_per_second double precision,
    p_headroom double precision DEFAULT 0.25,
    p_physical_cores integer DEFAULT NULL,
    p_spindles integer DEFAULT 0,
    p_instances integer DEFAULT 1,
    p_superuser_reserved_connections integer DEFAULT NULL,
    p_reserved_connections integer DEFAULT NULL,
    p_other_connections integer DEFAULT 0,
    p_total_bytes bigint DEFAULT NULL,
    p_shared_buffers_bytes bigint DEFAULT NULL,
    p_work_mem_bytes bigint DEFAULT NULL,
    p_work_mem_multiple integer DEFAULT 3,
    p_threads integer DEFAULT 1,
    p_connections_per_thread integer DEFAULT 1
)
RETURNS TABLE (metric text, value bigint, binds boolean, formula text, source text)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_superuser_reserved bigint := coalesce(p_superuser_reserved_connections,
                                            current_setting('superuser_reserved_connections')::integer);
    -- PostgreSQL 15 has no such setting.
    v_reserved bigint := coalesce(p_reserved_connections, current_setting('reserved_connections', true)::integer, 0);
    v_with_memory boolean := p_total_bytes IS NOT NULL OR p_shared_buffers_bytes IS NOT NULL OR p_work_mem_bytes IS NOT NULL;
    v_field record;
    v_demand bigint;
    v_cores bigint;
    v_usable bigint;
    v_share bigint;
    v_memory bigint;
    v_floor bigint;
    v_limit bigint;
    v_size bigint;
    v_binds text;
BEGIN
    FOR v_field IN
        SELECT * FROM (VALUES
            (1, 'max_connections', p_max_connections::bigint, 1, false),
            (2, 'physical_cores', p_physical_cores, 1, true),
            (3, 'spindles', p_spindles, 0, false),
            (4, 'superuser_reserved_connections', v_superuser_reserved, 0, false),
            (5, 'reserved_connections', v_reserved, 0, false),
            (6, 'other_connections', p_other_connections, 0, false),
            (7, 'instances', p_instances, 1, false),
            (8, 'threads', p_threads, 1, false),
            (9, 'connections_per_thread', p_connections_per_thread, 1, false)
        ) AS f (place, name, number, least, may_be_null)
        ORDER BY f.place
    LOOP
        IF NOT (v_field.may_be_null AND v_field.number IS NULL)
            AND (v_field.number BETWEEN v_field.least AND 1000000) IS NOT TRUE THEN
            RAISE EXCEPTION '% is %, but must be between % and 1000000',
                    v_field.name, coalesce(v_field.number::text, 'null'), v_field.least
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    -- NaN is greater than every other number, so BETWEEN rejects it.
    IF (p_mean_hold_ms BETWEEN 0.000001 AND 86400000) IS NOT TRUE THEN
        RAISE EXCEPTION 'mean_hold_ms is %, but must be between 0.000001 and 86400000', coalesce(p_mean_hold_ms::text, 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (p_transactions_per_second BETWEEN 0.000001 AND 1000000000) IS NOT TRUE THEN
        RAISE EXCEPTION 'transactions_per_second is %, but must be between 0.000001 and 1000000000',
                coalesce(p_transactions_per_second::text, 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (p_headroom BETWEEN 0 AND 10) IS NOT TRUE THEN
        RAISE EXCEPTION 'headroom is %, but must be between 0 and 10', coalesce(p_headroom::text, 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF v_with_memory THEN
        FOR v_field IN
            SELECT * FROM (VALUES
                (1, 'total_bytes', p_total_bytes),
                (2, 'shared_buffers_bytes', p_shared_buffers_bytes),
                (3, 'work_mem_bytes', p_work_mem_bytes)
            ) AS f (place, name, number)
            ORDER BY f.place
        LOOP
            IF (v_field.number BETWEEN 1 AND 1152921504606846976) IS NOT TRUE THEN
                RAISE EXCEPTION '% is %, but must be between 1 byte and 1 EiB',
                        v_field.name, coalesce(v_field.number::text, 'null')
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
        END LOOP;
        IF p_shared_buffers_bytes >= p_total_bytes THEN
            RAISE EXCEPTION 'shared_buffers_bytes is %, but must be below total_bytes', p_shared_buffers_bytes
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF (p_work_mem_multiple BETWEEN 1 AND 1000) IS NOT TRUE THEN
            RAISE EXCEPTION 'work_mem_multiple is %, but must be between 1 and 1000', coalesce(p_work_mem_multiple::text, 'null')
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END IF;

    v_demand := greatest(ceil(p_transactions_per_second * p_mean_hold_ms / 1000.0::double precision
                              * (1.0::double precision + p_headroom))::bigint, 1);
    v_demand := (v_demand + p_instances - 1) / p_instances;
    v_cores := (2 * p_physical_cores::bigint + p_spindles + p_instances - 1) / p_instances;
    v_usable := p_max_connections - v_superuser_reserved - v_reserved - p_other_connections;
    IF v_usable < p_instances THEN
        RAISE EXCEPTION 'max_connections is %, but must be enough for what is reserved and one connection for each instance',
                p_max_connections
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_share := v_usable / p_instances;
    IF v_with_memory THEN
        v_memory := div(div(p_total_bytes::numeric - p_shared_buffers_bytes, p_work_mem_bytes::numeric * p_work_mem_multiple),
                        p_instances::numeric)::bigint;
        IF v_memory = 0 THEN
            RAISE EXCEPTION 'total_bytes is %, but must be enough for shared_buffers_bytes and one connection of each instance',
                    p_total_bytes
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END IF;
    v_floor := p_threads::bigint * (p_connections_per_thread - 1) + 1;
    -- least() ignores nulls.
    v_limit := least(v_share, v_memory);
    IF v_floor > v_limit THEN
        RAISE EXCEPTION 'no pool size is safe: threads that hold several connections need at least %, but % allows %',
                v_floor, CASE WHEN v_share = v_limit THEN 'fair_share' ELSE 'memory' END, v_limit
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_size := least(v_demand, v_cores, v_limit);
    v_binds := CASE
        WHEN v_size < v_floor THEN 'deadlock_floor'
        WHEN v_size = v_demand THEN 'demand'
        WHEN v_size = v_cores THEN 'physical_cores'
        WHEN v_size = v_share THEN 'fair_share'
        ELSE 'memory'
    END;
    v_size := greatest(v_size, v_floor);

    RETURN QUERY
    SELECT b.metric, b.value, b.metric = v_binds, b.formula, b.source
    FROM (VALUES
        (1, 'demand', v_demand,
         'ceil(ceil(transactions_per_second * mean_hold_ms / 1000 * (1 + headroom)) / instances)',
         'Little''s law (1961)'),
        (2, 'physical_cores', v_cores,
         'ceil((2 * physical_cores + spindles) / instances)',
         'PostgreSQL wiki, Number Of Database Connections; HikariCP wiki, About Pool Sizing'),
        (3, 'fair_share', v_share,
         'floor((max_connections - superuser_reserved_connections - reserved_connections - other_connections) / instances)',
         'PostgreSQL documentation, Connection Settings'),
        (4, 'memory', v_memory,
         'floor(floor((total_bytes - shared_buffers_bytes) / (work_mem_bytes * work_mem_multiple)) / instances)',
         'PostgreSQL documentation, Resource Consumption: work_mem'),
        (5, 'deadlock_floor', v_floor,
         'threads * (connections_per_thread - 1) + 1',
         'HikariCP wiki, About Pool Sizing: Pool-locking'),
        (6, 'pool_size', v_size, NULL, NULL)
    ) AS b (place, metric, value, formula, source)
    WHERE b.value IS NOT NULL
    ORDER BY b.place;
END
$$;
COMMENT ON FUNCTION pooling.calculate_pool_size IS 'The size of one instance''s pool, with every bound, its formula and its source; binds marks the deciding bound.';
REVOKE ALL ON FUNCTION pooling.calculate_pool_size FROM PUBLIC;

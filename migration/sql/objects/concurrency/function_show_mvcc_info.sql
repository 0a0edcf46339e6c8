-- Returns the row versions of a table, and the state of each for the current transaction.
--
-- With the extension pageinspect and as a superuser, it reads the pages themselves, and returns
-- every version that still exists: also dead, aborted and uncommitted ones. Otherwise it returns
-- the visible versions, and values that system columns do not contain are null: a frozen version is
-- reported as committed, and an xmax may be a lock or a removal.
--
-- visible is the server's own verdict: the version's place is among those that a plain SELECT
-- returns. A snapshot does not contain whether a transaction was rolled back, nor subtransactions.
--
-- It assigns no transaction number. p_table_name is an identifier with its schema, quoted as SQL
-- requires.
CREATE OR REPLACE FUNCTION concurrency.show_mvcc_info(
    p_table_name text,
    p_first_page bigint DEFAULT 0,
    p_page_count integer DEFAULT 100
)
RETURNS TABLE (
    ctid tid,
    xmin xid,
    xmax xid,
    xmin_committed boolean,
    xmax_committed boolean,
    current_snapshot text,
    visible boolean,
    creator text,
    remover text,
    lockers text[],
    newer_version tid,
    source text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_table record;
    v_inspector text;
    v_name text;
    v_pages bigint;
    v_range text;
BEGIN
    IF p_table_name IS NULL OR p_first_page IS NULL OR p_page_count IS NULL THEN
        RAISE EXCEPTION 'p_table_name, p_first_page and p_page_count must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF p_first_page NOT BETWEEN 0 AND 4294967294 OR p_page_count NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'p_first_page must be a page, and p_page_count between 1 and 10000: % and %', p_first_page, p_page_count
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT relation.oid, relation.relname, relation.relkind, space.nspname INTO v_table
    FROM pg_class AS relation
    JOIN pg_namespace AS space ON space.oid = relation.relnamespace
    WHERE relation.oid = to_regclass(p_table_name);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'p_table_name is not a table: %', p_table_name
            USING ERRCODE = 'undefined_table', HINT = 'Name its schema too, and quote what SQL would quote.';
    END IF;
    IF v_table.relkind NOT IN ('r', 'm', 't') THEN
        RAISE EXCEPTION 'p_table_name has no rows of its own: %', p_table_name
            USING ERRCODE = 'wrong_object_type', HINT = 'Name a table, a materialized view or a partition.';
    END IF;
    v_name := format('%I.%I', v_table.nspname, v_table.relname);
    v_pages := least(pg_relation_size(v_table.oid) / current_setting('block_size')::bigint, p_first_page + p_page_count);
    v_range := format('version.ctid >= %L::tid AND version.ctid < %L::tid',
        format('(%s,0)', p_first_page), format('(%s,0)', least(p_first_page + p_page_count, 4294967295)));
    SELECT format('%I', space.nspname) INTO v_inspector
    FROM pg_extension AS extension
    JOIN pg_namespace AS space ON space.oid = extension.extnamespace
    WHERE extension.extname = 'pageinspect'
      AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);

    IF v_inspector IS NULL THEN
        RETURN QUERY EXECUTE format($query$
            WITH own AS MATERIALIZED (
                SELECT transactionid FROM pg_locks
                WHERE locktype = 'transactionid' AND pid = pg_backend_pid() AND granted AND mode = 'ExclusiveLock'
            )
            SELECT
                version.ctid,
                version.xmin,
                version.xmax,
                NOT part.is_own,
                NULL::boolean,
                pg_current_snapshot()::text,
                true,
                CASE WHEN part.is_own THEN 'own' ELSE 'committed' END,
                CASE WHEN version.xmax = '0' THEN 'none' END,
                CASE WHEN version.xmax = '0' THEN ARRAY[]::text[] END,
                NULL::tid,
                'visible rows'
            FROM %s AS version
            CROSS JOIN LATERAL (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS number) AS next
            -- A visible version whose transaction is in progress is the caller's own, even when it
            -- was written under a savepoint that was released and holds no lock any more.
            CROSS JOIN LATERAL (
                SELECT EXISTS (SELECT FROM own WHERE transactionid = version.xmin) OR coalesce(pg_xact_status((next.number
                    + (version.xmin::text::bigint - next.number %% 4294967296 + 6442450944) %% 4294967296 - 2147483648
                    )::text::xid8) = 'in progress', false) AS is_own
            ) AS part
            WHERE %s
            ORDER BY version.ctid
            $query$, v_name, v_range);
        RETURN;
    END IF;

    RETURN QUERY EXECUTE format($query$
        -- The bits of t_infomask. 256: xmin committed. 512: xmin aborted. 768, both of them: frozen.
        -- 1024: xmax committed. 2048: xmax is invalid. 4096: xmax is a multixact, a group of
        -- transactions. 128: xmax only locks the row; before PostgreSQL 9.3, 64 without 4096 and 16
        -- meant the same. 80: both bits of the lock's strength.
        WITH own AS MATERIALIZED (
            SELECT transactionid AS number FROM pg_locks
            WHERE locktype = 'transactionid' AND pid = pg_backend_pid() AND granted AND mode = 'ExclusiveLock'
        ), item AS MATERIALIZED (
            SELECT
                format('(%%s,%%s)', page.number, item.lp)::tid AS place,
                item.t_xmin, item.t_xmax, item.t_ctid, item.t_infomask AS bits, item.t_infomask2 AS more_bits,
                item.t_infomask & 2048 <> 0 OR item.t_xmax = '0' AS is_unmarked,
                item.t_infomask & 128 <> 0 OR item.t_infomask & (4096 | 64 | 16) = 64 AS only_locks,
                item.t_infomask & 4096 <> 0 AS is_group
            FROM generate_series(%1$L::bigint, %2$L::bigint - 1) AS page (number)
            CROSS JOIN LATERAL %3$s.heap_page_items(%3$s.get_raw_page(%4$L, page.number)) AS item
            WHERE item.lp_flags = 1
        ), marker AS (
            SELECT
                item.place,
                member.xid AS number,
                member.mode IN ('upd', 'nokeyupd') AS removes,
                CASE member.mode WHEN 'keysh' THEN 'FOR KEY SHARE' WHEN 'sh' THEN 'FOR SHARE'
                    WHEN 'fornokeyupd' THEN 'FOR NO KEY UPDATE' WHEN 'forupd' THEN 'FOR UPDATE' END AS lock_mode,
                false AS is_known_committed
            FROM item
            CROSS JOIN LATERAL pg_get_multixact_members(item.t_xmax) AS member
            WHERE NOT item.is_unmarked AND item.is_group
            UNION ALL
            SELECT
                item.place,
                item.t_xmax,
                NOT item.only_locks,
                CASE WHEN item.bits & 80 = 80 THEN 'FOR SHARE' WHEN item.bits & 16 <> 0 THEN 'FOR KEY SHARE'
                    WHEN item.more_bits & 8192 <> 0 THEN 'FOR UPDATE' ELSE 'FOR NO KEY UPDATE' END,
                item.bits & 1024 <> 0
            FROM item
            WHERE NOT item.is_unmarked AND NOT item.is_group
        ), known AS (
            -- The number with its epoch is the candidate nearest to the next number to be assigned.
            SELECT
                part.number,
                pg_xact_status(whole.number) AS status,
                pg_visible_in_snapshot(whole.number, pg_current_snapshot()) AS in_snapshot
            FROM (
                SELECT t_xmin AS number FROM item WHERE bits & 768 <> 768
                UNION
                SELECT number FROM marker WHERE NOT is_known_committed
            ) AS part
            CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS number) AS next
            CROSS JOIN LATERAL (SELECT (next.number
                + (part.number::text::bigint - next.number %% 4294967296 + 6442450944) %% 4294967296 - 2147483648
                )::text::xid8 AS number) AS whole
        ), marked AS (
            SELECT
                marker.place,
                max(CASE
                    WHEN NOT marker.removes THEN NULL
                    WHEN EXISTS (SELECT FROM own WHERE own.number = marker.number) THEN 'own'
                    WHEN marker.is_known_committed THEN 'committed'
                    ELSE coalesce(known.status, 'unknown')
                END) AS remover,
                array_agg(marker.lock_mode || ' by ' || marker.number ORDER BY marker.number::text::bigint, marker.lock_mode)
                    FILTER (WHERE NOT marker.removes AND known.status = 'in progress') AS lockers
            FROM marker
            LEFT JOIN known ON known.number = marker.number
            GROUP BY marker.place
        ), seen AS MATERIALIZED (
            SELECT version.ctid AS place, version.xmin AS number FROM %5$s AS version WHERE %6$s
        ), decoded AS (
            SELECT
                item.*,
                CASE
                    WHEN item.bits & 768 = 768 THEN 'frozen'
                    WHEN EXISTS (SELECT FROM own WHERE own.number = item.t_xmin) THEN 'own'
                    WHEN item.bits & 512 <> 0 THEN 'aborted'
                    WHEN item.bits & 256 <> 0 THEN 'committed'
                    ELSE coalesce(known.status, 'unknown')
                END AS creator,
                CASE
                    WHEN marked.remover IS NOT NULL THEN marked.remover
                    -- The remover was rolled back, and a reader has set the hint bit.
                    WHEN item.is_unmarked AND item.t_xmax <> '0' AND NOT item.only_locks AND NOT item.is_group THEN 'aborted'
                    ELSE 'none'
                END AS remover,
                coalesce(marked.lockers, ARRAY[]::text[]) AS lockers,
                EXISTS (SELECT FROM seen WHERE seen.place = item.place AND seen.number = item.t_xmin) AS visible,
                coalesce(known.in_snapshot, true) AS in_snapshot
            FROM item
            LEFT JOIN known ON known.number = item.t_xmin
            LEFT JOIN marked ON marked.place = item.place
        ), creators AS (
            -- A released savepoint holds no lock any more, so the visibility of its rows identifies
            -- it.
            SELECT
                decoded.*,
                CASE
                    WHEN decoded.creator = 'in progress' AND (decoded.visible OR decoded.remover = 'own') THEN 'own'
                    ELSE decoded.creator
                END AS maker
            FROM decoded
        ), removers AS (
            SELECT
                creators.*,
                CASE
                    WHEN creators.remover = 'in progress' AND (creators.maker = 'own' OR NOT creators.visible
                        AND creators.maker IN ('frozen', 'committed') AND creators.in_snapshot) THEN 'own'
                    ELSE creators.remover
                END AS taker
            FROM creators
        )
        SELECT
            decoded.place,
            decoded.t_xmin,
            decoded.t_xmax,
            decoded.maker IN ('frozen', 'committed'),
            CASE WHEN decoded.taker <> 'none' THEN decoded.taker = 'committed' END,
            pg_current_snapshot()::text,
            decoded.visible,
            decoded.maker,
            decoded.taker,
            decoded.lockers,
            CASE WHEN decoded.taker <> 'none' AND decoded.t_ctid NOT IN (decoded.place, '(4294967295,65533)') THEN decoded.t_ctid END,
            'pages'
        FROM removers AS decoded
        ORDER BY decoded.place
        $query$, p_first_page, v_pages, v_inspector, v_name, v_name, v_range);
END
$$;
COMMENT ON FUNCTION concurrency.show_mvcc_info(text, bigint, integer) IS 'The row versions of a table, and the state of each for the current transaction.';
REVOKE ALL ON FUNCTION concurrency.show_mvcc_info(text, bigint, integer) FROM PUBLIC;

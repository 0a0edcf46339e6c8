-- Internal: returns the places of records in an order in which the entry numbers of every account,
-- and the event numbers of every hold, rise, and a capture follows its transfer. Records that do not
-- depend on each other keep their order as far as possible.
-- Times have nearly always that order already. They do not after the server's clock went back, when
-- entries of an account have one time.
CREATE OR REPLACE FUNCTION banking.order_records(p_kinds text[], p_ids uuid[]) RETURNS integer[]
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
    WITH RECURSIVE record AS MATERIALIZED (
        SELECT given.record_kind, given.record_id, given.place::integer AS place
        FROM unnest(p_kinds, p_ids) WITH ORDINALITY AS given (record_kind, record_id, place)
    ),
    link AS (
        SELECT record.place, chain.chain_id, chain.number
        FROM record
        JOIN banking.transfers AS transfer ON transfer.transfer_id = record.record_id
        CROSS JOIN LATERAL (VALUES
            (transfer.from_account_id, transfer.from_entry_number),
            (transfer.to_account_id, transfer.to_entry_number),
            (transfer.transfer_id, 0)
        ) AS chain (chain_id, number)
        WHERE record.record_kind = 't'
        UNION ALL
        SELECT record.place, chain.chain_id, chain.number
        FROM record
        JOIN banking.hold_events AS event ON event.event_id = record.record_id
        CROSS JOIN LATERAL (VALUES
            (event.hold_id, event.event_number),
            (event.transfer_id, event.event_number)
        ) AS chain (chain_id, number)
        WHERE record.record_kind = 'h' AND chain.chain_id IS NOT NULL
    ),
    edge AS MATERIALIZED (
        SELECT linked.earlier, linked.later
        FROM (
            SELECT lag(link.place) OVER (PARTITION BY link.chain_id ORDER BY link.number, link.place) AS earlier,
                   link.place AS later
            FROM link
        ) AS linked
        WHERE linked.earlier IS NOT NULL
    ),
    -- The longest way to a record from one that depends on none. The bound ends a circle, which only
    -- altered entry numbers can form.
    step (place, level) AS (
        SELECT record.place, 0
        FROM record
        WHERE NOT EXISTS (SELECT FROM edge WHERE edge.later = record.place)
        UNION
        SELECT edge.later, step.level + 1
        FROM step
        JOIN edge ON edge.earlier = step.place
        WHERE step.level < cardinality(p_ids)
    )
    SELECT array_agg(levelled.place ORDER BY levelled.level, levelled.place)
    FROM (
        SELECT record.place, coalesce(max(step.level), 0) AS level
        FROM record
        LEFT JOIN step ON step.place = record.place
        GROUP BY record.place
    ) AS levelled
$$;
REVOKE ALL ON FUNCTION banking.order_records(text[], uuid[]) FROM PUBLIC;

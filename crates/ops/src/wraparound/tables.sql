SELECT
    space.nspname::pg_catalog.text AS schema_name,
    class.relname::pg_catalog.text AS table_name,
    greatest(pg_catalog.age(class.relfrozenxid), pg_catalog.age(toast.relfrozenxid))::pg_catalog.int8 AS transaction_age,
    greatest(pg_catalog.mxid_age(class.relminmxid), pg_catalog.mxid_age(toast.relminmxid))::pg_catalog.int8 AS multixact_age,
    -- A table's own limit can only be lower.
    least(pg_catalog.current_setting('autovacuum_freeze_max_age')::pg_catalog.int8, own.transaction_age_max) AS transaction_age_max,
    least(pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::pg_catalog.int8, own.multixact_age_max) AS multixact_age_max
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_class AS toast ON toast.oid = class.reltoastrelid
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.min(option.option_value::pg_catalog.int8)
            FILTER (WHERE option.option_name = 'autovacuum_freeze_max_age') AS transaction_age_max,
        pg_catalog.min(option.option_value::pg_catalog.int8)
            FILTER (WHERE option.option_name = 'autovacuum_multixact_freeze_max_age') AS multixact_age_max
    FROM pg_catalog.pg_options_to_table(class.reloptions) AS option
    WHERE option.option_name IN ('autovacuum_freeze_max_age', 'autovacuum_multixact_freeze_max_age')
) AS own
WHERE class.relkind IN ('r', 'm') AND ($1 IS NULL OR space.nspname = ANY ($1))
ORDER BY transaction_age DESC, schema_name, table_name
LIMIT $2

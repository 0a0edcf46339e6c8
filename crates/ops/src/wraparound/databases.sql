SELECT
    datname::pg_catalog.text AS database_name,
    pg_catalog.age(datfrozenxid)::pg_catalog.int8 AS transaction_age,
    pg_catalog.mxid_age(datminmxid)::pg_catalog.int8 AS multixact_age,
    pg_catalog.current_setting('autovacuum_freeze_max_age')::pg_catalog.int8 AS transaction_age_max,
    pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::pg_catalog.int8 AS multixact_age_max
FROM pg_catalog.pg_database
ORDER BY transaction_age DESC, database_name

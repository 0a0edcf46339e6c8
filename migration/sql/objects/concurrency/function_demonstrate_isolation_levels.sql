-- PostgreSQL's documented result for each isolation level and phenomenon ("Transaction Isolation",
-- table 13.1). The function executes nothing, since it runs in one transaction and each phenomenon
-- needs two; `neobank ops isolation` executes them. READ UNCOMMITTED has no dirty reads in
-- PostgreSQL, although the SQL standard allows them.
CREATE OR REPLACE FUNCTION concurrency.demonstrate_isolation_levels()
RETURNS TABLE (isolation_level text, phenomenon text, allowed boolean, example text)
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    VALUES
    ('READ UNCOMMITTED', 'Dirty Read', false,
     'Documented: PostgreSQL treats this level as READ COMMITTED.'),
    ('READ UNCOMMITTED', 'Non-repeatable Read', true,
     'Documented: PostgreSQL treats this level as READ COMMITTED.'),
    ('READ UNCOMMITTED', 'Phantom Read', true,
     'Documented: PostgreSQL treats this level as READ COMMITTED.'),
    ('READ UNCOMMITTED', 'Serialization Anomaly', true,
     'Documented: PostgreSQL treats this level as READ COMMITTED.'),
    ('READ COMMITTED', 'Dirty Read', false,
     'Documented: each statement sees what was committed before it began.'),
    ('READ COMMITTED', 'Non-repeatable Read', true,
     'Documented: each statement sees what was committed before it began.'),
    ('READ COMMITTED', 'Phantom Read', true,
     'Documented: each statement sees what was committed before it began.'),
    ('READ COMMITTED', 'Serialization Anomaly', true,
     'Documented: each statement sees what was committed before it began.'),
    ('REPEATABLE READ', 'Dirty Read', false,
     'Documented: one snapshot, taken by the first statement, for the whole transaction.'),
    ('REPEATABLE READ', 'Non-repeatable Read', false,
     'Documented: one snapshot, taken by the first statement, for the whole transaction.'),
    ('REPEATABLE READ', 'Phantom Read', false,
     'Documented: one snapshot, taken by the first statement, for the whole transaction.'),
    ('REPEATABLE READ', 'Serialization Anomaly', true,
     'Documented: one snapshot, taken by the first statement, for the whole transaction.'),
    ('SERIALIZABLE', 'Dirty Read', false,
     'Documented: as REPEATABLE READ, and a transaction that fits no serial order fails with 40001.'),
    ('SERIALIZABLE', 'Non-repeatable Read', false,
     'Documented: as REPEATABLE READ, and a transaction that fits no serial order fails with 40001.'),
    ('SERIALIZABLE', 'Phantom Read', false,
     'Documented: as REPEATABLE READ, and a transaction that fits no serial order fails with 40001.'),
    ('SERIALIZABLE', 'Serialization Anomaly', false,
     'Documented: as REPEATABLE READ, and a transaction that fits no serial order fails with 40001.')
$$;
COMMENT ON FUNCTION concurrency.demonstrate_isolation_levels() IS 'PostgreSQL''s documented result for each isolation level and phenomenon; nothing is executed.';
REVOKE ALL ON FUNCTION concurrency.demonstrate_isolation_levels() FROM PUBLIC;

-- The table of commit records gets the name that the code has for its rows, and so do its
-- constraints and its index. Every row stays.
ALTER TABLE concurrency.transaction_outcomes RENAME TO commit_records;
ALTER INDEX concurrency.transaction_outcomes_recorded_at_index RENAME TO commit_records_recorded_at_index;

-- From PostgreSQL 18 on, each NOT NULL is a constraint with a name too.
DO $$
DECLARE
    v_name name;
BEGIN
    FOR v_name IN
        SELECT conname FROM pg_catalog.pg_constraint
        WHERE conrelid = 'concurrency.commit_records'::regclass AND conname LIKE 'transaction\_outcomes\_%'
    LOOP
        EXECUTE format('ALTER TABLE concurrency.commit_records RENAME CONSTRAINT %I TO %I',
            v_name, 'commit_records' || substr(v_name, length('transaction_outcomes') + 1));
    END LOOP;
END
$$;

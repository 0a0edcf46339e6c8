-- The functions of the triggers keep their new names: they are objects, not part of the migration.
ALTER TABLE concurrency.commit_records RENAME TO transaction_outcomes;
ALTER INDEX concurrency.commit_records_recorded_at_index RENAME TO transaction_outcomes_recorded_at_index;

DO $$
DECLARE
    v_name name;
BEGIN
    FOR v_name IN
        SELECT conname FROM pg_catalog.pg_constraint
        WHERE conrelid = 'concurrency.transaction_outcomes'::regclass AND conname LIKE 'commit\_records\_%'
    LOOP
        EXECUTE format('ALTER TABLE concurrency.transaction_outcomes RENAME CONSTRAINT %I TO %I',
            v_name, 'transaction_outcomes' || substr(v_name, length('commit_records') + 1));
    END LOOP;
END
$$;

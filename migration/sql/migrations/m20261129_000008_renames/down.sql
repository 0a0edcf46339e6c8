ALTER TABLE concurrency.commit_records RENAME TO transaction_outcomes;
ALTER INDEX concurrency.commit_records_recorded_at_index RENAME TO transaction_outcomes_recorded_at_index;

DO $$
DECLARE
    v_name name;
    v_table text;
BEGIN
    FOR v_name IN
        SELECT conname FROM pg_catalog.pg_constraint
        WHERE conrelid = 'concurrency.transaction_outcomes'::regclass AND conname LIKE 'commit\_records\_%'
    LOOP
        EXECUTE format('ALTER TABLE concurrency.transaction_outcomes RENAME CONSTRAINT %I TO %I',
            v_name, 'transaction_outcomes' || substr(v_name, length('commit_records') + 1));
    END LOOP;
    -- An earlier version drops a function that it does not contain, which fails while triggers use it.
    FOREACH v_table IN ARRAY ARRAY['journal', 'account'] LOOP
        IF to_regprocedure(format('banking.reject_%s_change()', v_table)) IS NOT NULL THEN
            EXECUTE format('ALTER FUNCTION banking.reject_%s_change() RENAME TO refuse_%s_change', v_table, v_table);
        END IF;
    END LOOP;
END
$$;

-- The table of commit records gets the name that the code has for its rows, and so do its
-- constraints and its index. Every row stays.
ALTER TABLE concurrency.transaction_outcomes RENAME TO commit_records;
ALTER INDEX concurrency.transaction_outcomes_recorded_at_index RENAME TO commit_records_recorded_at_index;

DO $$
DECLARE
    v_name name;
    v_table text;
BEGIN
    -- From PostgreSQL 18 on, each NOT NULL is a constraint with a name too.
    FOR v_name IN
        SELECT conname FROM pg_catalog.pg_constraint
        WHERE conrelid = 'concurrency.commit_records'::regclass AND conname LIKE 'transaction\_outcomes\_%'
    LOOP
        EXECUTE format('ALTER TABLE concurrency.commit_records RENAME CONSTRAINT %I TO %I',
            v_name, 'commit_records' || substr(v_name, length('transaction_outcomes') + 1));
    END LOOP;
    -- The functions of the triggers that reject a change. A trigger keeps its function under the
    -- new name. In a new database the functions do not exist yet.
    FOREACH v_table IN ARRAY ARRAY['journal', 'account'] LOOP
        IF to_regprocedure(format('banking.refuse_%s_change()', v_table)) IS NOT NULL THEN
            EXECUTE format('ALTER FUNCTION banking.refuse_%s_change() RENAME TO reject_%s_change', v_table, v_table);
        END IF;
    END LOOP;
END
$$;

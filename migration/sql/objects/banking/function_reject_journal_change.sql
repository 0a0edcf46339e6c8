-- Rejects every update and deletion in the journal, also by its owner.
CREATE OR REPLACE FUNCTION banking.reject_journal_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is rejected: the journal is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'NB003',
              HINT = 'Correct a mistake with an adjustment entry.';
END
$$;
REVOKE ALL ON FUNCTION banking.reject_journal_change() FROM PUBLIC;

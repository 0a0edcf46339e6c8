CREATE OR REPLACE TRIGGER transfers_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION banking.refuse_journal_change();

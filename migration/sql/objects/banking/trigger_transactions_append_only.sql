-- Also where session_replication_role is replica.
CREATE OR REPLACE TRIGGER transactions_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON banking.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change();
ALTER TABLE banking.transactions ENABLE ALWAYS TRIGGER transactions_append_only;

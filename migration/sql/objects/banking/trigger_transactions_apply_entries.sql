CREATE OR REPLACE TRIGGER transactions_apply_entries
    AFTER INSERT ON banking.transactions
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION banking.apply_entries();

CREATE OR REPLACE TRIGGER transfers_name_accounts
    AFTER INSERT ON banking.transfers
    REFERENCING NEW TABLE AS new_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION banking.check_transfers();

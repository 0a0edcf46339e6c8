-- Skipped for the posting functions, which update both accounts of each transfer. See the condition
-- of transactions_apply_entries.
CREATE OR REPLACE TRIGGER transfers_name_accounts
    AFTER INSERT ON banking.transfers
    REFERENCING NEW TABLE AS new_transfers
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.posting', true) IS DISTINCT FROM 'on'
          OR NOT has_column_privilege('banking.accounts', 'current_balance', 'UPDATE'))
    EXECUTE FUNCTION banking.check_transfers();

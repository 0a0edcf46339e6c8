-- Skipped for the posting functions, which have done the same work. Their setting counts only for
-- roles that may change a balance; the application may set it, and may not change one.
CREATE OR REPLACE TRIGGER transactions_apply_entries
    AFTER INSERT ON banking.transactions
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.posting', true) IS DISTINCT FROM 'on'
          OR NOT has_column_privilege('banking.accounts', 'current_balance', 'UPDATE'))
    EXECUTE FUNCTION banking.apply_entries();

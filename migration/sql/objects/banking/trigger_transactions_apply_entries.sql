-- post_transfers() has done the same work when it gets here. Its setting counts only for those who may change a balance
-- anyway: the application, which may set it too, may not.
CREATE OR REPLACE TRIGGER transactions_apply_entries
    AFTER INSERT ON banking.transactions
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT
    WHEN (current_setting('neobank.posting', true) IS DISTINCT FROM 'on'
          OR NOT has_column_privilege('banking.accounts', 'current_balance', 'UPDATE'))
    EXECUTE FUNCTION banking.apply_entries();

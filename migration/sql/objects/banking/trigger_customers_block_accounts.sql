CREATE OR REPLACE TRIGGER customers_block_accounts
    AFTER UPDATE OF customer_status ON banking.customers
    FOR EACH ROW
    WHEN ((OLD.customer_status IN ('suspended', 'closed')) <> (NEW.customer_status IN ('suspended', 'closed')))
    EXECUTE FUNCTION banking.block_accounts();
ALTER TABLE banking.customers ENABLE ALWAYS TRIGGER customers_block_accounts;

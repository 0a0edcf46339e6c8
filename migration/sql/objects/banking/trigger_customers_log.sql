CREATE OR REPLACE TRIGGER customers_log
    AFTER INSERT OR UPDATE OR DELETE ON banking.customers
    FOR EACH ROW EXECUTE FUNCTION banking.log_change();
ALTER TABLE banking.customers ENABLE ALWAYS TRIGGER customers_log;

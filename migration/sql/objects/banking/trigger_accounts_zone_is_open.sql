CREATE OR REPLACE TRIGGER accounts_zone_is_open
    AFTER INSERT OR UPDATE OF time_zone ON banking.accounts
    FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL)
    EXECUTE FUNCTION banking.check_zone();
ALTER TABLE banking.accounts ENABLE ALWAYS TRIGGER accounts_zone_is_open;

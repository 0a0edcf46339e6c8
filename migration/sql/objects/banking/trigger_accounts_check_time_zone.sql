CREATE OR REPLACE TRIGGER accounts_check_time_zone
    BEFORE INSERT OR UPDATE OF time_zone ON banking.accounts
    FOR EACH ROW WHEN (NEW.time_zone IS NOT NULL)
    EXECUTE FUNCTION banking.check_time_zone();

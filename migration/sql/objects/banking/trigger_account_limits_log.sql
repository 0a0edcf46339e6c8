CREATE OR REPLACE TRIGGER account_limits_log
    AFTER INSERT OR UPDATE OR DELETE ON banking.account_limits
    FOR EACH ROW EXECUTE FUNCTION banking.log_change();
ALTER TABLE banking.account_limits ENABLE ALWAYS TRIGGER account_limits_log;

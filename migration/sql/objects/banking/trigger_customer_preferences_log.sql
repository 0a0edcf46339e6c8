CREATE OR REPLACE TRIGGER customer_preferences_log
    AFTER INSERT OR UPDATE OR DELETE ON banking.customer_preferences
    FOR EACH ROW EXECUTE FUNCTION banking.log_change();
ALTER TABLE banking.customer_preferences ENABLE ALWAYS TRIGGER customer_preferences_log;

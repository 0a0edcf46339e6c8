CREATE OR REPLACE TRIGGER webhooks_log
    AFTER INSERT OR UPDATE OR DELETE ON banking.webhooks
    FOR EACH ROW EXECUTE FUNCTION banking.log_change();
ALTER TABLE banking.webhooks ENABLE ALWAYS TRIGGER webhooks_log;

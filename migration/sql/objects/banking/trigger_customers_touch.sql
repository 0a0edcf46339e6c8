CREATE OR REPLACE TRIGGER customers_touch
    BEFORE UPDATE ON banking.customers
    FOR EACH ROW EXECUTE FUNCTION banking.touch_customer();

CREATE OR REPLACE TRIGGER customer_preferences_touch
    BEFORE UPDATE ON banking.customer_preferences
    FOR EACH ROW EXECUTE FUNCTION banking.touch_customer();

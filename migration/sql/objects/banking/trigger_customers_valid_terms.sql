CREATE OR REPLACE TRIGGER customers_valid_terms
    BEFORE INSERT OR UPDATE OF first_name, last_name, email, phone_primary, phone_secondary, date_of_birth
    ON banking.customers
    FOR EACH ROW EXECUTE FUNCTION banking.check_customer();
ALTER TABLE banking.customers ENABLE ALWAYS TRIGGER customers_valid_terms;

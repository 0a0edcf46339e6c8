-- CREATE OR REPLACE cannot be used for a constraint trigger.
DROP TRIGGER IF EXISTS unfinished_transfers_have_entries ON banking.unfinished_transfers;
CREATE CONSTRAINT TRIGGER unfinished_transfers_have_entries
    AFTER INSERT ON banking.unfinished_transfers
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION banking.require_entries();
ALTER TABLE banking.unfinished_transfers ENABLE ALWAYS TRIGGER unfinished_transfers_have_entries;
